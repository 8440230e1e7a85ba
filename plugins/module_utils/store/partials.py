# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs on their way: what a run has of one when its network fails, or when it is killed, is there for the next run to go on from.

A partial file is called after its blob's digest, and locked as long as its writer lives. One that grew from front to back tells by its size what it
holds; one that came in pieces has a journal beside it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
import typing as t

from ..errors import DigestMismatch, DiskFull, InputOutputError, InvalidReference, LongshoreError
from ..files import CHUNK, read_bounded, reporting, take_owner, try_lock
from ..oci.digest import Digest, Verifier
from ..oci.manifest import Descriptor
from .spans import MAX_NOTES, Span, Spans, note, read_notes

FOLDER = "partials"
KEPT_SECONDS = 7 * 24 * 3600
KEPT_AT_MOST = 100
# A writer that brought nothing for so long isn't waited for.
PATIENCE = 60.0

_JOURNAL = ".pieces"
_OPENED = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENXIO)
_USELESS_AFTER = (DigestMismatch, DiskFull, InputOutputError)


class Partial:
    """A partial file that is ours to write. Left by an error of the network it stays, left by any other it goes."""

    def __init__(self, path: str, file: int, wanted: Descriptor) -> None:
        self.path = path
        self.size = wanted.size
        self._file = file
        self._wanted = wanted
        self._notes: int | None = None
        self._lock = threading.Lock()
        self._spans = self._found()
        self._verifier = self._new_verifier()
        self.inherited = self._spans.end > 0

    def _new_verifier(self) -> Verifier:
        return Verifier(self._wanted.digest, self._wanted.size, f"blob {self._wanted.digest}")

    def _found(self) -> Spans:
        """What an earlier run has left. What can't be told for certain is thrown away."""
        with reporting(self.path):
            length = os.fstat(self._file).st_size
            try:
                spans = read_notes(read_bounded(self.path + _JOURNAL, MAX_NOTES), self.size)
            except FileNotFoundError:
                spans = Spans([(0, length)])
            if spans is None or length > self.size:
                spans = Spans()
            spans = Spans((start, min(stop, length)) for start, stop in spans)
            if spans.end == 0:
                self._empty()
            return spans

    def _empty(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path + _JOURNAL)
        os.ftruncate(self._file, 0)

    # What is there.

    @property
    def front(self) -> int:
        """How many bytes are there from the beginning on without a gap."""
        with self._lock:
            return self._spans.front

    def gaps(self) -> list[Span]:
        with self._lock:
            return self._spans.gaps(self.size)

    def hash_on(self) -> None:
        """Hashes what has come between the bytes that were hashed already and the first gap, while the system still has it in memory."""
        front = self.front
        with reporting(self.path):
            while self._verifier.seen < front:
                data = os.pread(self._file, min(CHUNK, front - self._verifier.seen), self._verifier.seen)
                if not data:
                    raise InputOutputError(f"{self.path}: it was cut short by somebody else")
                self._verifier.update(data)

    # Writing.

    def only_front(self) -> None:
        """From now on the file grows from front to back: what came behind a gap is given up."""
        with self._lock, reporting(self.path):
            os.ftruncate(self._file, self._spans.front)
            self._spans = Spans([(0, self._spans.front)])
            self._close_notes()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + _JOURNAL)
        self.hash_on()

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Adds bytes at the front, after `only_front`. Raises DigestMismatch as soon as there is one more than promised."""
        start = self._verifier.seen
        self._verifier.update(data)
        self._put(start, data)

    def pieces(self) -> None:
        """From now on pieces may come in any order: what is there already goes down in a journal first."""
        with self._lock, reporting(self.path):
            self._notes = os.open(self.path + _JOURNAL, _OPENED | os.O_APPEND, 0o600)
            os.ftruncate(self._notes, 0)
            self._note(b"".join(note(start, stop) for start, stop in self._spans))

    def write_at(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Writes a part of a piece, after `pieces`; several threads may do so at once."""
        self._put(start, data)

    def note(self, start: int, stop: int) -> None:
        """Lets a later run know that these bytes are there."""
        with self._lock, reporting(self.path):
            self._note(note(start, stop))

    def _note(self, lines: bytes) -> None:
        """(A line that is written by half, on a full disk, is the last one: the file goes then.)"""
        if self._notes is not None and lines:
            os.write(self._notes, lines)

    def _put(self, start: int, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        with reporting(self.path):
            while rest:
                rest = rest[os.pwrite(self._file, rest, start + len(data) - len(rest)) :]
        with self._lock:
            self._spans.add(start, start + len(data))

    def restart(self) -> None:
        """Throws everything away: an earlier run has left other bytes than it should have."""
        with self._lock, reporting(self.path):
            self._close_notes()
            self._empty()
            self._spans = Spans()
            self._verifier = self._new_verifier()
            self.inherited = False

    # The end.

    def finish(self) -> None:
        """Raises DigestMismatch unless all that is there is exactly what was promised."""
        self.hash_on()
        self._verifier.finish()

    def keep_owner(self, path: str) -> None:
        """As `PrivateFile.keep_owner`. Comes after `finish`: until then nobody else may write to the file."""
        take_owner(self._file, path)

    def publish(self, target: str) -> os.stat_result:
        """Durable content under TARGET, as `PrivateFile.publish`. Comes after `finish`."""
        with reporting(target):
            os.fsync(self._file)
            os.fchmod(self._file, 0o444)
            status = os.fstat(self._file)
            os.rename(self.path, target)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + _JOURNAL)
        return status

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, unused_trace: object) -> None:
        if error is not None and (isinstance(error, _USELESS_AFTER) or not self._spans.end):
            remove(self.path)
        self._close_notes()
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _close_notes(self) -> None:
        if self._notes is not None:
            with contextlib.suppress(OSError):
                os.close(self._notes)
            self._notes = None


