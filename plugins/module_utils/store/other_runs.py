# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the digests that other live runs need, and the files that dead runs left. Reads only."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..files import naming_path_in_errors
from ..folders import Folder
from ..oci.digest import Digest
from ..store import locks, partials
from .open_folders import PRIVATE

if t.TYPE_CHECKING:
    from .store import Store


class OtherRuns(t.NamedTuple):
    """The state of other runs in a store.

    `needed` are the digests that live leases list. `abandoned` are files of dead runs with their sizes; the next writer deletes them.
    `unfinished` are partial downloads, with their sizes, of blobs that no live run needs; the next writer keeps them, so that a later run can resume.
    """

    needed: frozenset[Digest]
    abandoned: t.Mapping[str, int]
    unfinished: t.Mapping[str, int]


def find_other_runs(store: Store) -> OtherRuns:
    """Return the state of other runs. Raises LockTimeout if another run holds the lock for longer than the store's `lock_timeout`."""
    private = store.folders.find(PRIVATE)
    with locks.lock_shared(private, store.lock_timeout):
        leases, temporary, partial_files = (store.folders.find(PRIVATE, name) for name in ("leases", "tmp", partials.FOLDER))
        live, dead_names = locks.read_leases(leases)
        needed: frozenset[Digest] = frozenset().union(*live.values())
        abandoned = {**_with_sizes(leases, dead_names), **_with_sizes(temporary, locks.find_abandoned(temporary, live))}
        return OtherRuns(needed, abandoned, _with_sizes(partial_files, partials.list_unneeded(partial_files, needed)))


def _with_sizes(folder: Folder | None, names: t.Iterable[str]) -> dict[str, int]:
    return {folder.path_of(name): folder_size(folder, name) for name in sorted(names)} if folder is not None else {}


def folder_size(folder: Folder | None, name: str) -> int:
    """Return the size of the file NAME in FOLDER, or of all files below it if it is a folder. Links are not followed and count as 0."""
    if folder is None:
        return 0
    with naming_path_in_errors(folder.path_of(name)):
        status = folder.status(name)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return _file_size(status)
        with contextlib.suppress(PermissionError, FileNotFoundError), folder.open_folder(name) as below:
            return sum(map(_file_size, below.file_statuses()))
    return 0


def _file_size(status: os.stat_result | None) -> int:
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else 0
