# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of blobs that were hashed and haven't changed since (promise I8).

A user who can write to the record could mark blobs that he altered as good. So before a blob leaves the store, its mark counts only if nobody but root
and the running user can have written it.
"""

from __future__ import annotations

import os
import typing as t

from ..folders import Folder
from ..limits import MAX_VERIFIED
from ..oci.digest import Digest
from .cache import OwnedCache, is_only_ours

Mark = tuple[int, int, int]


def _mark_of_good_file(status: os.stat_result) -> Mark:
    """Return values that change when the file's content changes: size in bytes, time of the last write in nanoseconds, inode."""
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _mark_of_wrong_file(status: os.stat_result) -> Mark:
    """Return a mark with a negative size, which no file has, so that it never equals the mark of a good file."""
    size, mtime, inode = _mark_of_good_file(status)
    return (-1 - size, mtime, inode)


class VerifiedBlobs(OwnedCache[Mark]):
    """A bounded map from digest to mark. Without a mark, or with one that differs from the file, a blob is hashed again."""

    def __init__(self, path: str, open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        super().__init__(path, MAX_VERIFIED, _parse_mark, open_folder)

    def trusts(self, digest: Digest, status: os.stat_result) -> bool:
        """Return whether no other user can have made the mark of a blob.

        That holds if this run hashed the blob, or if only root and the running user can write to both the record and the blob.
        The owner of a blob can alter it and restore its time, so a blob that another user owns is never trusted.
        """
        if str(digest) in self._unsaved:
            return True
        self.get(digest)
        return self.is_ours and is_only_ours(status)

    def is_verified(self, digest: Digest, status: os.stat_result) -> bool:
        """Return whether the file was hashed, was good, and is unchanged."""
        return self.get(digest) == _mark_of_good_file(status)

    def add(self, digest: Digest, status: os.stat_result) -> None:
        """Record that the file was hashed and is good."""
        self.set(digest, _mark_of_good_file(status))

    def is_wrong(self, digest: Digest, status: os.stat_result) -> bool:
        """Return whether the file was hashed, was wrong, and is unchanged."""
        return self.get(digest) == _mark_of_wrong_file(status)

    def mark_wrong(self, digest: Digest, status: os.stat_result) -> None:
        """Record that the file was hashed and is wrong, so that an older mark doesn't make it count as present."""
        self.set(digest, _mark_of_wrong_file(status))


def _parse_mark(value: t.Any) -> Mark:
    size, mtime, inode = value
    return int(size), int(mtime), int(inode)
