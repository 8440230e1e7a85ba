# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel locks: they end with the process that holds them, so nothing is ever left locked (promise I9)."""

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
from ..folders import Folder, give_to
from ..limits import MAX_LEASE
from ..oci.digest import Digest

# Only what is called like ours is ever removed: anything else was put there by somebody, and may be wanted.
_LEASE = re.compile(r"[0-9]{1,20}-[0-9a-f]{1,16}")
_TEMPORARY = re.compile(rf"({_LEASE.pattern})\.[0-9]{{1,20}}")

LOCK_FILE = "lock"
CheckFile = t.Callable[[os.stat_result, str], None]


@contextlib.contextmanager
def lock_exclusive(folder: Folder, mode: int, timeout: float, owner: os.stat_result, check: CheckFile) -> t.Iterator[None]:
    """Hold the lock file of FOLDER, which is made with MODE and for OWNER if it is missing, and never removed.

    One that exists keeps its mode and its owner: it could be somebody's file that was moved or linked there. CHECK raises StoreDamaged for one that isn't
    to be trusted. Raises LockTimeout after TIMEOUT seconds.
    """
    path = folder.path_of(LOCK_FILE)
    with naming_path_in_errors(path):
        descriptor = _open_or_make(folder, mode, owner)
    try:
        with naming_path_in_errors(path):
            check(os.fstat(descriptor), path)
            wait_for_lock(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _open_or_make(folder: Folder, mode: int, owner: os.stat_result) -> int:
    while True:
        with contextlib.suppress(FileNotFoundError):
            return folder.open_file(LOCK_FILE, os.O_RDWR)
        with contextlib.suppress(FileExistsError):
            descriptor = folder.create_file(LOCK_FILE, mode, os.O_RDWR)
            give_to(descriptor, owner)
            return descriptor


@contextlib.contextmanager
def lock_shared(folder: Folder | None, timeout: float) -> t.Iterator[None]:
    """Hold the lock file of FOLDER against writers, together with others that only look. Write nothing: without a lock file, nobody has written yet.

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
    """What a live run needs: while it holds its lease, no removal takes the blobs that the lease lists (promise I7).

    Leases are made, read and cleared away under the store's lock only.
    """

    def __init__(self, folder: Folder, mode: int, needed: t.Iterable[Digest], owner: os.stat_result) -> None:
        """MODE and OWNER let those who share the store see the lease, as they have to."""
        self.id = f"{os.getpid()}-{random.getrandbits(64):016x}"
        self._folder = folder
        path = folder.path_of(self.id)
        with naming_path_in_errors(path):
            self._descriptor = folder.create_file(self.id, mode)
            try:
                give_to(self._descriptor, owner)
                try_lock(self._descriptor, path)
                listed = [str(digest) for digest in needed]
                # An empty file takes no room: a run that only removes has to work on a full disk.
                with open(self._descriptor, "w", encoding="ascii", closefd=False) as file:
                    file.write(json.dumps(listed) if listed else "")
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """Gone first, unlocked later: nobody meets a lease that is neither. One that can't be removed is cleared away by a later run."""
        with contextlib.suppress(OSError):
            self._folder.unlink(self.id)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def live_leases(folder: Folder) -> dict[str, frozenset[Digest]]:
    """What each live run needs, by the id of its lease. Leases of the dead are removed."""
    needs, dead = read_leases(folder)
    for name in dead:
        with naming_path_in_errors(folder.path_of(name)):
            folder.unlink(name)
    return needs


def read_leases(folder: Folder | None) -> tuple[dict[str, frozenset[Digest]], list[str]]:
    """What each live run needs, by the id of its lease, and the leases of the dead by name; nothing is removed."""
    needs: dict[str, frozenset[Digest]] = {}
    dead: list[str] = []
    for name in _names(folder, _LEASE):
        with contextlib.suppress(FileNotFoundError):
            needed = _read_needs(folder, name)
            if needed is None:
                dead.append(name)
            else:
                needs[name] = needed
    return needs, dead


def reclaim(folder: Folder, live: t.Collection[str], owner: os.stat_result) -> None:
    """Remove the temporary files and folders in FOLDER of all runs but those with LIVE leases. Only folders of OWNER are emptied."""
    for name in find_abandoned(folder, live):
        with naming_path_in_errors(folder.path_of(name)):
            folder.remove_tree(name, owner.st_uid)


def find_abandoned(folder: Folder | None, live: t.Collection[str]) -> list[str]:
    """The names of temporary files and folders in FOLDER, which are called `LEASE.NUMBER`, of all runs but those with LIVE leases."""
    return [name for name in _names(folder, _TEMPORARY) if name.partition(".")[0] not in live]


def _names(folder: Folder | None, pattern: re.Pattern[str]) -> list[str]:
    if folder is None:
        return []
    with naming_path_in_errors(folder.path):
        return [name for name in folder.names() if pattern.fullmatch(name)]


def _read_needs(folder: Folder | None, name: str) -> frozenset[Digest] | None:
    """What the run of a lease needs; None if the run is dead. Raises FileNotFoundError for a lease that has ended."""
    path = folder.path_of(name) if folder is not None else name
    with naming_path_in_errors(path):
        status = folder.status(name) if folder is not None else None
    if status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return None  # no lease of ours is a link, a FIFO or a device
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
