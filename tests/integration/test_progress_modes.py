# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `progress` and the variable LONGSHORE_PROGRESS, in real plays on one host and on several, without a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.plays import CONNECTIONS, PlayOutput, watched_play
from tests.support.throttle import Throttle

# Seconds between two lines in these tests.
INTERVAL = 0.6
HOSTS = ("web1", "web2", "web3")
AMOUNTS = r"\d+ %, [\d.]+ [kM]?B of {size} MB, [\d.]+ [kM]?B/s"
TOTAL = rf"progress: (\d) hosts(?:, (\d) done)?, pull: {AMOUNTS}"

pytestmark = pytest.mark.usefixtures("temporary")


@pytest.fixture(autouse=True)
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_PROGRESS_INTERVAL", str(INTERVAL))
    monkeypatch.delenv("LONGSHORE_PROGRESS", raising=False)


def pull(folder: Path, slow: Throttle, *words: str, keywords: t.Mapping[str, t.Any] | None = None, **options: t.Any) -> PlayOutput:
    """Run one image_pull on localhost, without a terminal."""
    return watched_play(folder, "image_pull", {"name": name(slow), "store": str(folder / "store"), **options}, *words, keywords=keywords)


def name(slow: Throttle) -> str:
    return f"{slow.host}/progress:1"


def start_play(folder: Path, slow: Throttle, *words: str, play: t.Mapping[str, t.Any] | None = None, **options: t.Any) -> subprocess.Popen[str]:
    """Start a play that pulls the image on three hosts, each into its own store."""
    task = {"longshore.images.image_pull": {"name": name(slow), "store": f"{folder}/store-{{{{ inventory_hostname }}}}", **options}}
    (folder / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task], **(play or {})}]))
    variables = {"ansible_python_interpreter": sys.executable, "ansible_connection": "local"}
    environment = {**modules.environment(HOME=str(folder)), "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections"), "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        ["ansible-playbook", "-i", ",".join(HOSTS), "-e", json.dumps(variables), *words, str(folder / "play.json")],
        cwd="/",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def play_on_hosts(folder: Path, slow: Throttle, *words: str, play: t.Mapping[str, t.Any] | None = None, **options: t.Any) -> list[str]:
    """Return the lines on standard error of a play on three hosts that succeeds."""
    with start_play(folder, slow, *words, play=play, **options) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    assert output.count("changed=1") == len(HOSTS)
    assert left_behind(folder) == []
    return errors.splitlines()


def left_behind(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("longshore-progress-*")]


def test_always_shows_a_line_for_one_host_at_every_interval_without_a_terminal(slow: Throttle, tmp_path: Path) -> None:
    began = time.monotonic()
    watched = pull(tmp_path, slow, progress="always")
    lines = watched.errors.splitlines()
    pattern = rf"localhost: pull {re.escape(name(slow))}: {AMOUNTS.format(size='3.0')}(, [\d:]+ left)?"
    assert 2 <= len(lines) <= (time.monotonic() - began) / INTERVAL, lines
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert "%" not in watched.output
    assert left_behind(tmp_path) == []


@pytest.mark.core
def test_always_shows_one_line_for_all_hosts(slow: Throttle, tmp_path: Path) -> None:
    began = time.monotonic()
    lines = play_on_hosts(tmp_path, slow, progress="always")
    assert 2 <= len(lines) <= (time.monotonic() - began) / INTERVAL, lines
    found = [re.fullmatch(TOTAL.format(size=r"[369]\.0"), line) for line in lines]
    assert all(found), lines
    assert {match[1] for match in found if match} == {"3"}


def test_hosts_that_run_one_after_the_other_are_counted_as_done(slow: Throttle, tmp_path: Path) -> None:
    lines = play_on_hosts(tmp_path, slow, "--forks", "1", progress="always")
    assert lines[0].startswith("web1: pull ")
    totals = [match for line in lines if (match := re.fullmatch(TOTAL.format(size=r"\d\.0"), line))]
    assert [(match[1], match[2]) for match in totals] == sorted((match[1], match[2]) for match in totals)
    assert {(match[1], match[2]) for match in totals} == {("2", "1"), ("3", "2")}


