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
import threading
import time
import typing as t

from ..errors import DigestMismatch, DiskFull, InputOutputError, InvalidReference, LongshoreError
from ..files import CHUNK, naming_path_in_errors, open_below, read_open_bounded, try_lock
from ..folders import Folder, give_to
from ..oci.digest import Digest, Verifier
from ..oci.manifest import Descriptor
from .byte_ranges import MAX_NOTES, ByteRanges, Span, decode_ranges, encode_range

FOLDER = "partials"
KEPT_SECONDS = 7 * 24 * 3600
KEPT_AT_MOST = 100
# A writer that brought nothing for so long isn't waited for.
PATIENCE = 60.0

_JOURNAL = ".pieces"
_DENIED = (errno.EACCES, errno.EPERM)
_USELESS_AFTER = (DigestMismatch, DiskFull, InputOutputError)


class Partial:
    """A partial file that is ours to write. Left by an error of the network it stays, left by any other it goes."""

    def __init__(self, folder: Folder, name: str, file: int, wanted: Descriptor) -> None:
        self.path = folder.path_of(name)
        self.size = wanted.size
        self._folder = folder
        self._name = name
        self._journal = name + _JOURNAL
        self._file = file
        self._wanted = wanted
        self._notes: int | None = None
        self._lock = threading.Lock()
        self._spans = self._found()
        self._verifier = self._new_verifier()
        self.inherited = self._spans.end > 0

    def _new_verifier(self) -> Verifier:
        return Verifier(self._wanted.digest, self._wanted.size, f"blob {self._wanted.digest}")

    def _found(self) -> ByteRanges:
        """What an earlier run has left. What can't be told for certain is thrown away."""
        with naming_path_in_errors(self.path):
            length = os.fstat(self._file).st_size
            try:
                journal = _open_own(self._folder, self._journal, os.O_RDONLY)
                spans = None if journal is None else decode_ranges(read_open_bounded(journal, self.path + _JOURNAL, MAX_NOTES), self.size)
            except FileNotFoundError:
                spans = ByteRanges([(0, length)])
            if spans is None or length > self.size:
                spans = ByteRanges()
            spans = ByteRanges((start, min(stop, length)) for start, stop in spans)
            if spans.end == 0:
                self._empty()
            return spans

    def _empty(self) -> None:
        self._folder.unlink(self._journal)
        os.ftruncate(self._file, 0)

    # What is there.

    @property
    def front(self) -> int:
        """How many bytes are there from the beginning on without a gap."""
        with self._lock:
            return self._spans.front

    def missing_ranges(self) -> list[Span]:
        with self._lock:
            return self._spans.gaps(self.size)

    def hash_more(self) -> None:
        """Hashes what has come between the bytes that were hashed already and the first gap, while the system still has it in memory."""
        front = self.front
        with naming_path_in_errors(self.path):
            while self._verifier.seen < front:
                data = os.pread(self._file, min(CHUNK, front - self._verifier.seen), self._verifier.seen)
                if not data:
                    raise InputOutputError(f"{self.path}: it was cut short by somebody else")
                self._verifier.update(data)

    # Writing.

    def start_appending(self) -> None:
        """From now on the file grows from front to back: what came behind a gap is given up."""
        with self._lock, naming_path_in_errors(self.path):
            os.ftruncate(self._file, self._spans.front)
            self._spans = ByteRanges([(0, self._spans.front)])
            self._close_notes()
            self._folder.unlink(self._journal)
        self.hash_more()

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Adds bytes at the front, after `only_front`. Raises DigestMismatch as soon as there is one more than promised."""
        start = self._verifier.seen
        self._verifier.update(data)
        self._put(start, data)

    def start_ranges(self) -> None:
        """From now on pieces may come in any order: what is there already goes down in a journal first."""
        with self._lock, naming_path_in_errors(self.path):
            self._notes = self._open_journal()
            os.ftruncate(self._notes, 0)
            self._note(b"".join(encode_range(start, stop) for start, stop in self._spans))

    def _open_journal(self) -> int:
        """Open the journal for writing. What isn't a file of our own is replaced: the journal is truncated, and that could be somebody else's file."""
        with contextlib.suppress(FileNotFoundError):
            journal = _open_own(self._folder, self._journal, os.O_RDWR | os.O_APPEND)
            if journal is not None:
                return journal
            self._folder.unlink(self._journal)
        return self._folder.create_file(self._journal, flags=os.O_RDWR | os.O_APPEND)

    def write_at(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Writes a part of a piece, after `pieces`; several threads may do so at once."""
        self._put(start, data)

    def record_range(self, start: int, stop: int) -> None:
        """Lets a later run know that these bytes are there."""
        with self._lock, naming_path_in_errors(self.path):
            self._note(encode_range(start, stop))

    def _note(self, lines: bytes) -> None:
        """(A line that is written by half, on a full disk, is the last one: the file goes then.)"""
        if self._notes is not None and lines:
            os.write(self._notes, lines)

    def _put(self, start: int, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        with naming_path_in_errors(self.path):
            while rest:
                rest = rest[os.pwrite(self._file, rest, start + len(data) - len(rest)) :]
        with self._lock:
            self._spans.add(start, start + len(data))

    def restart(self) -> None:
        """Throws everything away: an earlier run has left other bytes than it should have."""
        with self._lock, naming_path_in_errors(self.path):
            self._close_notes()
            self._empty()
            self._spans = ByteRanges()
            self._verifier = self._new_verifier()
            self.inherited = False

    # The end.

    def finish(self) -> None:
        """Raises DigestMismatch unless all that is there is exactly what was promised."""
        self.hash_more()
        self._verifier.finish()

    def give_to(self, owner: os.stat_result) -> None:
        """As `TemporaryFile.give_to`. Comes after `finish`: until then nobody else may write to the file."""
        with naming_path_in_errors(self.path):
            give_to(self._file, owner)

    def publish(self, target: str, folder: Folder) -> os.stat_result:
        """Durable content under TARGET, as `TemporaryFile.publish`. Comes after `finish`."""
        with naming_path_in_errors(target):
            os.fsync(self._file)
            os.fchmod(self._file, 0o444)
            status = os.fstat(self._file)
            self._folder.rename(self._name, folder, os.path.basename(target))
            self._folder.unlink(self._journal)
        return status

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, unused_trace: object) -> None:
        if error is not None and (isinstance(error, _USELESS_AFTER) or not self._spans.end):
            remove(self._folder, self._name)
        self._close_notes()
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _close_notes(self) -> None:
        if self._notes is not None:
            with contextlib.suppress(OSError):
                os.close(self._notes)
            self._notes = None


