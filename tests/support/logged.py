# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module on a managed host whose logs can be read, for tests of what is never shown."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.support import modules

# Replaces syslog and the journal of systemd, which a test can't read.
CAPTURE = """
import os, sys, syslog, types

def write(*words, **fields):
    with open(os.environ["CAPTURED"], "a") as file:
        file.write(f"{words} {fields}\\n")

syslog.syslog = write
if os.environ.get("WITH_JOURNAL"):
    journal = types.ModuleType("systemd.journal")
    journal.send = journal.sendv = write
    systemd = types.ModuleType("systemd")
    systemd.journal = journal
    sys.modules.update({"systemd": systemd, "systemd.journal": journal})
"""


def run_logged(folder: Path, module: str, options: t.Mapping[str, t.Any], **env: str) -> tuple[str, modules.Results]:
    """Run a module. Return all that it printed and logged, and its results. FOLDER is for the files of the logs."""
    (folder / "sitecustomize.py").write_text(CAPTURE)
    log = folder / "captured"
    log.unlink(missing_ok=True)
    path = f"{folder}:{modules.ROOT / '.collections'}"
    outcome = subprocess.run(
        [sys.executable, "-m", f"{modules.PACKAGE}.{module}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env=modules.environment(PYTHONPATH=path, CAPTURED=str(log), **env),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    everything = outcome.stdout + outcome.stderr + (log.read_text() if log.exists() else "")
    results: modules.Results = json.loads(outcome.stdout)
    return everything, results
