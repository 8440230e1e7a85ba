# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that a role reports as misspelt."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.longshore.images.plugins.filter.misspelt import misspelt

ROLES = Path(__file__).resolve().parents[3] / "roles"
ROLE_VARIABLES = list(yaml.safe_load((ROLES / "registry" / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"])


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
    assert misspelt([name, *ROLE_VARIABLES], ROLE_VARIABLES) == {name: meant}


@pytest.mark.parametrize("name", ["registry_password", "registry_host", "registry_image", "registry_name", "registry_namespace", "port", "web_port"])
def test_a_variable_of_another_role_is_ignored(name: str) -> None:
    assert misspelt([name], ROLE_VARIABLES) == {}


def test_the_variables_of_the_role_are_not_misspelt() -> None:
    assert misspelt(ROLE_VARIABLES, ROLE_VARIABLES) == {}
