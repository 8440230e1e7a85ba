# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry or namespace that a login is for, as the option of a task and as the keys of auth files."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.login_scope import LoginScope
from ansible_collections.longshore.images.plugins.module_utils.task.login_options import parse_login_scope


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("r.io", LoginScope("r.io")),
        ("r.io:5000/team/app", LoginScope("r.io:5000", "team/app")),
        ("index.docker.io", LoginScope("docker.io")),
        ("docker.io/team", LoginScope("docker.io", "team")),
        ("[::1]:5000", LoginScope("[::1]:5000")),
        ("localhost/x", LoginScope("localhost", "x")),
    ],
)
def test_an_option_names_a_registry_or_a_path_below_it(text: str, scope: LoginScope) -> None:
    assert parse_login_scope(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        *("", "team", "team/app", "https://r.io", "https://me:secret@r.io/v1/", "me:secret@r.io", "r.io/", "r.io//a", "r.io/a/", "r.io/a:1"),
        *("r.io/UP", "r.io/../x", "r.io/a b", "r.io?x", "r.io/x@sha256:" + "0" * 64),
    ],
)
def test_anything_else_is_refused_without_showing_a_password(text: str) -> None:
    with pytest.raises(LongshoreError) as caught:
        parse_login_scope(text)
    assert isinstance(caught.value, InvalidOption)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("key", "scope"),
    [
        ("r.io", LoginScope("r.io")),
        ("r.io/team", LoginScope("r.io", "team")),
        ("https://r.io:5000/v2/", LoginScope("r.io:5000")),
        ("https://index.docker.io/v1/", LoginScope("docker.io")),
        ("registry-1.docker.io", LoginScope("docker.io")),
        ("index.docker.io/team", LoginScope("index.docker.io", "team")),
        ("r.io/", LoginScope("r.io/")),
        ("", LoginScope("")),
    ],
)
def test_a_key_has_one_scope(key: str, scope: LoginScope) -> None:
    assert LoginScope.of_key(key) == scope


def test_a_scope_contains_the_paths_below_it_by_whole_components() -> None:
    team = LoginScope("r.io", "team")
    assert [team.contains(LoginScope("r.io", path)) for path in ("team", "team/app", "teams", "")] == [True, True, False, False]
    assert LoginScope("r.io").contains(team)
    assert not LoginScope("r.io:5000").contains(team)
