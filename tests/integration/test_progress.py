# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress display of a long task, at a terminal and elsewhere."""

from __future__ import annotations

import re
import time
import typing as t
from pathlib import Path

import pytest

from tests.support.plays import CONNECTIONS, PlayOutput, interrupted_play, watched_play
from tests.support.privileges import needs_root
from tests.support.throttle import Throttle

LINE = r"localhost: pull {name}: \d+ %, [\d.]+ [kM]?B of 3\.0 MB, [\d.]+ [kM]?B/s(, \d+:\d\d left)?"

pytestmark = pytest.mark.usefixtures("temporary")


def pull(folder: Path, slow: Throttle, *words: str, terminal: bool = True, **more: t.Any) -> PlayOutput:
    return watched_play(folder, "image_pull", {"name": name(slow), "store": str(folder / "store")}, *words, terminal=terminal, **more)


def name(slow: Throttle) -> str:
    return f"{slow.host}/progress:1"


def lines(watched: PlayOutput) -> list[str]:
    return watched.errors.replace("\r\n", "\n").splitlines()


@pytest.mark.core
def test_a_terminal_shows_the_progress_of_a_pull_and_the_output_stays_clean(slow: Throttle, tmp_path: Path) -> None:
    watched = pull(tmp_path, slow)
    shown = lines(watched)
    assert len(shown) >= 2
    found = [re.fullmatch(LINE.format(name=r"(\S+)"), line) for line in shown]
    # A line that is longer than the terminal is wide loses the beginning of the name.
    assert all(match is not None and name(slow).endswith(match[1].removeprefix("...")) and len(match[0]) <= 80 for match in found), shown
    percents = [int(re.findall(r"(\d+) %", line)[0]) for line in shown]
    assert percents == sorted(percents)
    assert percents[0] < percents[-1]
    assert "left" in shown[-1]
    assert "%" not in watched.output


def test_results_are_the_same_with_and_without_a_terminal_and_progress_is_shown_only_there(slow: Throttle, tmp_path: Path) -> None:
    outcome = []
    for terminal in (True, False):
        folder = tmp_path / str(terminal)
        folder.mkdir()
        watched = pull(folder, slow, terminal=terminal)
        assert bool(lines(watched)) == terminal, watched.errors
        outcome.append({**watched.results, "store": ""})
    assert outcome[0] == outcome[1]


@pytest.mark.parametrize(
    ("words", "keywords"),
    [(("--check",), {}), ((), {"async": 60, "poll": 1}), ((), {"no_log": True})],
    ids=["check mode", "async", "no_log"],
)
def test_no_progress_is_shown_in(slow: Throttle, tmp_path: Path, words: tuple[str, ...], keywords: dict[str, t.Any]) -> None:
    watched = pull(tmp_path, slow, *words, keywords=keywords)
    assert watched.results["changed"]
    assert lines(watched) == []


def test_the_task_keeps_its_environment(slow: Throttle, tmp_path: Path) -> None:
    options = {"name": name(slow), "auth_file": "$KEPT/absent.json", "store": "$KEPT/store"}
    watched = watched_play(tmp_path, "image_pull", options, terminal=True, keywords={"environment": {"KEPT": str(tmp_path / "kept")}})
    assert str(tmp_path / "kept") in str(watched.results)


def test_a_failing_task_reports_the_same_with_and_without_a_terminal(tmp_path: Path, slow: Throttle) -> None:
    options = {"name": f"{slow.host}/progress:absent", "store": str(tmp_path / "store")}
    outcome = [watched_play(tmp_path, "image_pull", options, terminal=terminal) for terminal in (True, False)]
    assert outcome[0].results["error"] == "not_found"
    assert outcome[0].results == outcome[1].results
    assert lines(outcome[0]) == lines(outcome[1]) == []


@pytest.mark.core
def test_a_time_limit_ends_a_task_with_progress(slow: Throttle, tmp_path: Path) -> None:
    began = time.monotonic()
    watched = pull(tmp_path, slow, keywords={"timeout": 2})
    assert time.monotonic() - began < 30
    assert watched.results["failed"]
    # The wording depends on the version of ansible-core.
    assert re.search("time ?out|timed out|expected time frame", str(watched.results).lower())


def test_progress_of_a_remote_host_is_read_over_its_connection(slow: Throttle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(CONNECTIONS))
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "asked"))
    watched = pull(tmp_path, slow, variables={"ansible_connection": "elsewhere"})
    assert watched.results["changed"]
    assert lines(watched)
    asked = (tmp_path / "asked").read_text()
    assert asked.index("mktemp -d") < asked.index("head -c") < asked.rindex("rm -rf")


def test_progress_of_another_users_task_is_read_as_that_user(slow: Throttle, tmp_path: Path) -> None:
    needs_root()
    watched = pull(tmp_path, slow, keywords={"become": True, "become_method": "ansible.builtin.su"})
    assert watched.results["changed"]
    assert lines(watched)


def test_an_interrupted_play_ends_at_once_and_the_module_deletes_its_files_when_it_ends(slow: Throttle, tmp_path: Path, temporary: Path) -> None:
    options = {"name": name(slow), "store": str(tmp_path / "store")}
    assert interrupted_play(tmp_path, "image_pull", options, "%") == 99
    deadline = time.monotonic() + 30
    while list(temporary.glob("longshore-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
