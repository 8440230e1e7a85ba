# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measurements for benchmarks: medians of runs that take turns, and the memory of a module."""

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
    """Return the median time of each. They take turns, so that other load on the machine affects all of them; unwritten data is synced before each run."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _run in range(runs):
        for name, contestant in contestants.items():
            subprocess.run(["sync"], check=True)
            times[name].append(contestant())
    return {name: statistics.median(measured) for name, measured in times.items()}


def measure_start(module: str, options: t.Mapping[str, t.Any]) -> float:
    """Return the time of a run of MODULE that fails at once: the start of Python, of Ansible's module code, and all imports."""
    return seconds(lambda: modules.fail(module, options))


def peak_memory(module: str, options: t.Mapping[str, t.Any]) -> int:
    """Return the peak memory of a run of MODULE in bytes. The run must change something."""
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
    """Return the peak memory of a process. (The figure of wait4 also counts the parent before exec.)"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
