# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measurements: the time of some work, and the memory of a module."""

from __future__ import annotations

import json
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import modules


def peak_memory(module: str, options: t.Mapping[str, t.Any]) -> int:
    """Return the peak memory of a run of MODULE in bytes. The run must change something."""
    with modules.start_module(module, options) as process, ThreadPoolExecutor(1) as pool:
        output = pool.submit(process.communicate)  # a module that can't write its results never ends
        peak = 0
        while not output.done():
            peak = max(peak, _high_water_mark(process.pid))
            time.sleep(0.01)
    if not json.loads(output.result()[0]).get("changed"):
        raise modules.ModuleFailed(output.result()[0])
    return peak


def _high_water_mark(pid: int) -> int:
    """Return the peak memory of a process. (The figure of wait4 also counts the parent before exec.)"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:  # it has just ended
        lines = []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
