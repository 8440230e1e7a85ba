# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers; the tests use small shell scripts as helpers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied
from ansible_collections.longshore.images.plugins.module_utils.registry.auth import credential_helpers
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.credential_helpers import query_helper
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.credentials import HostCredentials
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials

NOT_FOUND = "echo 'credentials not found in native keychain'; exit 1"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes `docker-credential-NAME` from a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(script: str, name: str = "test") -> Path:
        program = folder / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return make


def answer(username: str, secret: str) -> str:
    return f"cat <<'END'\n{json.dumps({'ServerURL': 'x', 'Username': username, 'Secret': secret})}\nEND"


def test_the_server_is_passed_on_standard_input_only(helper: Any, tmp_path: Path) -> None:
    helper(f'echo "$@" >{tmp_path}/argv; cat >{tmp_path}/stdin; {answer("me", "se cret")}')
    assert query_helper("test", "r.io", "auth.json") == Credentials("me", "se cret")
    assert (tmp_path / "argv").read_text() == "get\n"
    assert (tmp_path / "stdin").read_text() == "r.io"


def test_the_user_name_token_marks_an_identity_token(helper: Any) -> None:
    helper(answer("<token>", "identity"))
    assert query_helper("test", "r.io", "auth.json") == Credentials("", "", "identity")


def test_a_helper_may_ignore_its_standard_input(helper: Any) -> None:
    helper(f"exec <&-; {answer('me', 'x')}")
    assert query_helper("test", "r" * 100_000, "auth.json") == Credentials("me", "x")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "failed: exit status 3"),
        ("echo keychain is locked; exit 1", "failed: keychain is locked"),
        ("echo hello", "sent an invalid answer"),
        ('echo \'{"Username":"me"}\'', "sent an invalid answer"),
        ("head -c 70000 /dev/zero", "more than the 65536 bytes"),
        ("sleep 60", "didn't answer in time"),
        ("exec >&- 2>&-; sleep 60", "didn't end in time"),
    ],
)
def test_a_failing_helper_is_an_error_with_its_name(helper: Any, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    helper(script)
    monkeypatch.setattr(credential_helpers, "HELPER_SECONDS", 0.5)
    with pytest.raises(Denied, match=rf"auth\.json leaves the credentials of r\.io to docker-credential-test, which .*{message}"):
        query_helper("test", "r.io", "auth.json")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "a\n", "é", "$(id)"])
def test_a_helper_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(Denied, match="is not a valid name"):
        query_helper(name, "r.io", "auth.json")


def test_a_missing_helper_is_an_error() -> None:
    with pytest.raises(Denied, match="can't be started: No such file"):
        query_helper("absent", "r.io", "auth.json")


@pytest.mark.parametrize("path", [".", "", "sub", ":/usr/bin"])
def test_a_helper_in_the_current_folder_is_not_run(helper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    program = helper(f"touch {tmp_path}/ran; {answer('me', 'x')}")
    (tmp_path / "bin" / "sub").symlink_to(".")
    monkeypatch.chdir(program.parent)
    monkeypatch.setenv("PATH", path)
    with pytest.raises(Denied, match="can't be started"):
        query_helper("test", "r.io", "auth.json")
    assert not (tmp_path / "ran").exists()


def test_a_helper_that_everybody_may_replace_is_not_run_and_the_error_says_why(helper: Any, tmp_path: Path) -> None:
    helper(f"touch {tmp_path}/ran; {answer('me', 'x')}").parent.chmod(0o777)
    with pytest.raises(Denied, match=r"can't be started: .*docker-credential-test is not run because everybody may write to .*bin"):
        query_helper("test", "r.io", "auth.json")
    assert not (tmp_path / "ran").exists()


def find_credentials(tmp_path: Path, document: Any, registry: str = "r.io", repository: str = "a/b") -> Credentials | None:
    (tmp_path / "auth.json").write_text(json.dumps(document))
    return HostCredentials(str(tmp_path / "auth.json"), {}).find(registry, repository)


def test_the_helper_for_one_registry_takes_precedence(helper: Any, tmp_path: Path) -> None:
    helper(answer("me", "of one registry"), "own")
    helper(answer("me", "of all"), "all")
    document = {"credHelpers": {"r.io": "own"}, "credsStore": "all"}
    assert find_credentials(tmp_path, document) == Credentials("me", "of one registry")
    assert find_credentials(tmp_path, document, "other.io") == Credentials("me", "of all")


def test_helpers_know_docker_hub_by_its_old_address(helper: Any, tmp_path: Path) -> None:
    helper(f'test "$(cat)" = https://index.docker.io/v1/ || exit 1; {answer("me", "x")}')
    assert find_credentials(tmp_path, {"credsStore": "test"}, "docker.io", "library/nginx") == Credentials("me", "x")


def test_a_helper_without_credentials_is_an_error_only_after_a_login(helper: Any, tmp_path: Path) -> None:
    helper(NOT_FOUND)
    assert find_credentials(tmp_path, {"credsStore": "test"}) is None
    for document in ({"credHelpers": {"r.io": "test"}}, {"credsStore": "test", "auths": {"r.io": {}}}):
        with pytest.raises(Denied, match="has none; log in again"):
            find_credentials(tmp_path, document)


def test_a_helper_runs_once_for_each_server(helper: Any, tmp_path: Path) -> None:
    helper(f"echo asked >>{tmp_path}/log; {answer('me', 'x')}")
    (tmp_path / "auth.json").write_text('{"credsStore": "test"}')
    credentials = HostCredentials(str(tmp_path / "auth.json"), {})
    assert credentials.find("r.io", "a") == credentials.find("r.io", "b") == Credentials("me", "x")
    assert (tmp_path / "log").read_text() == "asked\n"
