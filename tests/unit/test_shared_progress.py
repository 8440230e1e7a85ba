# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress that the processes of one task share, and the modes that say whether it is shown."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import shutil
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible.utils.display import Display

from ansible_collections.longshore.images.plugins.plugin_utils import progress, shared_progress
from ansible_collections.longshore.images.plugins.plugin_utils.progress import LogWatch, format_total, read_mode_variable
from ansible_collections.longshore.images.plugins.plugin_utils.shared_progress import INTERVAL, INTERVAL_VARIABLE, SharedProgress, Total, interval


class Clock:
    """Replaces the clock of `shared_progress`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared_progress, "time", clock)
    monkeypatch.delenv(INTERVAL_VARIABLE, raising=False)
    return clock


def shared(folder: Path, host: str, moved: int = 0, expected: int = 0) -> SharedProgress:
    """Return the view of the process that runs the task on HOST."""
    view = SharedProgress(str(folder), "task", host)
    view.record(moved, expected)
    return view


def host_files(folder: Path) -> list[Path]:
    return list(folder.glob("longshore-progress-task/*.host"))


def test_the_first_line_is_due_after_one_interval_and_counts_every_host(tmp_path: Path, clock: Clock) -> None:
    views = [shared(tmp_path, f"web{number}", 10 * number, 100) for number in range(3)]
    clock.now += INTERVAL - 1
    assert [view.take_turn() for view in views] == [None, None, None]
    clock.now += 1
    assert views[1].take_turn() == Total(hosts=3, ended=0, moved=30, expected=300, gained=30, seconds=INTERVAL)


def test_one_process_shows_the_line_and_the_others_wait_for_the_next(tmp_path: Path, clock: Clock) -> None:
    first, second = shared(tmp_path, "web1", 10, 100), shared(tmp_path, "web2", 10, 100)
    clock.now += INTERVAL
    assert first.take_turn() is not None
    assert second.take_turn() is None
    second.record(70, 100)
    clock.now += INTERVAL
    assert second.take_turn() == Total(hosts=2, ended=0, moved=80, expected=200, gained=60, seconds=INTERVAL)
    assert first.take_turn() is None


def test_a_host_that_ended_counts_as_done(tmp_path: Path, clock: Clock) -> None:
    first, second = shared(tmp_path, "web1", 10, 100), shared(tmp_path, "web2", 10, 100)
    first.end()
    clock.now += INTERVAL
    assert second.take_turn() == Total(hosts=2, ended=1, moved=110, expected=200, gained=110, seconds=INTERVAL)


def test_the_bytes_of_earlier_rounds_of_a_loop_still_count(tmp_path: Path, clock: Clock) -> None:
    shared(tmp_path, "web1", 10, 100).end()
    view = shared(tmp_path, "web1", 5, 50)
    clock.now += INTERVAL
    assert view.take_turn() == Total(hosts=1, ended=0, moved=105, expected=150, gained=105, seconds=INTERVAL)


def test_no_line_is_due_before_a_host_knows_its_bytes(tmp_path: Path, clock: Clock) -> None:
    view = shared(tmp_path, "web1")
    clock.now += INTERVAL
    assert view.take_turn() is None
    view.record(1, 4)
    clock.now += 1
    assert view.take_turn() is not None


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"[1, 2, 3]", b'{"moved": 1, "other": 2}', b"\xff"])
def test_damaged_files_are_ignored(tmp_path: Path, clock: Clock, content: bytes) -> None:
    view = shared(tmp_path, "web1", 10, 100)
    folder = tmp_path / "longshore-progress-task"
    (folder / "last_line").write_bytes(content)
    (folder / "other.host").write_bytes(content)
    clock.now += INTERVAL
    assert view.take_turn() is None
    clock.now += INTERVAL
    total = view.take_turn()
    assert total is not None
    assert (total.moved, total.expected) == (10, 100)


def test_a_process_that_holds_the_lock_does_not_block_others(tmp_path: Path, clock: Clock) -> None:
    view = shared(tmp_path, "web1", 10, 100)
    clock.now += INTERVAL
    with (tmp_path / "longshore-progress-task" / "last_line").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert view.take_turn() is None
        SharedProgress(str(tmp_path), "task", "web2").record(1, 2)
    assert view.take_turn() is not None


@pytest.mark.parametrize("host", ["a/../../b", "h" * 5000, "\udcff", ""], ids=["slash", "long", "not UTF-8", "empty"])
def test_every_host_name_has_a_private_file_in_the_folder(tmp_path: Path, host: str) -> None:
    shared(tmp_path, host, 1, 2)
    assert len(host_files(tmp_path)) == 1
    folder = tmp_path / "longshore-progress-task"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_folder_that_is_gone_is_an_error_and_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SharedProgress(str(tmp_path / "gone"), "task", "web1")
    view = shared(tmp_path, "web1")
    shutil.rmtree(tmp_path / "longshore-progress-task")
    with pytest.raises(OSError, match="No such file"):
        view.record(1, 2)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_run_that_was_killed_is_deleted_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = shared(tmp_path, "web1", 1, 2)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    view.end()
    assert list(tmp_path.iterdir()) == []


def _take_turns(folder: str, host: str, lines: t.Any) -> None:
    view = SharedProgress(folder, "task", host)
    for moved in range(100):
        view.record(moved, 100)
        if view.take_turn() is not None:
            lines.put(time.monotonic())
        time.sleep(0.01)


def test_processes_that_run_at_once_never_show_two_lines_in_one_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.2")
    context = multiprocessing.get_context("fork")
    lines = context.SimpleQueue()
    processes = [context.Process(target=_take_turns, args=(str(tmp_path), f"web{number}", lines)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    times = []
    while not lines.empty():
        times.append(lines.get())
    times.sort()
    assert len(times) >= 2
    assert all(later - earlier > 0.1 for earlier, later in zip(times, times[1:]))


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "nan", "inf"])
def test_a_wrong_interval_is_ignored(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(INTERVAL_VARIABLE, value)
    assert interval() == INTERVAL == 30


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (0, "progress: 12 hosts, pull: 38 %, 45.1 GB of 118.0 GB, 310.0 MB/s"),
        (3, "progress: 12 hosts, 3 done, pull: 38 %, 45.1 GB of 118.0 GB, 310.0 MB/s"),
    ],
)
def test_the_line_about_all_hosts(ended: int, line: str) -> None:
    total = Total(hosts=12, ended=ended, moved=45_100_000_000, expected=118_000_000_000, gained=9_300_000_000, seconds=30)
    assert format_total("pull", total) == line


class HostFolder:
    """A module's folder whose file always has the same content. `read_often` is set after some readings."""

    path = "/nowhere"

    def __init__(self, label: str = "app:1") -> None:
        self.text = json.dumps({"bytes": 500, "all_bytes": 2000, "what": label})
        self.readings = 0
        self.read_often = threading.Event()

    def read(self) -> str:
        self.readings += 1
        if self.readings >= 10:
            self.read_often.set()
        return self.text

    def remove(self) -> None: ...


