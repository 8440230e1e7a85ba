# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress of one task on all of its hosts, shared between the processes that run it.

Ansible runs a task in one process for each host. These share a folder. Each writes a small file for its host, and the first that notices that a line
is due adds up all files and shows the total. No process waits for another, so a process that is killed stops nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import math
import os
import shutil
import time
import typing as t

# Seconds between two lines.
INTERVAL = 30.0
# Another interval, for tests: they would have to wait too long. It is no part of the interface.
INTERVAL_VARIABLE = "LONGSHORE_PROGRESS_INTERVAL"
MAX_FILE = 4096
_HOST_FILE = ".host"
_LAST_LINE = "last_line"


@dataclasses.dataclass(frozen=True)
class HostProgress:
    """The bytes that a task has moved on one host, and the bytes that it is going to move."""

    moved: int = 0
    expected: int = 0
    ended: bool = False


@dataclasses.dataclass(frozen=True)
class Total:
    """The progress of all hosts that have started the task. `gained` bytes were moved in the `seconds` since the last line."""

    hosts: int
    ended: int
    moved: int
    expected: int
    gained: int
    seconds: float


class SharedProgress:
    """Records the progress of HOST in the folder of TASK below PARENT, and says when this process has to show a line.

    PARENT is Ansible's temporary folder of the run. Ansible deletes it, with all content, when the run ends. The constructor raises OSError if it is gone.
    """

    def __init__(self, parent: str, task: str, host: str) -> None:
        self._parent = os.getppid()
        self._folder = os.path.join(parent, f"longshore-progress-{task}")
        # The name of a host may contain a slash, or be longer than a file name can be.
        self._path = os.path.join(self._folder, hashlib.sha256(host.encode(errors="replace")).hexdigest() + _HOST_FILE)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._folder, 0o700)
        # A loop runs the task several times on a host: the bytes of earlier rounds still count.
        self._earlier = _read_host(self._path)
        self._latest = HostProgress()
        self._start_clock()

    def record(self, moved: int, expected: int) -> None:
        """Record the progress of this host. Raises OSError."""
        self._latest = HostProgress(self._earlier.moved + moved, self._earlier.expected + expected)
        self._write()

    def end(self) -> None:
        """Record that the task has ended on this host: all of its bytes count as moved. Raises OSError.

        If the run was killed in the meantime, Ansible does not delete the folder, so this function does.
        """
        if os.getppid() != self._parent:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        self._latest = HostProgress(self._latest.expected, self._latest.expected, ended=True)
        self._write()

    def take_turn(self) -> Total | None:
        """Return the total if a line is due and this process has to show it, and None otherwise. Raises OSError.

        No line is due while no host knows how many bytes it is going to move.
        """
        with self._locked() as file:
            if file is None:
                return None
            now, last = time.monotonic(), _read_line(file)
            if last is None:
                # A process was killed while it wrote.
                _write_line(file, now, 0)
                return None
            seconds = now - last[0]
            hosts = self._hosts() if seconds >= interval() else []
            expected, moved = sum(host.expected for host in hosts), sum(host.moved for host in hosts)
            if not expected:
                return None
            _write_line(file, now, moved)
        ended = sum(host.ended for host in hosts)
        return Total(hosts=len(hosts), ended=ended, moved=moved, expected=expected, gained=max(0, moved - last[1]), seconds=seconds)

    def _start_clock(self) -> None:
        """Let the first interval begin now, unless another host has started it."""
        with self._locked() as file:
            if file is not None and _read_line(file) is None:
                _write_line(file, time.monotonic(), 0)

    @contextlib.contextmanager
    def _locked(self) -> t.Iterator[t.BinaryIO | None]:
        """Open the file of the last line with a lock. Yield None if another process has the lock: that process shows the line."""
        with open(os.path.join(self._folder, _LAST_LINE), "a+b", opener=_open_private) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield file

    def _hosts(self) -> list[HostProgress]:
        return [_read_host(os.path.join(self._folder, name)) for name in os.listdir(self._folder) if name.endswith(_HOST_FILE)]

    def _write(self) -> None:
        with open(f"{self._path}.new", "wb", opener=_open_private) as file:
            file.write(json.dumps(dataclasses.asdict(self._latest)).encode())
        os.replace(f"{self._path}.new", self._path)


def interval() -> float:
    """Return the seconds between two lines."""
    with contextlib.suppress(KeyError, ValueError):
        seconds = float(os.environ[INTERVAL_VARIABLE])
        if math.isfinite(seconds) and seconds > 0:
            return seconds
    return INTERVAL


def _read_host(path: str) -> HostProgress:
    with contextlib.suppress(OSError, ValueError, TypeError), open(path, "rb") as file:
        return HostProgress(**json.loads(file.read(MAX_FILE)))
    return HostProgress()


def _read_line(file: t.BinaryIO) -> tuple[float, int] | None:
    """Return when the last line was shown, and the bytes that were moved by then. The clock is the same in all processes of a machine."""
    file.seek(0)
    try:
        seconds, moved = json.loads(file.read(MAX_FILE))
        return float(seconds), int(moved)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _write_line(file: t.BinaryIO, seconds: float, moved: int) -> None:
    file.truncate(0)
    file.write(json.dumps([seconds, moved]).encode())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
