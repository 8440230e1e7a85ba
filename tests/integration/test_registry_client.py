# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module registry_client as Ansible runs it: check mode, diffs, secrets, and stable words for failures."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.client_host import CERTIFICATE, KEY, LOGIN, MIRROR, PASSWORD


@pytest.fixture
def options(tmp_path: Path) -> dict[str, t.Any]:
    for name, text in {"ca.pem": CERTIFICATE, "client.pem": CERTIFICATE, "key.pem": KEY}.items():
        (tmp_path / name).write_text(text)
    mirror = {"url": MIRROR, "ca_path": str(tmp_path / "ca.pem"), "username": "me", "password": PASSWORD}
    client = {"client_cert": str(tmp_path / "client.pem"), "client_key": str(tmp_path / "key.pem")}
    entries = [{"name": "docker.io", "mirrors": [mirror]}, {"name": "r.example", **client}]
    (tmp_path / "root").mkdir()
    return {"root": str(tmp_path / "root"), "engines": ["containerd", "podman", "k3s"], "entries": entries}


def test_check_mode_predicts_the_files_and_a_second_run_changes_nothing(options: dict[str, t.Any]) -> None:
    done = modules.check_do_again("registry_client", options, place=options["root"])

    assert sorted(done["diff"]["after"]) == sorted(done["paths"])
    record = f"{options['root']}/var/lib/longshore/registry_client.json"
    assert done["actions"] == [*(f"write {path}" for path in done["paths"]), f"write {record}"]
    assert "images" not in done
    removed = modules.check_do_again("registry_client", {**options, "entries": []}, place=options["root"])
    assert [action for action in removed["actions"] if not action.startswith("delete ")] == []


def test_no_secret_is_printed(options: dict[str, t.Any]) -> None:
    process = modules.start_module("registry_client", options)
    output, errors = process.communicate(timeout=60)
    assert json.loads(output)["changed"]
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], LOGIN, "BBBB"):
        assert secret not in output + errors


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"engines": ["docker"]}, "invalid_option", "Docker doesn't log in to the mirror mirror.example:5000"),
        ({"engines": ["podman"], "trust": [{"scope": "a.example"}]}, "invalid_trust", "give the keys"),
        ({"entries": [{"name": "a.example", "ca_path": "/nonexistent"}]}, "invalid_option", "ca_path /nonexistent"),
        ({"root": "/dev/null"}, "io_error", "/dev/null/"),
    ],
)
def test_failures_have_one_sentence_and_a_stable_word(options: dict[str, t.Any], changes: dict[str, t.Any], error: str, message: str) -> None:
    failed = modules.fail("registry_client", {**options, **changes})
    assert failed["error"] == error
    assert message in failed["msg"]
    assert modules.snapshot(options["root"]).keys() == {options["root"]}


def test_a_damaged_daemon_json_is_named_and_stays(options: dict[str, t.Any]) -> None:
    daemon = Path(options["root"], "etc/docker/daemon.json")
    daemon.parent.mkdir(parents=True)
    daemon.write_text("{")
    failed = modules.fail("registry_client", {**options, "engines": ["docker"], "entries": []})
    assert (failed["error"], daemon.read_text()) == ("unsupported_format", "{")
    assert str(daemon) in failed["msg"]