def lines_of_watch(folder: Path, monkeypatch: pytest.MonkeyPatch, lose_folder: bool = False, label: str = "app:1") -> list[str]:
    """Return the lines that are shown for the host web1."""
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.03")
    lines: list[str] = []
    source = HostFolder(label)
    with LogWatch(source, lines.append, "web1", "pull", SharedProgress(str(folder), "task", "web1")):
        if lose_folder:
            # Renamed first: the watch may write a file into it while it is deleted.
            shutil.rmtree((folder / "longshore-progress-task").rename(folder / "deleted"))
        else:
            assert source.read_often.wait(10)
    return lines


def test_a_task_on_one_host_shows_the_line_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines_of_watch(tmp_path, monkeypatch)
    assert lines
    assert all(line.startswith("web1: pull app:1: 25 %, 500 B of 2.0 kB, ") for line in lines)
    assert json.loads(host_files(tmp_path)[0].read_text()) == {"moved": 2000, "expected": 2000, "ended": True}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    "label", ["::group::x", "app\n::error::x", "\r\x1b[0Ksection_start:1:x[collapsed=true]\r\x1b[0K", "app\u2028::endgroup::", "\x85::stop::"]
)
def test_a_line_in_the_log_of_a_ci_system_is_one_line_of_text_and_no_command(
    label: str, several: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GitHub reads commands at the beginning of a line, GitLab's sections are escape sequences, and a carriage return hides what is before it.
    if several:
        shared(tmp_path, "web2", 0, 2000)
    lines = lines_of_watch(tmp_path, monkeypatch, label=label)
    assert lines
    assert all(line.isprintable() and line.startswith("progress: 2 hosts" if several else "web1: pull ") for line in lines)


def test_a_task_on_several_hosts_shows_the_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared(tmp_path, "web2", 0, 2000)
    lines = lines_of_watch(tmp_path, monkeypatch)
    assert lines
    assert all(line.startswith("progress: 2 hosts, pull: 12 %, 500 B of 4.0 kB, ") for line in lines)


def test_a_shared_folder_that_disappears_ends_the_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_of_watch(tmp_path, monkeypatch, lose_folder=True) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "mode"), [("auto", "auto"), ("always", "always"), ("never", "never"), ("", "auto"), (None, "auto")])
def test_the_variable_of_the_controller_sets_the_mode(value: str | None, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, message: warnings.append(message))
    assert read_mode_variable({} if value is None else {"LONGSHORE_PROGRESS": value}) == mode
    assert warnings == []


def test_a_wrong_value_of_the_variable_is_reported_and_counts_as_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, message: warnings.append(message))
    assert read_mode_variable({progress.MODE_VARIABLE: "Always\n"}) == "auto"
    assert len(warnings) == 1
    assert "LONGSHORE_PROGRESS" in warnings[0]
    assert "auto, always, never" in warnings[0]
