# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults at chosen moments: everything that a run does to files below a folder is an event, and an event can be the run's last or fail."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import time
import traceback
import typing as t
import warnings
from pathlib import Path

import pytest

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Snapshot = dict[str, tuple[t.Any, ...]]


class Event(t.NamedTuple):
    """The NUMBER-th change: what the system was asked to do (to write comes twice: with nothing written yet, and with half of it) and to which path."""

    number: int
    call: str
    path: str


Reaction = t.Callable[[Event], None]


class FileEvents:
    """Counts the changes that this process makes to files below FOLDER, and hands each to REACTION before it happens."""

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


def events_of(folder: str | os.PathLike[str], run: t.Callable[[], object]) -> list[Event]:
    """What RUN does to files below FOLDER when nothing fails."""
    events = FileEvents(folder, lambda event: None)
    with events.watched():
        run()
    return events.events


def start_child(run: t.Callable[[], object]) -> int:
    """Runs RUN in a forked child that lives on beside us, and returns its process ID."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child of a process with threads: this one only runs our own code and ends
        child = os.fork()
    if child == 0:
        code = 1
        try:
            run()
            code = 0
        except BaseException:  # noqa: BLE001 - a child must never go on as a second pytest
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def end_of(child: int) -> int:
    """Waits for a child, and returns how it ended as `subprocess` says it: negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(run: t.Callable[[], object]) -> int:
    """Runs RUN in a forked child, and returns how that ended."""
    return end_of(start_child(run))


def killed_at(number: int, folder: str | os.PathLike[str], run: t.Callable[[], object]) -> bool:
    """Runs RUN in a child that is killed before the NUMBER-th event below FOLDER. Returns whether it lived long enough to be killed."""

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


def failing(code: int, chosen: t.Callable[[Event], bool]) -> Reaction:
    """Lets the events that CHOSEN picks fail with the system's error CODE."""

    def fail(event: Event) -> None:
        if chosen(event):
            raise OSError(code, os.strerror(code))

    return fail


def snapshot(folder: str | os.PathLike[str]) -> Snapshot:
    """Everything below FOLDER and FOLDER itself: kinds, modes, sizes, times, inodes and content."""
    found: Snapshot = {}
    top = Path(folder)
    for path in [top, *sorted(top.rglob("*"))] if os.path.lexists(top) else []:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, content)
    return found


def wrong_blobs(store: str | os.PathLike[str]) -> list[str]:
    """Files of the store's blobs whose content isn't what their name says."""
    blobs = sorted(Path(store, "blobs").glob("*/*"))
    return [str(path) for path in blobs if path.is_symlink() or not path.is_file() or _hash(path) != path.name]


def _hash(path: Path) -> str:
    return hashlib.new(path.parent.name, path.read_bytes()).hexdigest()


def leftovers(store: str | os.PathLike[str]) -> list[str]:
    """Leases and temporary files that are still there. What has come of a blob isn't one of them: the next run goes on with it."""
    return [str(path) for folder in ("leases", "tmp") for path in Path(store, ".longshore", folder).glob("*")]


def partial_files(store: str | os.PathLike[str]) -> list[str]:
    """What is there of blobs that have not come in full."""
    return sorted(path.name for path in Path(store, ".longshore", "partials").glob("*"))
