# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_login and registry_login_info as Ansible runs them, with CNCF Distribution as the registry."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import make_image
from tests.support.logins import mode_of, read, write
from tests.support.registry import PASSWORD, USER, Registry


class Login(t.NamedTuple):
    """A protected registry, and an auth file that does not exist yet."""

    registry: Registry
    file: Path

    @property
    def options(self) -> dict[str, t.Any]:
        login = {"username": USER, "password": PASSWORD}
        return {"registry": self.registry.host, "auth_file": str(self.file), "ca_path": str(self.registry.ca), **login}


@pytest.fixture
def place(protected: Registry, tmp_path: Path) -> Login:
    (tmp_path / "files").mkdir()
    return Login(protected, tmp_path / "files" / "auth.json")


def test_a_login_is_verified_written_once_and_used_by_a_pull(place: Login, store: str) -> None:
    done = modules.check_do_again("registry_login", place.options, place=place.file.parent)
    assert {key: done[key] for key in ("registry", "username", "auth_file", "helper", "verified")} == {
        "registry": place.registry.host,
        "username": USER,
        "auth_file": str(place.file),
        "helper": None,
        "verified": True,
    }
    assert done["diff"]["before"] == {}
    assert "rate_limit" not in done
    assert mode_of(place.file) == 0o600

    name = place.registry.put(make_image("login"), "login/app", "1")
    pulled = {"name": name, "store": store, "auth_file": str(place.file), "ca_path": str(place.registry.ca)}
    assert modules.run("image_pull", pulled)["changed"]

    gone = modules.check_do_again("registry_login", {**place.options, "state": "absent"}, place=place.file.parent)
    assert gone["actions"] == [f"remove the login for {place.registry.host} from {place.file}"]


def test_a_refused_login_is_denied_and_the_file_stays(place: Login) -> None:
    write(place.file, {"auths": {"other.io": {"auth": "b3RoZXI6eA=="}}}, 0o644)
    before = modules.snapshot(place.file.parent)
    for check in (True, False):
        failed = modules.fail("registry_login", {**place.options, "password": "wrong-password"}, check)
        assert (failed["error"], failed["status"]) == ("denied", 401)
        assert f"the login at {place.registry.host}" in failed["msg"]
        assert "wrong-password" not in json.dumps(failed)
        assert modules.snapshot(place.file.parent) == before


def test_a_login_that_stopped_working_is_denied_although_the_file_has_it(place: Login) -> None:
    old = {**place.options, "password": "wrong-password"}
    assert modules.run("registry_login", {**old, "verify": False})["verified"] is False
    assert modules.fail("registry_login", old)["error"] == "denied"
    assert modules.run("registry_login", place.options)["actions"] == [f"change the login for {place.registry.host} in {place.file}"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"ca_path": None}, "unreachable", "no trusted TLS connection"),
        ({"username": None, "password": None}, "invalid_option", "give username and password, or identity_token"),
        ({"auth_file": "/dev/null/auth.json"}, "io_error", "/dev/null is not a folder"),
    ],
)
def test_bad_input_has_one_sentence_and_a_stable_word(place: Login, changes: dict[str, t.Any], error: str, message: str) -> None:
    options = {key: value for key, value in {**place.options, **changes}.items() if value is not None}
    failed = modules.fail("registry_login", options)
    assert failed["error"] == error
    assert message in failed["msg"]
    assert not place.file.exists()


def test_a_registry_that_asks_for_no_login_causes_a_warning(anonymous: Registry, place: Login) -> None:
    done = modules.run("registry_login", {**place.options, "registry": anonymous.host})
    assert (done["changed"], done["verified"]) == (True, False)
    # Before ansible-core 2.19, a warning is a text.
    assert f"{anonymous.host} answers without a login, so the login was not verified" in json.dumps(done["warnings"])


def test_the_login_of_one_registry_comes_from_the_list_of_all(place: Login) -> None:
    login = {option: place.options[option] for option in ("username", "password", "ca_path")}
    other = {"name": "other.io", "username": "you", "password": "other-password"}
    options = {"registry": f"{place.registry.host}/team", "auth_file": str(place.file)}
    modules.run("registry_login", {**options, "registries": [other, {"name": place.registry.host, **login}]})
    assert read(place.file)["auths"] == {f"{place.registry.host}/team": {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}


def test_the_default_file_is_that_of_the_user_and_info_finds_it(place: Login, tmp_path: Path) -> None:
    host = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    options = {key: value for key, value in place.options.items() if key != "auth_file"}
    file = modules.run("registry_login", options, env=host)["auth_file"]
    assert file == str(tmp_path / ".config/containers/auth.json")
    write(tmp_path / ".docker/config.json", {"auths": {f"{place.registry.host}/team": {"auth": "bWU6d3JvbmctcGFzc3dvcmQ="}}})

    asked = {"ca_path": options["ca_path"], "registry": place.registry.host, "verify": True, "username": "ignored", "password": "ignored-password"}
    found = modules.run("registry_login_info", asked, env=host)
    assert not found["changed"]
    shared = {"kind": "password", "helper": None}
    first, second = found["logins"]
    assert first == {"registry": place.registry.host, "username": USER, "auth_file": file, "active": True, "accepted": True, **shared}
    assert (second["registry"], second["active"], second["accepted"], second["error"]) == (f"{place.registry.host}/team", False, False, "denied")
    for secret in (PASSWORD, "wrong-password", "bWU6d3JvbmctcGFzc3dvcmQ="):
        assert secret not in json.dumps(found, ensure_ascii=False)


def test_no_secret_is_printed_or_seen_on_a_command_line(place: Login, tmp_path: Path) -> None:
    helper = tmp_path / "bin" / "docker-credential-test"
    helper.parent.mkdir()
    # This helper refuses the login, and repeats all it gets.
    helper.write_text(
        f"#!/bin/sh\ntest $1 != get || {{ echo 'credentials not found in native keychain'; exit 1; }}\necho $@ >{tmp_path}/argv; cat; exit 1\n"
    )
    helper.chmod(0o755)
    write(place.file, {"credsStore": "test"})
    process = modules.start_module("registry_login", {**place.options, "_ansible_verbosity": 3}, env={"PATH": f"{helper.parent}:/usr/bin:/bin"})
    output, errors = process.communicate(timeout=60)
    failed = json.loads(output)
    assert (failed["error"], (tmp_path / "argv").read_text()) == ("denied", "store\n")
    assert "docker-credential-test, which failed to store" in failed["msg"]
    shown = output + errors + json.dumps(failed, ensure_ascii=False)
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in shown
