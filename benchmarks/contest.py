# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run commands in turns, as whole processes, and measure time, processor time and memory of each run."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import time
import typing as t

RUNS = 5


class RunFailed(Exception):
    """A command of a benchmark failed, so its time means nothing."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One command of a row. `prepare` runs before each run and isn't measured."""

    name: str
    command: t.Sequence[str]
    input: bytes = b""
    environment: t.Mapping[str, str] | None = None
    prepare: t.Callable[[], object] = lambda: None
    # The exit status of a run that did its work.
    status: int = 0


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run took: seconds on the clock, seconds of processor time, and the memory of its largest process in bytes."""

    seconds: float
    cpu: float
    memory: int


@dataclasses.dataclass(frozen=True)
class Figures:
    """The runs of one contestant."""

    name: str
    command: t.Sequence[str]
    runs: tuple[Run, ...]

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def fastest(self) -> float:
        return min(run.seconds for run in self.runs)

    @property
    def slowest(self) -> float:
        return max(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)

    @property
    def memory(self) -> int:
        return max(run.memory for run in self.runs)


def take_turns(contestants: t.Sequence[Contestant], runs: int = RUNS) -> list[Figures]:
    """Measure all contestants. Each has one warm-up; then they take turns, so that other load on the machine affects all of them."""
    measured: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for number in range(runs + 1):
        for contestant in contestants:
            run = measure(contestant)
            if number:
                measured[contestant.name].append(run)
    return [Figures(contestant.name, contestant.command, tuple(measured[contestant.name])) for contestant in contestants]


def measure(contestant: Contestant) -> Run:
    """Run a contestant once. Unwritten data of earlier runs is written to disk before. Raises RunFailed."""
    contestant.prepare()
    subprocess.run(["sync"], check=True)
    began = time.monotonic()
    process = subprocess.Popen(
        contestant.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=contestant.environment, cwd="/"
    )
    assert process.stdin is not None
    process.stdin.write(contestant.input)
    process.stdin.close()
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != contestant.status:
        raise RunFailed(f"{contestant.name}: {' '.join(contestant.command)} ended with status {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
