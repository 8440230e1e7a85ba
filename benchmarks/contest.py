# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run commands in turns, as whole processes, and measure time, processor time and memory of each run."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import typing as t

from tests.support import modules

RUNS = 5
LONGSHORE = "Longshore"
START_UP = "Longshore, only start-up"

# Runs a command without output, and prints its seconds, its processor time, its memory in kB and its status. This is a separate small process, because
# the kernel counts the memory of the process that starts a command too.
_MEASURE = """
import os, sys, time
nowhere = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_WRONLY, 0) for descriptor in (1, 2)]
began = time.monotonic()
_pid, status, usage = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere), 0)
print([time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status)])
"""


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
    # Processor time of the run that isn't counted, because it belongs to other machines.
    not_counted: t.Callable[[], float] = lambda: 0.0

    def not_counting(self, seconds: t.Callable[[], float]) -> Contestant:
        """Return the same contestant, with SECONDS of processor time taken from each run."""
        return dataclasses.replace(self, not_counted=seconds)


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
    command = [sys.executable, "-I", "-S", "-c", _MEASURE, *contestant.command]
    done = subprocess.run(command, input=contestant.input, stdout=subprocess.PIPE, check=True, env=contestant.environment, cwd="/")
    seconds, cpu, memory, status = json.loads(done.stdout)
    if status != contestant.status:
        raise RunFailed(f"{contestant.name}: {' '.join(contestant.command)} ended with status {status}")
    return Run(seconds, cpu - contestant.not_counted(), memory * 1024)


def module(name: str, options: t.Mapping[str, t.Any], label: str = LONGSHORE, status: int = 0, **more: t.Any) -> Contestant:
    """Return a run of a module as Ansible does it, without bytecode of earlier runs."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": dict(options)}).encode()
    return Contestant(label, [sys.executable, "-m", f"{modules.PACKAGE}.{name}"], arguments, modules.environment(), status=status, **more)


def start_up(name: str, options: t.Mapping[str, t.Any]) -> Contestant:
    """Return a run of a module that imports everything and then fails, because OPTIONS ask for what doesn't exist."""
    return module(name, options, START_UP, status=1)
