# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that a role reports as misspelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.lookup.misspelt import find_misspelt, list_misspelt, read_role_options

ROLES = Path(__file__).resolve().parents[3] / "roles"
ROLE_VARIABLES = read_role_options(str(ROLES / "registry"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("registry_adress", "registry_address"),
        ("registry_prot", "registry_port"),
        ("registry_foldr", "registry_folder"),
        ("registry_tls_certficate", "registry_tls_certificate"),
        ("registry_delete_enable", "registry_delete_enabled"),
        ("registry_garbagecollect", "registry_garbage_collect"),
        ("registry_proxy_usrname", "registry_proxy_username"),
    ],
)
def test_a_name_that_is_nearly_known_is_misspelt(name: str, meant: str) -> None:
    assert find_misspelt([name, *ROLE_VARIABLES], ROLE_VARIABLES) == {name: meant}


@pytest.mark.parametrize(
    "name", ["registry_password", "registry_host", "registry_image", "registry_name", "registry_namespace", "port", "web_port", "registry__prot"]
)
def test_a_variable_of_another_role_is_ignored(name: str) -> None:
    assert find_misspelt([name], ROLE_VARIABLES) == {}


def test_the_variables_of_the_role_are_not_misspelt() -> None:
    assert find_misspelt(ROLE_VARIABLES, ROLE_VARIABLES) == {}


def test_the_variables_of_the_user_are_not_reported_and_those_of_the_play_are_known() -> None:
    role = str(ROLES / "registry")
    variables = ("registry_prot", "registry_adress", "registry_port", "registry_hosts", "registry_host")
    assert list_misspelt(variables, ["registry_hosts"], role, ["registry_adress"]) == [
        "registry_host (registry_hosts?)",
        "registry_prot (registry_port?)",
    ]
    assert list_misspelt(variables, ["registry_port"], None, []) == ["registry_prot (registry_port?)"]
