# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read files within size limits, lock them, and write them atomically and durably. Promises I1, I2 and I13 depend on this module."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import random
import stat
import sys
import time
import typing as t

from .errors import InputOutputError, LockTimeout, system_error
from .folders import Folder, set_owner

CHUNK = 1024 * 1024
WRITEBACK_SIZE = 4 * 1024 * 1024
READ_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
CREATE_PRIVATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_SYNC_FILE_RANGE_WRITE = 2  # from linux/fs.h


@contextlib.contextmanager
def naming_path_in_errors(path: str) -> t.Iterator[None]:
    """Convert an OSError raised inside the block into a LongshoreError that names PATH and contains the system's message."""
    try:
        yield
    except OSError as error:
        raise system_error(error, path) from error


def require_writable(folder: str, otherwise: str) -> None:
    """Raise InputOutputError, with OTHERWISE before the reason, if this user can't write to FOLDER."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputOutputError(f"{otherwise}: the folder {folder} is read-only, or denied to this user")


def find_nearest_ancestor(path: str) -> str:
    """Return PATH if it exists, else its nearest existing ancestor."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def open_regular(path: str) -> int:
    """Open PATH for reading and return the descriptor.

    Raises FileNotFoundError, and InputOutputError for anything but a regular file (also for links).
    """
    try:
        descriptor = os.open(path, READ_REGULAR)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise system_error(error, path) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputOutputError(f"{path}: not a regular file")
    return descriptor


def open_below(folder: Folder | None, name: str, path: str) -> int:
    """Open a regular file in an open folder for reading, and return its descriptor. Messages use PATH.

    Raises FileNotFoundError if the file is missing or FOLDER is None (a missing folder), InputOutputError for anything but a regular file.
    """
    try:
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return folder.open_file(name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise system_error(error, path) from error


def read_bounded(path: str, limit: int) -> bytes:
    """Return the bytes of a regular file, at most LIMIT + 1 of them, so that the caller can detect a file that is too long. Errors as in open_regular."""
    return read_open_bounded(open_regular(path), path, limit)


def read_open_bounded(descriptor: int, path: str, limit: int) -> bytes:
    """Return the bytes of an open file like read_bounded, and close the file. Messages use PATH."""
    with os.fdopen(descriptor, "rb") as file, naming_path_in_errors(path):
        return file.read(limit + 1)


def read_chunks(path: str) -> t.Iterator[memoryview]:
    """Yield the content of a regular file in pieces. They share one buffer: each is valid only until the next one is read. Errors as in open_regular."""
    yield from read_open_chunks(open_regular(path), path)


def read_open_chunks(descriptor: int, path: str) -> t.Iterator[memoryview]:
    """Yield the content of an open file like read_chunks, and close the file at the end. Messages use PATH."""
    with os.fdopen(descriptor, "rb", buffering=0) as file, naming_path_in_errors(path):
        buffer = memoryview(bytearray(CHUNK))
        while True:
            count = file.readinto(buffer)
            if not count:
                return
            yield buffer[:count]


def open_named(path: str) -> int:
    """Open a file that a user or a configuration file named, and return its descriptor. Links are followed.

    Raises InputOutputError for anything but a regular file, without waiting for a FIFO or a device. The null device counts as an empty file, because
    users name it to have no configuration. Raises OSError from the system.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        require_regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_regular(status: os.stat_result, path: str) -> None:
    """Raise InputOutputError if STATUS is neither that of a regular file nor of the null device, IsADirectoryError for a folder."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(status.st_mode) and not os.path.samestat(status, os.stat(os.devnull)):
        raise InputOutputError(f"{path}: not a regular file")


def read_named(path: str, limit: int) -> bytes:
    """Return at most LIMIT + 1 bytes of a file that a user or a configuration file named. Errors as in `open_named`."""
    with os.fdopen(open_named(path), "rb") as file:
        return file.read(limit + 1)


def read_file(path: str) -> t.Iterator[bytes]:
    """Yield the content of a file as `open_named` opens it. Raises InputOutputError, also if the file is missing."""
    with naming_path_in_errors(path):
        yield from read_descriptor(open_named(path))


def read_descriptor(descriptor: int) -> t.Iterator[bytes]:
    """Yield the content of an open file from its current offset. The file is closed at the end."""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while True:
            chunk = file.read(CHUNK)
            if not chunk:
                return
            yield chunk


def try_lock(descriptor: int, path: str, shared: bool = False) -> bool:
    """Try to lock a file, exclusively or SHARED with other readers. Return True if it is locked now.

    Raises InputOutputError if the file system has no locks: concurrent runs without them would lose tags.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise InputOutputError(f"{path}: this file system has no file locks ({error.strerror}); use one that has") from error
        raise
    return True


def wait_for_lock(
    descriptor: int, path: str, timeout: float, shared: bool = False, *, advice: str = "raise lock_timeout or wait for that run to end"
) -> None:
    """Lock a file like try_lock, but wait while another run holds the lock. Raises LockTimeout with ADVICE after TIMEOUT seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while not try_lock(descriptor, path, shared):
        left = deadline - time.monotonic()
        if left <= 0:
            raise LockTimeout(f"{path} is still locked by another run after {timeout:g} seconds; {advice}")
        time.sleep(min(left, pause * random.uniform(0.5, 1.0)))
        pause = min(pause * 2, 0.25)


def start_writeback(descriptor: int, offset: int, size: int) -> None:
    """Start writing a range of a file to disk while more data arrives, so that the final fsync waits for less.

    This is only an optimisation, and failures are ignored: the fsync makes the content durable and reports errors.
    """
    call = _library_call("sync_file_range", "llI")
    if call is not None:
        call(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE)


def sync_file_system(descriptor: int) -> None:
    """Make all files and names on the file system of DESCRIPTOR durable: one barrier for a tree of many files. Raises OSError."""
    call = _library_call("syncfs", "")
    if call is None:
        os.sync()
    elif call(descriptor):
        import ctypes

        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def preallocate(descriptor: int, offset: int, size: int) -> None:
    """Reserve SIZE bytes for a file at OFFSET if the file system can, which makes the writes cheaper.

    Raises OSError if the bytes don't fit, before any of them is written.
    """
    call = _library_call("fallocate", "ill")
    if call is not None:
        import ctypes

        if call(descriptor, 0, offset, size) and ctypes.get_errno() in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@functools.cache
def _library_call(name: str, kinds: str) -> t.Callable[..., int] | None:
    """Return a function of the C library on Linux that Python does not offer, or None if it is missing.

    The function takes a descriptor and then arguments of KINDS: `l` for an offset, others as in `struct`.
    """
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    types = {"l": ctypes.c_int64, "i": ctypes.c_int, "I": ctypes.c_uint}
    try:
        library = ctypes.CDLL(None, use_errno=True)
        # On systems with 32-bit offsets, the function for 64-bit offsets has another name.
        function = getattr(library, f"{name}64", None) or getattr(library, name)
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, *(types[kind] for kind in kinds))
    return t.cast("t.Callable[..., int]", function)