def name_of(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.hex}"


def open_partial(folder: Folder, wanted: Descriptor, arrived: t.Callable[[], bool]) -> Partial | None:
    """The partial file of a blob, locked; new where there is none.

    None when the blob has ARRIVED meanwhile, and when the file can't be had: it is another user's, or belongs to a run that doesn't go on.
    """
    name = name_of(wanted.digest)
    path = folder.path_of(name)
    while True:
        with naming_path_in_errors(path):
            file = _open_or_create(folder, name)
        if file is None:
            return None
        try:
            with naming_path_in_errors(path):
                if not _locked_in_time(file, path):
                    os.close(file)
                    return None
                if _is_at(folder, name, file):
                    if not arrived():
                        os.utime(file)
                        return Partial(folder, name, file, wanted)
                    remove(folder, name)
            os.close(file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(file)
            raise
        if arrived():
            return None


def _open_or_create(folder: Folder, name: str) -> int | None:
    while True:
        try:
            return _open_own(folder, name, os.O_RDWR)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                return folder.create_file(name, flags=os.O_RDWR)


def _open_own(folder: Folder, name: str, flags: int) -> int | None:
    """Open a regular file of our own; return None for anything else. Raises FileNotFoundError, OSError.

    Whoever else could write to a file would still be able to after it was verified; and a file with a second name may be one from outside the store.
    """
    try:
        file = folder.open_file(name, flags)
    except InputOutputError:
        return None
    except OSError as error:
        if error.errno in _DENIED:
            return None
        raise
    status = os.fstat(file)
    if status.st_uid == os.geteuid() and status.st_nlink <= 1 and not status.st_mode & 0o022:
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


def _is_at(folder: Folder, name: str, file: int) -> bool:
    """Whether the file is still called so: it may have become the blob, or have gone, before we had its lock."""
    status = folder.status(name)
    return status is not None and os.path.samestat(status, os.fstat(file))


def remove(folder: Folder, name: str) -> None:
    """Removes a partial file as far as it goes: what stays is for a later run to clear away."""
    for one in (name, name + _JOURNAL):
        with contextlib.suppress(OSError):
            folder.unlink(one)


def reclaim(folder: Folder, needed: t.Collection[Digest], is_here: t.Callable[[Digest], bool]) -> None:
    """Removes the partial files that are useless, unless somebody writes them."""
    for name in find_useless(folder, needed, is_here):
        clear(folder, name)


def find_useless(folder: Folder, needed: t.Collection[Digest], is_here: t.Callable[[Digest], bool]) -> list[str]:
    """The names of partial files that nobody will go on with: their blob is here, they are old, or there are too many.

    Those of NEEDED blobs are none of these: this run goes on with them. What isn't called like a partial file is somebody else's.
    """
    now = time.time()
    digests = {name.removesuffix(_JOURNAL): digest for name, digest in _own_names(folder)}
    by_age = sorted(((_written(folder, name), name) for name in digests), reverse=True)
    found = []
    for rank, (written, name) in enumerate(by_age):
        digest = digests[name]
        if is_here(digest) or (digest not in needed and (now - written >= KEPT_SECONDS or rank >= KEPT_AT_MOST)):
            found.append(name)
    return found


def names_but_of(folder: Folder | None, needed: t.Collection[Digest]) -> list[str]:
    """The names of all partial files and journals, but for those of NEEDED blobs."""
    return [name for name, digest in _own_names(folder) if digest not in needed]


def _own_names(folder: Folder | None) -> list[tuple[str, Digest]]:
    """The names of all partial files and journals, with the digests of their blobs."""
    if folder is None:
        return []
    with naming_path_in_errors(folder.path):
        found = [(name, _digest_of(name.removesuffix(_JOURNAL))) for name in folder.names()]
    return [(name, digest) for name, digest in found if digest is not None]


def _digest_of(name: str) -> Digest | None:
    try:
        return Digest(*name.split("-", 1))
    except (InvalidReference, TypeError):
        return None


def _written(folder: Folder, name: str) -> float:
    try:
        status = folder.status(name)
    except OSError:
        return 0.0
    return status.st_mtime if status is not None else 0.0


def clear(folder: Folder, name: str) -> None:
    """Removes a partial file, or that of a journal, unless somebody is writing it."""
    name = name.removesuffix(_JOURNAL)
    if _digest_of(name) is None:
        return
    try:
        file = open_below(folder, name, folder.path_of(name))
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            folder.unlink(name + _JOURNAL)
        return
    except LongshoreError:
        return
    try:
        with contextlib.suppress(OSError, LongshoreError):
            if try_lock(file, name):
                remove(folder, name)
    finally:
        os.close(file)
