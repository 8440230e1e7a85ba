# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel locks: they end with the process that holds them, so nothing is ever left locked (promise I9)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import typing as t

from ..errors import StoreDamaged
from ..files import CREATE_PRIVATE, open_regular, read_bounded, reporting, take_owner, try_lock, wait_for_lock
from ..limits import MAX_LEASE
from ..oci.digest import Digest


@contextlib.contextmanager
def exclusive(path: str, mode: int, timeout: float, like: str) -> t.Iterator[None]:
    """Holds the lock file PATH, which is made with MODE and the owner of LIKE where it lacks, and never removed. Raises LockTimeout after TIMEOUT seconds."""
    with reporting(path):
        descriptor = _open_or_make(path, like)
    try:
        with reporting(path):
            status = os.fstat(descriptor)
            if status.st_uid == os.geteuid() and status.st_mode & 0o777 != mode:
                os.fchmod(descriptor, mode)
            wait_for_lock(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _open_or_make(path: str, like: str) -> int:
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            take_owner(descriptor, like)
            return descriptor


@contextlib.contextmanager
def watching(path: str, timeout: float) -> t.Iterator[None]:
    """Holds the lock file PATH against writers, together with others that only look. Writes nothing: where there is no such file, nobody has written yet.

    Raises LockTimeout after TIMEOUT seconds.
    """
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        yield
        return
    try:
        with reporting(path):
            wait_for_lock(descriptor, path, timeout, shared=True)
        yield
    finally:
        os.close(descriptor)


class Lease:
    """What a live run needs: while it holds its lease, no removal takes the blobs that the lease lists (promise I7).

    Leases are made, read and cleared away under the store's lock only.
    """

    def __init__(self, folder: str, mode: int, needed: t.Iterable[Digest], like: str) -> None:
        """MODE, and the owner of LIKE, let those who share the store see the lease, as they have to."""
        self.id = f"{os.getpid()}-{random.getrandbits(64):016x}"
        self._path = os.path.join(folder, self.id)
        with reporting(self._path):
            self._descriptor = os.open(self._path, CREATE_PRIVATE, 0o600)
            try:
                os.fchmod(self._descriptor, mode)
                take_owner(self._descriptor, like)
                try_lock(self._descriptor, self._path)
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
            os.unlink(self._path)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def live_leases(folder: str) -> dict[str, frozenset[Digest]]:
    """What each live run needs, by the id of its lease. Leases of the dead are removed."""
    needs, dead = seen_leases(folder)
    for path in dead:
        with reporting(path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return needs


def seen_leases(folder: str) -> tuple[dict[str, frozenset[Digest]], list[str]]:
    """What each live run needs, by the id of its lease, and the paths of the leases of the dead; nothing is removed."""
    needs: dict[str, frozenset[Digest]] = {}
    dead: list[str] = []
    for name in _names(folder):
        path = os.path.join(folder, name)
        with reporting(path), contextlib.suppress(FileNotFoundError):
            if _is_dead(path):
                dead.append(path)
            else:
                needs[name] = _read_needs(path)
    return needs, dead


def reclaim(folder: str, live: t.Collection[str]) -> None:
    """Removes the temporary files and folders in FOLDER of all runs but those with LIVE leases."""
    for path in abandoned(folder, live):
        with reporting(path), contextlib.suppress(FileNotFoundError):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)


def abandoned(folder: str, live: t.Collection[str]) -> list[str]:
    """The temporary files and folders in FOLDER, which are called `LEASE.NUMBER`, of all runs but those with LIVE leases."""
    return [os.path.join(folder, name) for name in _names(folder) if name.partition(".")[0] not in live]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _is_dead(path: str) -> bool:
    descriptor = open_regular(path)
    try:
        return try_lock(descriptor, path, shared=True)
    finally:
        os.close(descriptor)


def _read_needs(path: str) -> frozenset[Digest]:
    try:
        return frozenset(Digest.parse(text) for text in json.loads(read_bounded(path, MAX_LEASE) or b"[]"))
    except ValueError as error:
        raise StoreDamaged(f"{path} is the lease of a running task but can't be read: {error}") from error
