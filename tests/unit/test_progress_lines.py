# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines about a long task: what they say, when they come, and what a host may do to them."""

from __future__ import annotations

import json
import threading
import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.longshore.images.plugins.module_utils.transfer.progress import FILE
from ansible_collections.longshore.images.plugins.plugin_utils import progress
from ansible_collections.longshore.images.plugins.plugin_utils.progress import LocalFolder, ModuleProgress, Watch
from ansible_collections.longshore.images.plugins.plugin_utils.shared_progress import INTERVAL_VARIABLE, SharedProgress

NAME = "docker.io/library/nginx:1.27"


def written(**changes: t.Any) -> str:
    return json.dumps({"bytes": 500, "all_bytes": 2000, "blobs": 1, "all_blobs": 4, "what": NAME} | changes)


@pytest.mark.parametrize(
    ("moved", "everything", "before", "seconds", "line"),
    [
        (0, 10, 0, 1.0, "0 %, 0 B of 10 B, 0 B/s"),
        (4_200_000_000, 10_000_000_000, 4_104_800_000, 1.0, "42 %, 4.2 GB of 10.0 GB, 95.2 MB/s, 1:01 left"),
        (1_000_000, 50_000_000_000, 0, 2.0, "0 %, 1.0 MB of 50.0 GB, 500.0 kB/s, 27:46:38 left"),
        (999, 1000, 0, 1.0, "99 %, 999 B of 1.0 kB, 999 B/s, 0:00 left"),
        (2000, 2000, 1000, 0.5, "100 %, 2.0 kB of 2.0 kB, 2.0 kB/s, 0:00 left"),
        (500, 2000, 500, 1.0, "25 %, 500 B of 2.0 kB, 0 B/s"),
        (500, 2000, 600, 1.0, "25 %, 500 B of 2.0 kB, 0 B/s"),
    ],
)
def test_a_line_says_percent_amounts_rate_and_the_time_that_is_left(moved: int, everything: int, before: int, seconds: float, line: str) -> None:
    assert ModuleProgress(moved, everything, NAME).describe(before, seconds) == f"{NAME}: {line}"


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("columns", [80, 60, 200])
def test_a_line_fits_the_terminal_and_keeps_the_tag(columns: int) -> None:
    name = f"registry.example.com/a-long-team-name/{'service-' * 5}:2026.12"
    folder, lines = Fake([json.dumps({"bytes": 500, "all_bytes": 2000, "what": name})]), list[str]()
    with Watch(folder, lines.append, "web1.example.com", "pull", columns=columns):
        assert folder.read_all.wait(10)
    (line,) = lines
    assert len(line) <= columns or " pull ...-:2026.12: 25 %" in line  # so much of a name always stays
    assert line.startswith("web1.example.com: pull ")
    assert ":2026.12: 25 %, 500 B of 2.0 kB" in line
    assert line.isprintable()


@pytest.mark.usefixtures("_quickly")
def test_a_terminal_shows_the_total_of_several_hosts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.001")
    others = SharedProgress(str(tmp_path), "task", "web2")
    others.record(100, 2000)
    folder, lines = Fake([written()] * 3), list[str]()
    with Watch(folder, lines.append, "web1", "pull", SharedProgress(str(tmp_path), "task", "web1"), 80):
        assert folder.read_all.wait(10)
    assert any(line.startswith(f"web1: pull {NAME}: 25 %") for line in lines)
    assert any(line.startswith("progress: 2 hosts, pull: 15 %, 600 B of 4.0 kB") for line in lines)


def test_a_state_is_read_as_it_was_written() -> None:
    assert ModuleProgress.parse(written()) == ModuleProgress(500, 2000, NAME)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "[" * 4000,
        written(bytes=-1),
        written(all_bytes=10**400),
        written(bytes=2001),
        written(bytes="1"),
        written(bytes=True),
        written(bytes=1.5),
        written(all_bytes=None),
        written(what=None),
        written(what=""),
        written()[:-5],
        '{"bytes": NaN, "all_bytes": 1, "what": ""}',
    ],
    ids=lambda text: text[:30],
)
def test_what_no_module_of_ours_writes_is_no_state(text: str) -> None:
    assert ModuleProgress.parse(text) is None


def test_a_name_can_neither_command_a_terminal_nor_fill_it() -> None:
    line = ModuleProgress.parse(written(what=f"a\x1b[2Jb\r\n{'c' * 4000}"))
    assert line is not None
    assert line.label.isprintable()
    assert len(line.label) <= progress.MAX_NAME


class Fake:
    """A folder of which every reading is the next of TEXTS, where None is a connection that fails; at the last one `read_all` is set."""

    path = "/nowhere"

    def __init__(self, texts: t.Sequence[str | None]) -> None:
        self.texts = list(texts)
        self.removed = 0
        self.read_all = threading.Event()

    def read(self) -> str:
        text = self.texts.pop(0) if self.texts else ""
        if not self.texts:
            self.read_all.set()
        if text is None:
            raise AnsibleConnectionFailure("gone")
        return text

    def remove(self) -> None:
        self.removed += 1


@pytest.fixture
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MIN_INTERVAL", 0.01)
    monkeypatch.setattr(progress, "MAX_INTERVAL", 0.01)


def shown(folder: Fake) -> list[str]:
    lines: list[str] = []
    with Watch(folder, lines.append):
        assert folder.read_all.wait(10)
    return lines


@pytest.mark.usefixtures("_quickly")
def test_lines_are_shown_as_the_state_changes_and_none_where_there_is_none() -> None:
    folder = Fake(["", written(all_bytes=0, bytes=0), written(), "rubbish", written(bytes=1000), ""])
    assert [line.split(",")[0] for line in shown(folder)] == [f"{NAME}: 25 %", f"{NAME}: 50 %"]
    assert folder.removed == 1


@pytest.mark.usefixtures("_quickly")
def test_a_connection_that_fails_ends_the_lines_and_nothing_else() -> None:
    folder = Fake([written(), None])
    assert len(shown(folder)) == 1
    assert folder.removed == 1


@pytest.mark.usefixtures("_quickly")
def test_a_task_that_fails_is_not_held_up_and_its_error_stays() -> None:
    folder = Fake([written()] * 1000)
    with pytest.raises(KeyError), Watch(folder, lambda _line: None):
        raise KeyError
    assert folder.removed == 1


def test_a_short_task_shows_nothing() -> None:
    folder, lines = Fake([written()]), list[str]()
    with Watch(folder, lines.append):
        pass
    assert (lines, folder.removed) == ([], 1)


def test_lines_come_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Over:
        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            clock[0] += seconds
            return clock[0] > 600

        def is_set(self) -> bool:
            return False

        def set(self) -> None: ...

    clock = [0.0]
    watch = Watch(Fake([written()] * 1000), lambda _line: None)
    monkeypatch.setattr(watch, "_stopped", Over())
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    watch._follow()
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (progress.MIN_INTERVAL, progress.MAX_INTERVAL)
    assert 50 < len(waits) < 100


def test_a_folder_of_this_machine_is_private_read_within_bounds_and_removed() -> None:
    folder = LocalFolder()
    file = Path(folder.path, FILE)
    assert folder.read() == ""
    file.write_bytes(b"\xff" * 10_000)
    assert len(folder.read()) == progress.MAX_STATE
    file.write_text(written())
    assert folder.read() == written()
    assert file.parent.stat().st_mode & 0o777 == 0o700
    folder.remove()
    assert not file.parent.exists()
    folder.remove()
