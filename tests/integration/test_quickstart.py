# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/quickstart.yml as a user runs it, with a private HOME."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from pathlib import Path

import pytest

from tests.support.images import make_index
from tests.support.modules import ROOT
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry, free_port, needed

CHANGED_ONCE = ["changed", "ok"]
UNCHANGED = ["ok", "ok"]
ARCHIVED = ["Save it in an archive that every engine loads", "Remove the image", "Load it from the archive"]


def quickstart(home: Path, *options: str, **variables: str | int) -> Play:
    needed("ansible-playbook", "busybox", "docker-registry")
    words = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
    return run_playbook(str(ROOT / "playbooks" / "quickstart.yml"), home, *options, *words)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return everything below FOLDER with sizes and times, except Ansible's own files."""
    found = (path for path in folder.rglob("*") if ".ansible" not in path.parts)
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


@dataclasses.dataclass(frozen=True)
class TwoRuns:
    """The output of two runs on the same folder."""

    home: Path
    port: int
    first: Play
    second: Play


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def first(home: Path, port: int) -> Play:
    return quickstart(home, registry_port=port)


@pytest.fixture(scope="module")
def twice(home: Path, port: int, first: Play) -> TwoRuns:
    return TwoRuns(home, port, first, quickstart(home, registry_port=port))


@pytest.mark.core
def test_the_first_run_moves_an_image_once(first: Play) -> None:
    assert first.status == 0, first.output
    for task in ("Make an image of two layers", "Push it", "Pull it", "Add a name", "Remove that name", *ARCHIVED):
        assert first.went(task) == CHANGED_ONCE, task
    for task in ("Read its facts", "Read its history"):
        assert first.went(task) == UNCHANGED, task


def test_the_second_run_moves_nothing(twice: TwoRuns) -> None:
    play = twice.second
    assert play.status == 0, play.output
    for task in ("Make an image of two layers", "Push it", "Pull it", "Read its facts", "Read its history", ARCHIVED[0]):
        assert play.went(task) == UNCHANGED, task
    for task in ("Add a name", "Remove that name", *ARCHIVED[1:]):
        assert play.went(task) == CHANGED_ONCE, task
    assert play.recap["changed"] < twice.first.recap["changed"]


def test_the_summary_lists_the_transfers(twice: TwoRuns) -> None:
    amount = r"\d+\.\d [kM]B"
    for verb, done in (("make", "written"), ("push", "sent"), ("pull", "fetched")):
        assert re.fullmatch(rf"{amount} {done} unchanged", twice.first.summary[verb])
        assert twice.second.summary[verb] == "unchanged, nothing moved unchanged"
    assert re.fullmatch(rf"{amount} written unchanged", twice.first.summary["save"])
    assert re.fullmatch(rf"{amount}, unchanged unchanged", twice.second.summary["save"])
    for play in (twice.first, twice.second):
        rows = play.summary
        assert f"127.0.0.1:{twice.port}/quickstart/busybox:1" in rows
        assert rows["info"] == "2 layers unchanged"
        assert rows["history"] == "2 steps unchanged"
        assert rows["tag"] == "1 name added, nothing moved unchanged"
        assert rows["rm"] == "that name removed, no bytes freed unchanged"
        assert re.fullmatch(rf"image removed, {amount} freed unchanged", rows["remove"])
        assert re.fullmatch(rf"{amount} read, same digest unchanged", rows["load"])
        assert rows["Kept"] == f"in {twice.home}/.local/share/longshore/quickstart; the registry is stopped"


def test_the_registry_is_stopped(twice: TwoRuns) -> None:
    assert not answers(twice.port)


def test_check_mode_on_a_kept_folder_changes_nothing(twice: TwoRuns) -> None:
    before = files(twice.home)
    play = quickstart(twice.home, "--check", "--diff", registry_port=twice.port)
    assert play.status == 0, play.output
    assert files(twice.home) == before
    assert play.summary["make"] == "unchanged, nothing moved"
    assert play.summary["info"] == "2 layers"
    assert play.summary["tag"] == "1 name added, nothing moved"


def test_check_mode_on_a_fresh_machine_writes_nothing(tmp_path: Path) -> None:
    play = quickstart(tmp_path, "--check", registry_port=free_port())
    assert play.status == 0, play.output
    assert not files(tmp_path)
    assert re.fullmatch(r"\d+\.\d [kM]B written", play.summary["make"])
    assert play.summary["info"] == "not pulled yet"


def test_a_given_registry_and_image_are_used(tmp_path: Path, anonymous: Registry) -> None:
    image = anonymous.put(make_index("quickstart"), "given/app", "1")
    variables = {"quickstart_registry": f"{anonymous.host}/copies/", "quickstart_image": image, "quickstart_folder": "kept"}
    first = quickstart(tmp_path, **variables)
    assert first.status == 0, first.output
    for task in ("Pull the image that was given", "Push it", "Pull it"):
        assert first.went(task) == CHANGED_ONCE, task
    assert "Start the server" not in first.output
    assert anonymous.digest("copies/given/app", "1") == anonymous.digest("given/app", "1")
    second = quickstart(tmp_path, **variables)
    assert second.status == 0, second.output
    assert second.recap["changed"] == 4  # the second name is added and removed, and so is the image
    predicted = quickstart(tmp_path, "--check", **variables)
    assert predicted.recap["changed"] == 1
    assert predicted.summary["push"] == predicted.summary["pull"] == "unchanged, nothing moved"
    for play in (first, second):
        rows = re.findall(r'^ +"(?:get|push|pull|load) .*"', play.output, re.MULTILINE)
        assert len(rows) == 4
        assert not [row for row in rows if not row.endswith('  unchanged"')]


def test_a_failure_stops_the_registry(tmp_path: Path) -> None:
    port = free_port()
    play = quickstart(tmp_path, registry_port=port, quickstart_busybox="/nonexistent/busybox")
    assert play.status != 0
    assert "/nonexistent/busybox" in play.output
    assert play.went("longshore.images.registry : Start the server") == ["changed"]
    assert not answers(port)


def test_a_machine_without_busybox_gets_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a static program and without access to packages, one line says so before anything is started."""
    for name, words in {"ldd": "libc.so.6 => /lib/libc.so.6", "apt-get": "E: Unable to locate package busybox-static"}.items():
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 100\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    play = quickstart(tmp_path, registry_port=free_port())
    assert play.status != 0
    assert "missing: a static busybox" in play.output
    assert "(E: Unable to locate package busybox-static)" in play.output
    assert "longshore.images.registry" not in play.output
