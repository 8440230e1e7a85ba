# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other runs have to do with a store: what the living need, and what the dead have left. Nothing is written to learn it."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..files import naming_path_in_errors
from ..folders import Folder
from ..oci.digest import Digest
from . import locks, partials
from .open_folders import PRIVATE

if t.TYPE_CHECKING:
    from .store import Store


class OtherRuns(t.NamedTuple):
    """`needed` is what live leases list. `abandoned` are the files of dead runs with their sizes, which the next writer clears away; `unfinished` are those of
    blobs that no live run needs, which it keeps for a run that goes on with them.
    """

    needed: frozenset[Digest]
    abandoned: t.Mapping[str, int]
    unfinished: t.Mapping[str, int]


def find_other_runs(store: Store) -> OtherRuns:
    """Raises LockTimeout where another run is changing the store for longer than its `lock_timeout`."""
    private = store.folders.find(PRIVATE)
    with locks.lock_shared(private, store.lock_timeout):
        leases, temporary, waiting = (store.folders.find(PRIVATE, name) for name in ("leases", "tmp", partials.FOLDER))
        live, dead = locks.read_leases(leases)
        needed: frozenset[Digest] = frozenset().union(*live.values())
        abandoned = {**_with_sizes(leases, dead), **_with_sizes(temporary, locks.find_abandoned(temporary, live))}
        return OtherRuns(needed, abandoned, _with_sizes(waiting, partials.names_but_of(waiting, needed)))


def _with_sizes(folder: Folder | None, names: t.Iterable[str]) -> dict[str, int]:
    return {folder.path_of(name): folder_size(folder, name) for name in sorted(names)} if folder is not None else {}


def folder_size(folder: Folder | None, name: str) -> int:
    """The bytes of the regular files that are called NAME in FOLDER, or lie below it. A link has none, wherever it leads."""
    if folder is None:
        return 0
    with naming_path_in_errors(folder.path_of(name)):
        status = folder.status(name)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return _size(status)
        with contextlib.suppress(PermissionError, FileNotFoundError), folder.open_folder(name) as below:
            return sum(map(_size, below.file_statuses()))
    return 0


def _size(status: os.stat_result | None) -> int:
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else 0