class FileWriter:
    """Writes to an open file, sequentially or at any offset. It does not create, rename or delete the file: TemporaryFile does. Messages use `display_path`."""

    def __init__(self, descriptor: int, display_path: str) -> None:
        self.display_path = display_path
        self._descriptor = descriptor
        self.size = self._started = 0

    def set_owner(self, owner: os.stat_result) -> None:
        """Give the file the user and group of OWNER, as far as the system allows it."""
        with naming_path_in_errors(self.display_path):
            set_owner(self._descriptor, owner)

    def fileno(self) -> int:
        """Return the descriptor, for locks and for copies inside the kernel."""
        return self._descriptor

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append DATA."""
        with naming_path_in_errors(self.display_path):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self.size += len(data)
        if self.size - self._started >= WRITEBACK_SIZE:
            self.start_writeback()

    def start_writeback(self) -> None:
        """Start writing to disk what was appended since the last time."""
        start_writeback(self._descriptor, self._started, self.size - self._started)
        self._started = self.size

    def write_at(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write DATA at OFFSET. Several threads may call this at once."""
        with naming_path_in_errors(self.display_path):
            rest = memoryview(data)
            while rest:
                count = os.pwrite(self._descriptor, rest, offset)
                rest, offset = rest[count:], offset + count


class TemporaryFile(FileWriter):
    """A new file with a temporary path that the caller chooses. `publish` renames it to its final path; without that it is deleted at the end."""

    def __init__(self, path: str, mode: int, display_path: str | None = None, folder: Folder | None = None) -> None:
        """Messages use DISPLAY_PATH if it is given, because a temporary name means nothing to a user.

        With FOLDER, the open folder of PATH, the file is created and published relative to that folder, so that replacing a folder on the path
        with a link redirects nothing.
        """
        self.path = path
        self._folder = folder
        self._is_synced = False
        with naming_path_in_errors(display_path or path):
            if folder is not None:
                super().__init__(folder.create_file(os.path.basename(path), mode), display_path or path)
                return
            super().__init__(os.open(path, CREATE_PRIVATE, 0o600), display_path or path)
            try:
                os.fchmod(self._descriptor, mode)
            except BaseException:
                self.__exit__()
                raise

    def __enter__(self) -> TemporaryFile:
        return self

    def sync(self) -> None:
        """Make the content durable. Nothing may be written after that."""
        with naming_path_in_errors(self.display_path):
            os.fsync(self._descriptor)
        self._is_synced = True

    def publish(self, target: str, folder: Folder | None = None) -> os.stat_result:
        """Make the content durable and rename the file to TARGET, which is replaced. Return the status of the file.

        The name is durable once the folder of TARGET is synced. A file that was created in an open folder needs FOLDER, the open folder of TARGET.
        """
        with naming_path_in_errors(target):
            if not self._is_synced:
                os.fsync(self._descriptor)
            status = os.fstat(self._descriptor)
            if self._folder is not None and folder is not None:
                self._folder.rename(os.path.basename(self.path), folder, os.path.basename(target))
            else:
                os.rename(self.path, target)
        self.path = ""
        return status

    def __exit__(self, *unused: object) -> None:
        """Delete the file if it was not published. If that fails, a later run deletes it, so that the first error is the one reported."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        if self.path:
            with contextlib.suppress(OSError):
                if self._folder is not None:
                    self._folder.unlink(os.path.basename(self.path))
                else:
                    os.unlink(self.path)
