# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays on a host that wants to run commands on the controller. The same attacks on all action plugins, without plays, are in tests/unit."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image
from tests.support.plays import CONNECTIONS, watched_play

NAME = "docker.io/library/app:1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(CONNECTIONS))
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "asked"))
    opened = Store(str(tmp_path / "source"))
    make_image("app").put(opened, NAME)
    return opened.path


def save(folder: Path, store: str, **options: t.Any) -> modules.Results:
    given = {"name": NAME, "path": "images.tar", "store": store, "progress": "always", **options}
    return watched_play(folder, "image_save", given, variables={"ansible_connection": "hostile"}).results


def answers_of_mktemp(folder: Path) -> list[str]:
    return [
        f"{folder}/x{{{{ lookup('pipe', 'touch {folder}/ran') }}}}",
        f"{folder}\n!touch {folder}/ran\nget /etc/hostname {folder}/ran",
        f"{folder}/$(touch {folder}/ran)",
    ]


@pytest.mark.core
@pytest.mark.parametrize("attack", [0, 1, 2], ids=["template", "line of sftp", "command"])
def test_what_a_host_prints_is_never_run_on_the_controller(attack: int, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answers_of_mktemp(tmp_path)[attack]
    monkeypatch.setenv("HOSTILE", json.dumps({"mktemp": answer}))
    # The progress is left out, and the task is done without it.
    assert save(tmp_path, store, path=str(tmp_path / "images.tar"))["changed"]
    assert not (tmp_path / "ran").exists()
    refused = save(tmp_path, store, path_on="controller")
    assert "touch" not in (tmp_path / "asked").read_text()
    assert (refused["failed"], refused["error"]) == (True, "host_error")


@pytest.mark.core
def test_the_report_protects_the_digests_of_hosts_and_leaves_out_what_is_none(tmp_path: Path) -> None:
    (task,) = yaml.safe_load((modules.ROOT / "roles" / "report" / "tasks" / "registries.yml").read_text())
    stored, in_engine = f"sha256:{'0' * 64}", f"sha512:{'1' * 128}"
    wrong = [{"digest": value} for value in (7, None, [stored], f"{stored}\n", f"x{stored}")]
    answers = [
        {"images": [{"digest": stored}, *wrong, {}, "text", 5, None]},
        {"images": "text"},
        {"images": 7},
        {"images": {"digest": "sha256:1"}},
        {},
    ]
    engines = [[{"images": [{"digest": None, "image_id": in_engine}, {"digest": stored}]}], []]
    variables = {**task["vars"], "report__store_answers": answers, "report__engine_answers": engines}
    shown = {"ansible.builtin.debug": {"msg": "{{ report__kept | join(' ') }}"}, "vars": variables}
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [shown]}]))
    command = ["ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(tmp_path / "play.json")]
    environment = modules.environment(HOME=str(tmp_path), LC_ALL="C.UTF-8")
    output = subprocess.run(command, cwd="/", env=environment, check=True, capture_output=True, text=True).stdout
    assert f'"msg": "{stored} {in_engine}"' in output
