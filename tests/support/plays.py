# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a task through a play, with its controller's side too."""

from __future__ import annotations

import json
import os
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
