# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults at chosen moments. Each change that a run makes to files below a folder is an event, and a test can kill the run at an event or let the event fail."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import importlib
import os
import signal
import threading
import time
import traceback
import typing as t
import warnings
from pathlib import Path

import pytest

MAX_SECONDS = 60
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Snapshot = dict[str, tuple[t.Any, ...]]


class Event(t.NamedTuple):
    """One change: its number, the system call, and the path. A write is two events: before anything is written, and when half of it is written."""

    number: int
    call: str
    path: str


Reaction = t.Callable[[Event], None]


class FileEvents:
    """Count the changes that this process makes to files below FOLDER, and pass each to REACTION before it happens."""

    CALLS = ("open", "write", "pwrite", "fsync", "rename", "replace", "unlink", "remove", "rmdir", "mkdir", "chmod", "fchmod", "link", "ftruncate")

    def __init__(self, folder: str | os.PathLike[str], reaction: Reaction) -> None:
        self.folder = os.fspath(folder)
        self.reaction = reaction
        self.events: list[Event] = []
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def watched(self) -> t.Iterator[FileEvents]:
        with pytest.MonkeyPatch.context() as patch:
            for call in self.CALLS:
                patch.setattr(os, call, self._noticing(call, getattr(os, call)))
            yield self

    def _noticing(self, call: str, real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def noticed(first: t.Any, *rest: t.Any, **options: t.Any) -> t.Any:
            path = self._path(first, options.get("dir_fd", options.get("src_dir_fd")))
            if not path.startswith(self.folder) or (call == "open" and not rest[0] & WRITING):
                return real(first, *rest, **options)
            self._happen(call, path)
            if call in ("write", "pwrite") and len(rest[0]) > 1:
                data, *places = rest
                written = real(first, data[: len(data) // 2], *places)
                self._happen(call, path)
                return written + real(first, data[written:], *(place + written for place in places))
            return real(first, *rest, **options)

        return noticed

    def _happen(self, call: str, path: str) -> None:
        with self._lock:
            event = Event(len(self.events), call, path)
            self.events.append(event)
            self.reaction(event)

    @staticmethod
    def _path(target: t.Any, folder: int | None) -> str:
        if isinstance(target, int):
            return os.readlink(f"/proc/self/fd/{target}")
        name: str = os.fspath(target)
        return os.path.abspath(name) if folder is None else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)


def record_events(folder: str | os.PathLike[str], run: t.Callable[[], object]) -> list[Event]:
    """Return the changes that RUN makes to files below FOLDER when nothing fails."""
    events = FileEvents(folder, lambda event: None)
    with events.watched():
        run()
    return events.events


def start_child(run: t.Callable[[], object]) -> int:
    """Start RUN in a forked child, and return the process ID of the child. After MAX_SECONDS it prints where it waits and is killed by SIGALRM."""
    # The store needs it in children that become other users, who may not be able to read the files of this Python.
    importlib.import_module("resource")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child of a process with threads: this one only runs our own code and ends
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.register(signal.SIGALRM, file=2, chain=True)
            signal.alarm(MAX_SECONDS)
            run()
            code = 0
        except BaseException:  # noqa: BLE001 - a child must never continue as a second pytest
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def end_of(child: int) -> int:
    """Wait for a child, and return its exit status as `subprocess` does: negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(run: t.Callable[[], object]) -> int:
    """Run RUN in a forked child, and return its exit status."""
    return end_of(start_child(run))


def kill_at(number: int, folder: str | os.PathLike[str], run: t.Callable[[], object]) -> bool:
    """Run RUN in a child that is killed before event NUMBER below FOLDER. Return False if the run ended before that event."""

    def die(event: Event) -> None:
        if event.number == number:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    def watched() -> None:
        with FileEvents(folder, die).watched():
            run()

    ended = in_child(watched)
    assert ended in (0, -signal.SIGKILL), f"the run ended with {ended} before event {number}"
    return ended != 0


def fail_events(code: int, chosen: t.Callable[[Event], bool]) -> Reaction:
    """Let the events that CHOSEN selects fail with the error CODE of the system."""

    def fail(event: Event) -> None:
        if chosen(event):
            raise OSError(code, os.strerror(code))

    return fail


def snapshot(folder: str | os.PathLike[str]) -> Snapshot:
    """Return the state of FOLDER and everything below it: kinds, modes, sizes, times, inodes and content."""
    found: Snapshot = {}
    top = Path(folder)
    for path in [top, *sorted(top.rglob("*"))] if os.path.lexists(top) else []:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, content)
    return found


def wrong_blobs(store: str | os.PathLike[str]) -> list[str]:
    """Return the blob files of the store whose content does not match their digest."""
    blobs = sorted(Path(store, "blobs").glob("*/*"))
    return [str(path) for path in blobs if path.is_symlink() or not path.is_file() or _hash(path) != path.name]


def _hash(path: Path) -> str:
    return hashlib.new(path.parent.name, path.read_bytes()).hexdigest()


def leftovers(store: str | os.PathLike[str]) -> list[str]:
    """Return leases and temporary files that were not deleted. Partial blobs are not among them: the next run resumes them."""
    return [str(path) for folder in ("leases", "tmp") for path in Path(store, ".longshore", folder).glob("*")]


def partial_files(store: str | os.PathLike[str]) -> list[str]:
    """Return the partial files of blobs that were not fetched completely."""
    return sorted(path.name for path in Path(store, ".longshore", "partials").glob("*"))