def path_of(folder: str, digest: Digest) -> str:
    return os.path.join(folder, f"{digest.algorithm}-{digest.hex}")


def claim(folder: str, wanted: Descriptor, arrived: t.Callable[[], bool]) -> Partial | None:
    """The partial file of a blob, locked; new where there is none.

    None when the blob has ARRIVED meanwhile, and when the file can't be had: it is another user's, or belongs to a run that doesn't go on.
    """
    path = path_of(folder, wanted.digest)
    while True:
        with reporting(path):
            file = _opened(path)
        if file is None:
            return None
        try:
            with reporting(path):
                if not _locked_in_time(file, path):
                    os.close(file)
                    return None
                if _is_at(path, file):
                    if not arrived():
                        os.utime(file)
                        return Partial(path, file, wanted)
                    remove(path)
            os.close(file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(file)
            raise
        if arrived():
            return None


def _opened(path: str) -> int | None:
    """The file of our own at PATH. Whoever else could write to one would still be able to after it was verified."""
    try:
        file = os.open(path, _OPENED, 0o600)
    except OSError as error:
        if error.errno in _NOT_OURS:
            return None
        raise
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink <= 1 and not status.st_mode & 0o022:
        os.fchmod(file, 0o600)
        return file
    os.close(file)
    return None


def _locked_in_time(file: int, path: str) -> bool:
    """Waits for the lock as long as the run that has it brings something."""
    seen, since, wait = os.fstat(file), time.monotonic(), 0.01
    while not try_lock(file, path):
        status = os.fstat(file)
        if (status.st_mtime_ns, status.st_blocks) != (seen.st_mtime_ns, seen.st_blocks):
            seen, since = status, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            return False
        time.sleep(wait)
        wait = min(2 * wait, 0.25)
    return True


def _is_at(path: str, file: int) -> bool:
    """Whether the file is still called so: it may have become the blob, or have gone, before we had its lock."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def remove(path: str) -> None:
    """Removes a partial file as far as it goes: what stays is for a later run to clear away."""
    for name in (path, path + _JOURNAL):
        with contextlib.suppress(OSError):
            os.unlink(name)


def reclaim(folder: str, needed: t.Collection[Digest], is_here: t.Callable[[Digest], bool]) -> None:
    """Removes the partial files that are useless, unless somebody writes them."""
    for path in useless(folder, needed, is_here):
        clear(path)


def useless(folder: str, needed: t.Collection[Digest], is_here: t.Callable[[Digest], bool]) -> list[str]:
    """The partial files that nobody will go on with: their blob is here, they are old, or there are too many.

    Those of NEEDED blobs are none of these: this run goes on with them.
    """
    now = time.time()
    names = {name.removesuffix(_JOURNAL) for name in os.listdir(folder)} if os.path.isdir(folder) else ()
    by_age = sorted(((_written(os.path.join(folder, name)), name) for name in names), reverse=True)
    found = []
    for rank, (written, name) in enumerate(by_age):
        digest = _digest_of(name)
        if digest is None or is_here(digest) or (digest not in needed and (now - written >= KEPT_SECONDS or rank >= KEPT_AT_MOST)):
            found.append(os.path.join(folder, name))
    return found


def paths_but_of(folder: str, needed: t.Collection[Digest]) -> list[str]:
    """The paths of all partial files and journals, but for those of NEEDED blobs."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [os.path.join(folder, name) for name in names if _digest_of(name.removesuffix(_JOURNAL)) not in needed]


def _digest_of(name: str) -> Digest | None:
    try:
        return Digest(*name.split("-", 1))
    except (InvalidReference, TypeError):
        return None


def _written(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def clear(path: str) -> None:
    """Removes a partial file, or that of a journal, unless somebody is writing it."""
    path = path.removesuffix(_JOURNAL)
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            os.unlink(path + _JOURNAL)
        return
    except OSError:
        return
    try:
        with contextlib.suppress(OSError, LongshoreError):
            if try_lock(file, path):
                remove(path)
    finally:
        os.close(file)
