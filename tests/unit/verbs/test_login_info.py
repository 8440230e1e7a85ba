# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The logins of a host are listed without secrets, in the order in which they are used."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, InvalidOption, LongshoreError, Unreachable, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.login_scope import LoginScope
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.login_info import check_logins, find_logins
from tests.support.logins import PASSWORD, LoginHost, entry, write

Row = dict[str, t.Any]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoginHost:
    made = LoginHost(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    return made


def rows(host: LoginHost, wanted: str | None = None, path: Path | None = None) -> list[Row]:
    scope = LoginScope(*wanted.split("/", 1)) if wanted else None
    found = find_logins(scope, str(path) if path else None, host.environment)
    assert PASSWORD not in str(found)
    return [login.row() for login in found]


def brief(found: list[Row]) -> list[tuple[str, str | None, bool]]:
    return [(row["registry"], row["username"], row["active"]) for row in found]


def test_a_host_without_files_has_no_logins(host: LoginHost) -> None:
    assert rows(host) == []
    with pytest.raises(InvalidOption, match="doesn't exist"):
        rows(host, path=host.file)


def test_each_login_has_its_file_and_its_user(host: LoginHost) -> None:
    write(host.file, {"auths": {"r.io/team": entry(), "https://index.docker.io/v1/": entry(username="hub"), "empty.io": {}}})
    shared = {"kind": "password", "auth_file": str(host.file), "helper": None, "active": True}
    assert rows(host) == [{"registry": "r.io/team", "username": "me", **shared}, {"registry": "docker.io", "username": "hub", **shared}]


def test_an_identity_token_has_no_user(host: LoginHost) -> None:
    write(host.file, {"auths": {"r.io": {"auth": entry("", "<token>")["auth"], "identitytoken": PASSWORD}}})
    assert [(row["username"], row["kind"]) for row in rows(host)] == [(None, "identity_token")]


def test_a_login_in_an_earlier_file_hides_those_for_the_same_images(host: LoginHost) -> None:
    write(host.file, {"auths": {"r.io/team": entry(username="first"), "https://a.io": entry(), "a.io": entry(username="key")}})
    write(host.docker, {"auths": {"r.io": entry(), "r.io/team/app": entry(), "r.io/teams": entry(), "a.io": entry()}})
    assert brief(rows(host)) == [
        ("r.io/team", "first", True),
        ("a.io", "me", False),
        ("a.io", "key", True),
        ("r.io", "me", True),
        ("r.io/team/app", "me", False),
        ("r.io/teams", "me", True),
        ("a.io", "me", False),
    ]


@pytest.mark.parametrize(
    ("wanted", "listed"),
    [("r.io", ["r.io", "r.io/team", "r.io/x"]), ("r.io/team/app", ["r.io", "r.io/team"]), ("r.io/te", ["r.io"]), ("r.io:5000", ["r.io:5000"])],
)
def test_one_registry_or_what_applies_to_one_repository_can_be_listed(host: LoginHost, wanted: str, listed: list[str]) -> None:
    write(host.file, {"auths": dict.fromkeys(["r.io", "r.io/team", "r.io/x", "r.io:5000", "other.io"], entry())})
    assert [row["registry"] for row in rows(host, wanted)] == listed


def test_logins_of_helpers_are_listed_with_their_helper(host: LoginHost) -> None:
    own, common = host.add_helper("own"), host.add_helper("common")
    write(own / "own.io", {"Username": "robot", "Secret": PASSWORD})
    write(common / "list", {"https://index.docker.io/v1/": "hub", "r.io": "<token>", "own.io": "hidden", "both.io": "hidden"})
    auths = {"own.io": entry(), "both.io": entry(), "https://index.docker.io/v1/": {}}
    write(host.docker, {"auths": auths, "credHelpers": {"own.io": "own", "absent.io": "own", "no.io": ""}, "credsStore": "common"})
    found = rows(host)
    assert brief(found) == [
        ("own.io", "robot", True),
        ("own.io", "me", False),
        ("both.io", "me", True),
        ("docker.io", "hub", True),
        ("r.io", None, True),
        ("both.io", "hidden", False),
    ]
    assert [row["helper"] for row in found] == ["own", None, None, "common", "common", "common"]
    # Secrets of the common helper are read only to check them.
    assert (common / "argv").read_text().split() == ["list"]


def test_a_broken_file_or_helper_is_an_error(host: LoginHost) -> None:
    write(host.file, "{")
    with pytest.raises(UnsupportedFormat, match=str(host.file)):
        rows(host)
    write(host.file, {"credsStore": "test"})
    host.add_helper("test")
    (host.programs / "docker-credential-test").write_text("#!/bin/sh\necho '[1]'\n")
    with pytest.raises(Denied, match="docker-credential-test, which sent an invalid answer"):
        rows(host)


class Answers:
    """Registries that answer each login as listed: True, False for a registry without logins, or an error."""

    def __init__(self, answers: dict[str, bool | LongshoreError]) -> None:
        self.answers = answers

    def accepts_login(self, registry: str, credentials: Credentials) -> bool:
        assert credentials == Credentials("me", PASSWORD)
        answer = self.answers[registry]
        if isinstance(answer, LongshoreError):
            raise answer
        return answer


def test_each_login_is_checked_and_a_refusal_is_a_result(host: LoginHost) -> None:
    folder = host.add_helper("test")
    write(folder / "list", {"helper.io": "me", "gone.io": "me"})
    write(folder / "helper.io", {"Username": "me", "Secret": PASSWORD})
    write(host.docker, {"auths": {"good.io": entry(), "bad.io": entry(), "far.io": entry(), "open.io": entry()}, "credsStore": "test"})
    answers: dict[str, bool | LongshoreError] = {
        "good.io": True,
        "helper.io": True,
        "open.io": False,
        "bad.io": Denied("no"),
        "far.io": Unreachable("where?"),
    }
    with Workers(2) as workers:
        checked = check_logins(find_logins(None, None, host.environment), t.cast("t.Any", Answers(answers)), workers)
    assert [(row["registry"], row["accepted"], row.get("error"), row.get("msg")) for row in checked] == [
        ("good.io", True, None, None),
        ("bad.io", False, "denied", "no"),
        ("far.io", None, "unreachable", "where?"),
        ("open.io", None, None, None),
        ("helper.io", True, None, None),
        ("gone.io", False, "denied", "docker-credential-test lists a login for gone.io, but has none; log in again"),
    ]


def test_a_key_that_is_no_registry_is_listed_and_never_asked(host: LoginHost) -> None:
    write(host.file, {"auths": dict.fromkeys(["../../tmp", "registry", "r.io/"], entry())})
    with Workers(2) as workers:
        checked = check_logins(find_logins(None, None, host.environment), t.cast("t.Any", Answers({})), workers)
    assert [(row["registry"], row["accepted"], row["error"]) for row in checked] == [
        (name, None, "invalid_reference") for name in ("../../tmp", "registry", "r.io/")
    ]