def test_the_variable_of_the_controller_is_the_default(slow: Throttle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_PROGRESS", "always")
    assert play_on_hosts(tmp_path, slow)


@pytest.mark.parametrize("value", ["never", "auto"])
def test_the_option_of_the_task_overrides_the_variable(value: str, slow: Throttle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_PROGRESS", "always")
    assert pull(tmp_path, slow, progress=value).errors == ""


def test_never_shows_nothing_at_a_terminal(slow: Throttle, tmp_path: Path) -> None:
    options = {"name": name(slow), "store": str(tmp_path / "store"), "progress": "never"}
    watched = watched_play(tmp_path, "image_pull", options, terminal=True)
    assert watched.results["changed"]
    assert watched.errors == ""


def test_a_wrong_value_of_the_variable_is_reported_once_for_all_hosts(slow: Throttle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_PROGRESS", "sometimes")
    lines = play_on_hosts(tmp_path, slow)
    assert " ".join(lines).count("[WARNING]") == 1, lines
    assert re.search(r"LONGSHORE_PROGRESS is 'sometimes'.*auto, always, never", " ".join(lines))


def test_a_wrong_value_of_the_option_is_the_error_of_the_module(slow: Throttle, tmp_path: Path) -> None:
    watched = pull(tmp_path, slow, progress="sometimes")
    assert watched.results["failed"]
    assert "value of progress must be one of: auto, always, never, got: sometimes" in watched.results["msg"]
    assert "%" not in watched.errors


def test_results_are_the_same_in_all_modes(slow: Throttle, tmp_path: Path) -> None:
    results = []
    for mode in ("auto", "always", "never"):
        folder = tmp_path / mode
        folder.mkdir()
        results.append({**pull(folder, slow, progress=mode).results, "store": ""})
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("words", "keywords"),
    [(("--check",), {}), ((), {"async": 60, "poll": 1}), ((), {"no_log": True})],
    ids=["check mode", "async", "no_log"],
)
def test_always_shows_nothing_in(slow: Throttle, tmp_path: Path, words: tuple[str, ...], keywords: dict[str, t.Any]) -> None:
    watched = pull(tmp_path, slow, *words, keywords=keywords, progress="always")
    assert watched.results["changed"]
    assert watched.errors == ""


def test_always_works_over_a_connection(slow: Throttle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(CONNECTIONS))
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "asked"))
    options = {"name": name(slow), "store": str(tmp_path / "store"), "progress": "always"}
    watched = watched_play(tmp_path, "image_pull", options, variables={"ansible_connection": "elsewhere"})
    assert watched.results["changed"]
    assert watched.errors.startswith("localhost: pull ")


@pytest.mark.parametrize(("module", "options"), [("image_pull", {}), ("image_info", {}), ("image_verify", {})])
def test_defaults_of_the_group_set_it_for_every_module(slow: Throttle, tmp_path: Path, module: str, options: dict[str, t.Any]) -> None:
    defaults = {"group/longshore.images.images": {"progress": "always", "store": str(tmp_path / "store")}}
    own = {"name": name(slow), **options} if module == "image_pull" else options
    watched = watched_play(tmp_path, module, own, keywords={"module_defaults": defaults})
    assert not watched.results.get("failed"), watched.results
    assert bool(watched.errors) == (module == "image_pull")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=lambda sent: sent.name)
def test_nothing_is_left_behind_after_a_kill(slow: Throttle, tmp_path: Path, temporary: Path, sent: signal.Signals) -> None:
    with start_play(tmp_path, slow, progress="always") as process:
        assert process.stderr is not None
        assert "hosts" in process.stderr.readline()
        assert left_behind(tmp_path)
        os.kill(process.pid, sent)
        process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while (left_behind(tmp_path) or any(temporary.glob("longshore-*"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_behind(tmp_path) == []
