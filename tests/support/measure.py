# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measuring for benchmarks: medians of runs that take turns, and the memory of a module."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
import typing as t
from pathlib import Path

from . import modules

RUNS = 5


def seconds(work: t.Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def side_by_side(runs: int = RUNS, /, **contestants: t.Callable[[], float]) -> dict[str, float]:
    """The median of each, measured in turns, so that whatever else the machine does falls on all of them. What one left to be written is written first."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _run in range(runs):
        for name, contestant in contestants.items():
            subprocess.run(["sync"], check=True)
            times[name].append(contestant())
    return {name: statistics.median(measured) for name, measured in times.items()}


def start_up(module: str, options: t.Mapping[str, t.Any]) -> float:
    """A run of MODULE that ends before it does anything, since it is asked for what isn't there: Python, Ansible's own part, and what it imports."""
    return seconds(lambda: modules.fail(module, options))


def peak_memory(module: str, options: t.Mapping[str, t.Any]) -> int:
    """The most memory, in bytes, that a run of MODULE had, which must change something."""
    with modules.start_module(module, options) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, _high_water_mark(process.pid))
            time.sleep(0.01)
        output = process.stdout.read() if process.stdout else ""
    if not json.loads(output).get("changed"):
        raise modules.ModuleFailed(output)
    return peak


def _high_water_mark(pid: int) -> int:
    """(What wait4 tells counts the parent before exec as well.)"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
