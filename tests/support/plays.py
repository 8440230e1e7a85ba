# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run tasks in plays, including their action plugins, and whole playbooks."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

from . import modules


def play(folder: Path, module: str, options: t.Mapping[str, t.Any], *words: str, keywords: t.Mapping[str, t.Any] | None = None) -> modules.Results:
    """Run a playbook of one task in FOLDER and return the result of the task, failed or not. WORDS are options of ansible-playbook, KEYWORDS those of the task.

    Fail if files that Ansible copied to the host are left.
    """
    return watched_play(folder, module, options, *words, keywords=keywords).results


CONNECTIONS = modules.ROOT / "tests" / "support" / "connections"
FILTERS = modules.ROOT / "tests" / "support" / "filters"


@dataclasses.dataclass(frozen=True)
class PlayOutput:
    """The result of one task, and the standard output and standard error of the play."""

    results: modules.Results
    output: str
    errors: str


def watched_play(
    folder: Path,
    module: str,
    options: t.Mapping[str, t.Any],
    *words: str,
    keywords: t.Mapping[str, t.Any] | None = None,
    terminal: bool = False,
    variables: t.Mapping[str, t.Any] | None = None,
) -> PlayOutput:
    """Run a play as `play` does, and return its output too. With TERMINAL, standard error is a terminal. VARIABLES are those of the host."""
    command, environment = _prepared(folder, {f"longshore.images.{module}": dict(options), **(keywords or {})}, variables or {})
    with _terminal() if terminal else _pipe() as (way, errors):
        result = subprocess.run([*command, *words], cwd="/", env=environment, stdout=subprocess.PIPE, stderr=way, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + "".join(errors)
    results: modules.Results = json.loads((folder / "results").read_text())
    results.pop("ansible_parsed", None)  # ansible-core 2.22 adds it to every result
    assert _becomes_empty(folder / "arrivals"), "temporary files are left on the host"
    return PlayOutput(results, result.stdout, "".join(errors))


def interrupted_play(folder: Path, module: str, options: t.Mapping[str, t.Any], sign: str) -> int:
    """Interrupt a play of one task when its terminal shows SIGN, and return the exit status."""
    command, environment = _prepared(folder, {f"longshore.images.{module}": dict(options)}, {})
    with _terminal() as ends, subprocess.Popen(command, cwd="/", env=environment, stdout=subprocess.DEVNULL, stderr=ends[0]) as process:
        errors = ends[1]
        try:
            for _attempt in range(600):
                if sign in "".join(errors):
                    process.send_signal(signal.SIGINT)
                    return process.wait(10)
                time.sleep(0.05)
            raise AssertionError(f"{sign} is not shown: {errors}")
        finally:
            process.kill()


def _prepared(folder: Path, task: modules.Results, variables: t.Mapping[str, t.Any]) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs TASK and writes its result to the file `results` of FOLDER, and the environment. VARIABLES are those of the host."""
    task = {"register": "recorded", "ignore_errors": True, **task}
    keep = {"ansible.builtin.debug": {"msg": f"{{{{ recorded | to_json | written_to({str(folder / 'results')!r}) }}}}"}}
    (folder / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, keep]}]))
    known = {"ansible_python_interpreter": sys.executable, "ansible_async_dir": str(folder / "async"), **variables}
    command = ["ansible-playbook", "-i", "localhost,", "-e", json.dumps(known), str(folder / "play.json")]
    environment = {**modules.environment(HOME=str(folder)), "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections"), "LC_ALL": "C.UTF-8"}
    environment.update(ANSIBLE_REMOTE_TEMP=str(folder / "arrivals"), ANSIBLE_FILTER_PLUGINS=str(FILTERS))
    return command, environment


@contextlib.contextmanager
def _terminal() -> t.Iterator[tuple[int, list[str]]]:
    """Open a terminal and collect its output, which is complete when the context ends."""
    our_end, terminal_end = os.openpty()
    with _collected(our_end, terminal_end) as collected:
        yield collected


@contextlib.contextmanager
def _pipe() -> t.Iterator[tuple[int, list[str]]]:
    """Open a pipe and collect its output, like _terminal."""
    our_end, terminal_end = os.pipe()
    with _collected(our_end, terminal_end) as collected:
        yield collected


@contextlib.contextmanager
def _collected(our_end: int, terminal_end: int) -> t.Iterator[tuple[int, list[str]]]:
    written: list[str] = []

    def read() -> None:
        # Reading a terminal that no process has open fails.
        with contextlib.suppress(OSError):
            while data := os.read(our_end, 4096):
                written.append(data.decode())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield terminal_end, written
    finally:
        os.close(terminal_end)
        reader.join(30)
        os.close(our_end)


def _becomes_empty(folder: Path) -> bool:
    """Wait until a folder is empty: an asynchronous task deletes its files after it has returned its result."""
    for _attempt in range(100):
        if not folder.exists() or not os.listdir(folder):
            return True
        time.sleep(0.05)
    return False


@dataclasses.dataclass(frozen=True)
class Play:
    """The output of a run: the outcome of each task, and the lines of the summary."""

    output: str
    status: int

    def went(self, task: str) -> list[str]:
        found = re.search(rf"^TASK \[{re.escape(task)}\] \*+\n((?:.+\n)*)", self.output, re.MULTILINE)
        assert found, f"{task}: {self.output}"
        return re.findall(r"^(\w+): \[localhost\]", found[1], re.MULTILINE)

    @property
    def summary(self) -> dict[str, str]:
        """Return the rows of the summary by their first word."""
        found = re.search(r"^TASK \[Summary\] \*+\n.*\n +\"msg\": \[\n((?: +\".*\n)*)", self.output, re.MULTILINE)
        assert found, self.output
        lines = [line.strip().rstrip(",").strip('"') for line in found[1].splitlines()]
        return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}

    @property
    def recap(self) -> dict[str, int]:
        line = self.output.rpartition("PLAY RECAP")[2]
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}


def run_playbook(playbook: str, home: Path, *words: str, **environment: str) -> Play:
    """Run PLAYBOOK, a path or a name in a collection, as a user whose home folder is HOME."""
    result = subprocess.run(
        ["ansible-playbook", playbook, *words],
        cwd=home,
        env=modules.environment(HOME=str(home), LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1", ANSIBLE_DISPLAY_SKIPPED_HOSTS="1", **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Play(result.stdout, result.returncode)
