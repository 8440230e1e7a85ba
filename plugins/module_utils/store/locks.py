# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store lock and the leases of runs.

Both are kernel locks: they end with the process that holds them, so nothing stays locked after a crash (promise I9).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import stat
import typing as t

from ..errors import StoreDamaged
from ..files import naming_path_in_errors, open_below, read_open_bounded, try_lock, wait_for_lock
from ..folders import Folder, set_owner
from ..limits import MAX_LEASE
from ..oci.digest import Digest

# Only files with these names are removed: a user or another tool may have put others there and may need them.
_LEASE_NAME = re.compile(r"[0-9]{1,20}-[0-9a-f]{1,16}")
_TEMPORARY_NAME = re.compile(rf"({_LEASE_NAME.pattern})\.[0-9]{{1,20}}")

LOCK_FILE = "lock"
CheckFile = t.Callable[[os.stat_result, str], None]


@contextlib.contextmanager
def lock_exclusive(folder: Folder, mode: int, timeout: float, owner: os.stat_result, check: CheckFile) -> t.Iterator[None]:
    """Hold the lock file of FOLDER exclusively. Create it with MODE and OWNER if it is missing; never remove it.

    An existing file keeps its mode and its owner: it could be a user's file that was moved or linked there. CHECK raises StoreDamaged for a file that
    can't be trusted. Raises LockTimeout after TIMEOUT seconds.
    """
    path = folder.path_of(LOCK_FILE)
    with naming_path_in_errors(path):
        descriptor = _open_or_create(folder, mode, owner)
    try:
        with naming_path_in_errors(path):
            check(os.fstat(descriptor), path)
            wait_for_lock(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _open_or_create(folder: Folder, mode: int, owner: os.stat_result) -> int:
    while True:
        with contextlib.suppress(FileNotFoundError):
            return folder.open_file(LOCK_FILE, os.O_RDWR)
        with contextlib.suppress(FileExistsError):
            descriptor = folder.create_file(LOCK_FILE, mode, os.O_RDWR)
            set_owner(descriptor, owner)
            return descriptor


@contextlib.contextmanager
def lock_shared(folder: Folder | None, timeout: float) -> t.Iterator[None]:
    """Hold the lock file of FOLDER together with other readers, so that writers wait. Don't create it: without a lock file no run has written yet.

    Raises LockTimeout after TIMEOUT seconds.
    """
    path = folder.path_of(LOCK_FILE) if folder is not None else ""
    try:
        descriptor = open_below(folder, LOCK_FILE, path)
    except FileNotFoundError:
        yield
        return
    try:
        with naming_path_in_errors(path):
            wait_for_lock(descriptor, path, timeout, shared=True)
        yield
    finally:
        os.close(descriptor)


class Lease:
    """A locked file that lists the blobs that a live run needs. No other run removes these blobs while it is held (promise I7).

    Leases are created, read and removed only under the store's lock.
    """

    def __init__(self, folder: Folder, mode: int, needed: t.Iterable[Digest], owner: os.stat_result) -> None:
        """Create and lock the lease file. MODE and OWNER must let all users who share the store read it."""
        self.id = f"{os.getpid()}-{random.getrandbits(64):016x}"
        self._folder = folder
        path = folder.path_of(self.id)
        with naming_path_in_errors(path):
            self._descriptor = folder.create_file(self.id, mode)
            try:
                set_owner(self._descriptor, owner)
                try_lock(self._descriptor, path)
                self.list_digests(needed)
            except BaseException:
                self.end()
                raise

    def list_digests(self, needed: t.Iterable[Digest]) -> None:
        """Replace the digests in the file by NEEDED."""
        digests = [str(digest) for digest in needed]
        with naming_path_in_errors(self._folder.path_of(self.id)), open(self._descriptor, "w", encoding="ascii", closefd=False) as file:
            file.seek(0)
            file.truncate()
            # An empty file takes no space: a run that only removes must work on a full disk.
            file.write(json.dumps(digests) if digests else "")

    def end(self) -> None:
        """Remove the file, then unlock it: in this order no run sees an unlocked lease. If removing fails, a later run removes the file."""
        with contextlib.suppress(OSError):
            self._folder.unlink(self.id)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def collect_live_leases(folder: Folder) -> dict[str, frozenset[Digest]]:
    """Return the digests that each live run needs, by the id of its lease. Remove the leases of dead runs."""
    needed_by_lease, dead = read_leases(folder)
    for name in dead:
        with naming_path_in_errors(folder.path_of(name)):
            folder.unlink(name)
    return needed_by_lease


def read_leases(folder: Folder | None) -> tuple[dict[str, frozenset[Digest]], list[str]]:
    """Return the digests that each live run needs, by the id of its lease, and the names of the leases of dead runs. Remove nothing."""
    needed_by_lease: dict[str, frozenset[Digest]] = {}
    dead: list[str] = []
    for name in _find_names(folder, _LEASE_NAME):
        with contextlib.suppress(FileNotFoundError):
            needed = _read_lease(folder, name)
            if needed is None:
                dead.append(name)
            else:
                needed_by_lease[name] = needed
    return needed_by_lease, dead


def remove_abandoned(folder: Folder, live: t.Collection[str], owner: os.stat_result) -> None:
    """Remove the temporary files and folders of dead runs from FOLDER. LIVE are the ids of live leases. Only folders of OWNER are emptied."""
    for name in find_abandoned(folder, live):
        with naming_path_in_errors(folder.path_of(name)):
            folder.remove_tree(name, owner.st_uid)


def find_abandoned(folder: Folder | None, live: t.Collection[str]) -> list[str]:
    """Return the names of the temporary files and folders of dead runs in FOLDER. They are named `LEASE.NUMBER`; LIVE are the ids of live leases."""
    return [name for name in _find_names(folder, _TEMPORARY_NAME) if name.partition(".")[0] not in live]


def _find_names(folder: Folder | None, pattern: re.Pattern[str]) -> list[str]:
    if folder is None:
        return []
    with naming_path_in_errors(folder.path):
        return [name for name in folder.list_names() if pattern.fullmatch(name)]


def _read_lease(folder: Folder | None, name: str) -> frozenset[Digest] | None:
    """Return the digests that a lease lists, None if its run is dead. Raises FileNotFoundError if the lease has ended."""
    path = folder.path_of(name) if folder is not None else name
    with naming_path_in_errors(path):
        status = folder.status(name) if folder is not None else None
    if status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return None  # a lease is never a link, a FIFO or a device
    descriptor = open_below(folder, name, path)
    try:
        with naming_path_in_errors(path):
            if try_lock(descriptor, path, shared=True):
                return None
        data = read_open_bounded(os.dup(descriptor), path, MAX_LEASE)
        return frozenset(Digest.parse(text) for text in json.loads(data or b"[]"))
    except ValueError as error:
        raise StoreDamaged(f"{path} is the lease of a running task but can't be read: {error}") from error
    finally:
        os.close(descriptor)
