# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup plugin digest, in plays, with real registries."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import make_image
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry

FIRST, SECOND = make_image("first"), make_image("second")


class LookupFailed(Exception):
    """The play failed. The message is its whole output."""


def look_up(folder: Path, *names: str, **options: t.Any) -> list[str]:
    """Run the lookup in a play with `-vvv`, and return its result and the output. Raises LookupFailed."""
    outcome = folder / "digests"
    # The variables are in a separate file, since Ansible prints the lines of a playbook that contain an error.
    variables = {"names": names, "options": options, "ansible_python_interpreter": sys.executable}
    (folder / "variables.json").write_text(json.dumps(variables))
    expression = "{{ query('longshore.images.digest', *names, **options) | to_json }}"
    task = {"ansible.builtin.copy": {"content": expression, "dest": str(outcome), "mode": "0600"}}
    (folder / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    environment = {**modules.environment(HOME=str(folder), LC_ALL="C.UTF-8"), "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections")}
    command = ["ansible-playbook", "-vvv", "-i", "localhost,", "-e", f"@{folder}/variables.json", str(folder / "play.json")]
    result = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=120)
    if result.returncode != 0:
        raise LookupFailed(result.stdout + result.stderr)
    digests: list[str] = json.loads(outcome.read_text())
    return digests


@pytest.mark.core
def test_each_tag_costs_one_head_and_a_digest_nothing(recording: Recorder, anonymous: Registry, repository: str, tmp_path: Path) -> None:
    anonymous.put(FIRST, repository, "1")
    anonymous.put(SECOND, repository, "2")
    name = f"{recording.host}/{repository}"
    pinned = f"{name}:3@{FIRST.root.digest}"
    assert look_up(tmp_path, f"{name}:2", f"{name}:1", pinned, plain_http=True) == [str(image.root.digest) for image in (SECOND, FIRST, FIRST)]
    assert sorted(recording.lines) == [f"HEAD /v2/{repository}/manifests/{tag}" for tag in ("1", "2")]


def test_pinned_names_are_whole_and_normalised(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    anonymous.put(FIRST, repository, "latest")
    assert look_up(tmp_path, f"{anonymous.host}/{repository}", pinned=True) == [f"{anonymous.host}/{repository}:latest@{FIRST.root.digest}"]


@pytest.mark.core
def test_a_missing_name_is_one_sentence(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    with pytest.raises(LookupFailed, match=rf"{anonymous.host}/{repository}:1: {anonymous.host} doesn't have it"):
        look_up(tmp_path, f"{anonymous.host}/{repository}:1")


def test_a_protected_registry_gets_the_credentials_of_its_settings(protected: Registry, repository: str, tmp_path: Path) -> None:
    protected.put(FIRST, repository, "1")
    settings = {"name": protected.host, "username": USER, "password": PASSWORD, "ca_path": str(protected.ca)}
    assert look_up(tmp_path, f"{protected.host}/{repository}:1", registries=[settings]) == [str(FIRST.root.digest)]


def test_wrong_credentials_are_reported_without_showing_them(protected: Registry, repository: str, tmp_path: Path) -> None:
    with pytest.raises(LookupFailed) as failed:
        look_up(tmp_path, f"{protected.host}/{repository}:1", username=USER, password="planted-Secret", ca_path=str(protected.ca))
    assert f"{protected.host}/{repository}:1" in str(failed.value)
    assert "refuses this user name and password" in str(failed.value)
    assert "planted-Secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pasword": "x"}, "pasword: the lookup digest has no such option"),
        ({"username": "x"}, "username, password"),
        ({"registries": [{"nmae": "x"}]}, "nmae"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, t.Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(LookupFailed, match=message):
        look_up(tmp_path, "127.0.0.1:9/app:1", **options)


def test_an_invalid_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupFailed, match="repositories are lower case"):
        look_up(tmp_path, "127.0.0.1:9/App:1")
