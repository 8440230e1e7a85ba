# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs tasks through plays, with their controller's side too, and whole playbooks."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from . import modules


def play(folder: Path, module: str, options: t.Mapping[str, t.Any], *words: str, keywords: t.Mapping[str, t.Any] | None = None) -> modules.Results:
    """The results of one task, failed or not, of a playbook in FOLDER. WORDS go to ansible-playbook, KEYWORDS to the task.

    Nothing may be left of what Ansible copies to the host.
    """
    arrivals = folder / "arrivals"
    task = {f"longshore.images.{module}": dict(options), "register": "told", "ignore_errors": True, **(keywords or {})}
    keep = {"ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": str(folder / "results"), "mode": "0600"}, "check_mode": False}
    (folder / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, keep]}]))
    variables = {"ansible_python_interpreter": sys.executable, "ansible_async_dir": str(folder / "async")}
    command = ["ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables), str(folder / "play.json"), *words]
    environment = {**modules.environment(HOME=str(folder)), "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections"), "LC_ALL": "C.UTF-8"}
    environment["ANSIBLE_REMOTE_TEMP"] = str(arrivals)
    result = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    results: modules.Results = json.loads((folder / "results").read_text())
    assert _becomes_empty(arrivals), "temporary files are left on the host"
    return results


def _becomes_empty(folder: Path) -> bool:
    """An asynchronous task clears up after it has told its results."""
    for _attempt in range(100):
        if not folder.exists() or not os.listdir(folder):
            return True
        time.sleep(0.05)
    return False


@dataclasses.dataclass(frozen=True)
class Play:
    """What a run printed: for each task how it went, and the lines of the summary."""

    output: str
    status: int

    def went(self, task: str) -> list[str]:
        found = re.search(rf"^TASK \[{re.escape(task)}\] \*+\n((?:.+\n)*)", self.output, re.MULTILINE)
        assert found, f"{task}: {self.output}"
        return re.findall(r"^(\w+): \[localhost\]", found[1], re.MULTILINE)

    @property
    def summary(self) -> dict[str, str]:
        """The rows by their first word."""
        found = re.search(r"^TASK \[Summary\] \*+\n.*\n +\"msg\": \[\n((?: +\".*\n)*)", self.output, re.MULTILINE)
        assert found, self.output
        lines = [line.strip().rstrip(",").strip('"') for line in found[1].splitlines()]
        return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}

    @property
    def recap(self) -> dict[str, int]:
        line = self.output.rpartition("PLAY RECAP")[2]
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}


def run_playbook(playbook: str, home: Path, *words: str, **environment: str) -> Play:
    """Runs PLAYBOOK, a path or the name of one in a collection, as a user does whose home is HOME."""
    result = subprocess.run(
        ["ansible-playbook", playbook, *words],
        cwd=home,
        env=modules.environment(HOME=str(home), LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1", **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Play(result.stdout, result.returncode)
