# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Partial downloads of blobs: if the network fails or a run is killed, the next run resumes from the partial file.

A partial file is named after the digest of its blob and is locked while its writer lives. If it was written from start to end, its size says which bytes
it has. If it was written as ranges in any order, a journal file next to it lists them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
import typing as t

from ..errors import DiskFull, InputOutputError, InvalidReference, LongshoreError
from ..files import CHUNK, WRITEBACK_SIZE, naming_path_in_errors, open_below, read_open_bounded, start_writeback, try_lock
from ..folders import Folder, set_owner
from ..limits import MAX_JOURNAL
from ..oci.digest import Digest, DigestMismatch, Verifier
from ..oci.manifest import Descriptor
from .byte_ranges import ByteRange, ByteRanges, decode_ranges, encode_range

FOLDER = "partials"
MAX_AGE_SECONDS = 7 * 24 * 3600
MAX_PARTIALS = 100
# Stop waiting for another run's lock after it has written nothing for this many seconds.
STALL_SECONDS = 60.0

_JOURNAL_SUFFIX = ".pieces"
_PERMISSION_ERRORS = (errno.EACCES, errno.EPERM)
_DELETE_AFTER = (DigestMismatch, DiskFull, InputOutputError)


class Partial:
    """A partial file that this run has locked for writing.

    If the context ends with an error, the file stays for the next run. It is deleted if it is empty, or if the error was wrong bytes or a disk error.
    """

    def __init__(self, folder: Folder, name: str, file: int, wanted: Descriptor) -> None:
        self.path = folder.path_of(name)
        self.size = wanted.size
        self._folder = folder
        self._name = name
        self._journal_name = name + _JOURNAL_SUFFIX
        self._file = file
        self._wanted = wanted
        self._journal_file: int | None = None
        self._lock = threading.Lock()
        self._hash_lock = threading.Lock()  # held while the verifier is used in range mode, and acquired before _lock
        self._ranges = self._read_existing()
        self._verifier = self._new_verifier()
        self.is_resumed = self._ranges.end > 0

    def _new_verifier(self) -> Verifier:
        return Verifier(self._wanted.digest, self._wanted.size, f"blob {self._wanted.digest}")

    def _read_existing(self) -> ByteRanges:
        """Return the ranges that an earlier run left. Discard ranges that the journal doesn't list for certain."""
        with naming_path_in_errors(self.path):
            length = os.fstat(self._file).st_size
            try:
                journal = _open_own(self._folder, self._journal_name, os.O_RDONLY)
                ranges = None if journal is None else decode_ranges(read_open_bounded(journal, self.path + _JOURNAL_SUFFIX, MAX_JOURNAL), self.size)
            except FileNotFoundError:
                ranges = ByteRanges([(0, length)])
            if ranges is None or length > self.size:
                ranges = ByteRanges()
            ranges = ByteRanges((start, min(stop, length)) for start, stop in ranges)
            if ranges.end == 0:
                self._empty()
            return ranges

    def _empty(self) -> None:
        self._folder.unlink(self._journal_name)
        os.ftruncate(self._file, 0)

    # Reading.

    @property
    def front(self) -> int:
        """The number of bytes before the first gap."""
        with self._lock:
            return self._ranges.front

    def missing_ranges(self) -> list[ByteRange]:
        """Return the missing byte ranges of the blob."""
        with self._lock:
            return self._ranges.gaps(self.size)

    def hash_more(self) -> None:
        """Hash the bytes up to the first gap that aren't hashed yet, while they are still in the page cache."""
        with self._hash_lock, naming_path_in_errors(self.path):
            front = self.front
            while self._verifier.seen < front:
                data = os.pread(self._file, min(CHUNK, front - self._verifier.seen), self._verifier.seen)
                if not data:
                    raise InputOutputError(f"{self.path}: another process truncated the file; run the task again")
                self._verifier.update(data)

    # Writing.

    def start_appending(self) -> None:
        """Prepare to append at the first gap. Bytes after the gap are discarded."""
        with self._lock, naming_path_in_errors(self.path):
            os.ftruncate(self._file, self._ranges.front)
            self._ranges = ByteRanges([(0, self._ranges.front)])
            self._close_journal()
            self._folder.unlink(self._journal_name)
        self.hash_more()

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes, after `start_appending`. Raises DigestMismatch at the first byte beyond the size of the blob."""
        start = self._verifier.seen
        self._verifier.update(data)
        self._write(start, data)
        self._add(start, data)

    def start_ranges(self) -> None:
        """Prepare to write ranges in any order. The bytes that exist already are recorded in a journal first."""
        with self._lock, naming_path_in_errors(self.path):
            self._journal_file = self._open_journal()
            os.ftruncate(self._journal_file, 0)
            self._append_to_journal(b"".join(encode_range(start, stop) for start, stop in self._ranges))

    def _open_journal(self) -> int:
        """Open the journal for writing. Replace a file that isn't safely ours: truncating it could destroy another user's file."""
        with contextlib.suppress(FileNotFoundError):
            journal = _open_own(self._folder, self._journal_name, os.O_RDWR | os.O_APPEND)
            if journal is not None:
                return journal
            self._folder.unlink(self._journal_name)
        return self._folder.create_file(self._journal_name, flags=os.O_RDWR | os.O_APPEND)

    def write_at(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at START, after `start_ranges`. Safe to call from several threads.

        Bytes that come next for the hash are hashed now, which saves reading them from the file. `hash_more` hashes the others.
        """
        self._write(start, data)
        if self._verifier.seen == start and self._hash_lock.acquire(blocking=False):
            try:
                if self._verifier.seen == start:
                    self._verifier.update(data)
            finally:
                self._hash_lock.release()
        self._add(start, data)

    def record_range(self, start: int, stop: int) -> None:
        """Record in the journal that these bytes are written, so that a later run can resume from them."""
        with self._lock, naming_path_in_errors(self.path):
            self._append_to_journal(encode_range(start, stop))

    def _append_to_journal(self, lines: bytes) -> None:
        """Append lines to the journal. If a full disk cuts a line, it is the last one: the partial file is deleted then."""
        if self._journal_file is not None and lines:
            os.write(self._journal_file, lines)

    def _write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes, and start writing them to disk: the fsync at the end then waits for less."""
        rest = memoryview(data)
        with naming_path_in_errors(self.path):
            while rest:
                rest = rest[os.pwrite(self._file, rest, start + len(data) - len(rest)) :]
        first, last = start // WRITEBACK_SIZE, (start + len(data)) // WRITEBACK_SIZE
        if last > first:
            start_writeback(self._file, first * WRITEBACK_SIZE, (last - first) * WRITEBACK_SIZE)

    def _add(self, start: int, data: bytes | bytearray | memoryview) -> None:
        with self._lock:
            self._ranges.add(start, start + len(data))

    def restart(self) -> None:
        """Discard all bytes and start again: an earlier run left wrong bytes."""
        with self._lock, naming_path_in_errors(self.path):
            self._close_journal()
            self._empty()
            self._ranges = ByteRanges()
            self._verifier = self._new_verifier()
            self.is_resumed = False

    # Finishing.

    def complete(self, fill: t.Callable[[Partial], None]) -> None:
        """Let FILL write the missing bytes, and verify all; once more from the start if an earlier run left wrong bytes. Raises DigestMismatch."""
        try:
            fill(self)
            self.finish()
        except DigestMismatch:
            if not self.is_resumed:
                raise
            self.restart()
            fill(self)
            self.finish()

    def finish(self) -> None:
        """Hash the rest. Raises DigestMismatch unless the file is exactly the blob."""
        self.hash_more()
        self._verifier.finish()

    def set_owner(self, owner: os.stat_result) -> None:
        """Change the owner as `TemporaryFile.set_owner` does. Call it after `finish`: until then no other user may write to the file."""
        with naming_path_in_errors(self.path):
            set_owner(self._file, owner)

    def publish(self, target: str, folder: Folder) -> os.stat_result:
        """Make the content durable and move the file to TARGET, as `TemporaryFile.publish` does. Call it after `finish`."""
        with naming_path_in_errors(target):
            os.fsync(self._file)
            os.fchmod(self._file, 0o444)
            status = os.fstat(self._file)
            self._folder.rename(self._name, folder, os.path.basename(target))
            self._folder.unlink(self._journal_name)
        return status

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, unused_trace: object) -> None:
        if error is not None and (isinstance(error, _DELETE_AFTER) or not self._ranges.end):
            remove(self._folder, self._name)
        self._close_journal()
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _close_journal(self) -> None:
        if self._journal_file is not None:
            with contextlib.suppress(OSError):
                os.close(self._journal_file)
            self._journal_file = None


def file_name(digest: Digest) -> str:
    """Return the name of the partial file of a blob."""
    return f"{digest.algorithm}-{digest.hex}"


def open_partial(folder: Folder, wanted: Descriptor, has_blob: t.Callable[[], bool]) -> Partial | None:
    """Open, or create, and lock the partial file of a blob.

    Returns None if another run has stored the blob by now (HAS_BLOB returns True), or if the file isn't available: another user owns it, or another
    run holds its lock and makes no progress.
    """
    name = file_name(wanted.digest)
    path = folder.path_of(name)
    while True:
        with naming_path_in_errors(path):
            file = _open_or_create(folder, name)
        if file is None:
            return None
        try:
            with naming_path_in_errors(path):
                if not _wait_for_lock(file, path):
                    os.close(file)
                    return None
                if _still_has_name(folder, name, file):
                    if not has_blob():
                        os.utime(file)
                        return Partial(folder, name, file, wanted)
                    remove(folder, name)
            os.close(file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(file)
            raise
        if has_blob():
            return None


def _open_or_create(folder: Folder, name: str) -> int | None:
    while True:
        try:
            return _open_own(folder, name, os.O_RDWR)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                return folder.create_file(name, flags=os.O_RDWR)


def _open_own(folder: Folder, name: str, flags: int) -> int | None:
    """Open a regular file that only this user can write to; return None for anything else. Raises FileNotFoundError, OSError.

    Another user who can write to the file could still change it after it was verified. A file with a second hard link may be from outside the store.
    """
    try:
        file = folder.open_file(name, flags)
    except InputOutputError:
        return None
    except OSError as error:
        if error.errno in _PERMISSION_ERRORS:
            return None
        raise
    status = os.fstat(file)
    if status.st_uid == os.geteuid() and status.st_nlink <= 1 and not status.st_mode & 0o022:
        return file
    os.close(file)
    return None


def _wait_for_lock(file: int, path: str) -> bool:
    """Wait for the lock while the run that holds it writes to the file. Return whether the lock was acquired."""
    last_status, last_progress, wait = os.fstat(file), time.monotonic(), 0.01
    while not try_lock(file, path):
        status = os.fstat(file)
        if (status.st_mtime_ns, status.st_blocks) != (last_status.st_mtime_ns, last_status.st_blocks):
            last_status, last_progress = status, time.monotonic()
        elif time.monotonic() - last_progress > STALL_SECONDS:
            return False
        time.sleep(wait)
        wait = min(2 * wait, 0.25)
    return True


def _still_has_name(folder: Folder, name: str, file: int) -> bool:
    """Return whether NAME still refers to the open file: another run may have published or deleted it before we had its lock."""
    status = folder.status(name)
    return status is not None and os.path.samestat(status, os.fstat(file))


def remove(folder: Folder, name: str) -> None:
    """Remove a partial file and its journal. Ignore errors: a later run removes the rest."""
    for file_to_remove in (name, name + _JOURNAL_SUFFIX):
        with contextlib.suppress(OSError):
            folder.unlink(file_to_remove)


def remove_useless(folder: Folder, needed: t.Collection[Digest], has_blob: t.Callable[[Digest], bool]) -> None:
    """Remove the partial files that no run will resume, unless a run is writing them."""
    for name in find_useless(folder, needed, has_blob):
        remove_unless_locked(folder, name)


def find_useless(folder: Folder, needed: t.Collection[Digest], has_blob: t.Callable[[Digest], bool]) -> list[str]:
    """Return the names of partial files that no run will resume: the store has their blob, they are too old, or there are too many.

    Files of NEEDED blobs are never too old or too many: this run resumes them. Files with other names belong to somebody else and are skipped.
    """
    now = time.time()
    digests = {name.removesuffix(_JOURNAL_SUFFIX): digest for name, digest in _list_partials(folder)}
    by_age = sorted(((_modification_time(folder, name), name) for name in digests), reverse=True)
    useless = []
    for rank, (modified, name) in enumerate(by_age):
        digest = digests[name]
        if has_blob(digest) or (digest not in needed and (now - modified >= MAX_AGE_SECONDS or rank >= MAX_PARTIALS)):
            useless.append(name)
    return useless


def list_unneeded(folder: Folder | None, needed: t.Collection[Digest]) -> list[str]:
    """Return the names of all partial files and journals except those of NEEDED blobs."""
    return [name for name, digest in _list_partials(folder) if digest not in needed]


def _list_partials(folder: Folder | None) -> list[tuple[str, Digest]]:
    """Return the names of all partial files and journals with the digests of their blobs."""
    if folder is None:
        return []
    with naming_path_in_errors(folder.path):
        candidates = [(name, _parse_name(name.removesuffix(_JOURNAL_SUFFIX))) for name in folder.list_names()]
    return [(name, digest) for name, digest in candidates if digest is not None]


def _parse_name(name: str) -> Digest | None:
    try:
        return Digest(*name.split("-", 1))
    except (InvalidReference, TypeError):
        return None


def _modification_time(folder: Folder, name: str) -> float:
    try:
        status = folder.status(name)
    except OSError:
        return 0.0
    return status.st_mtime if status is not None else 0.0


def remove_unless_locked(folder: Folder, name: str) -> None:
    """Remove a partial file and its journal, given the name of either, unless a run is writing them."""
    name = name.removesuffix(_JOURNAL_SUFFIX)
    if _parse_name(name) is None:
        return
    try:
        file = open_below(folder, name, folder.path_of(name))
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            folder.unlink(name + _JOURNAL_SUFFIX)
        return
    except LongshoreError:
        return
    try:
        with contextlib.suppress(OSError, LongshoreError):
            if try_lock(file, name):
                remove(folder, name)
    finally:
        os.close(file)
