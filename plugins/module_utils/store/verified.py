# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which blobs are known to be good: hashed once, and untouched since (promise I8).

A user who may write to the record could say so of blobs that he altered. Before a blob is moved anywhere, only a record counts that nobody but root and
the running user can have written.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..files import naming_path_in_errors, open_below, open_regular
from ..folders import Folder
from ..limits import MAX_RECORD, MAX_VERIFIED
from ..oci.digest import Digest
from .cache import Cache

MAX_KNOWN = MAX_VERIFIED

Mark = tuple[int, int, int]


def mark_of(status: os.stat_result) -> Mark:
    """What changes with a file's content: size in bytes, time of the last write in nanoseconds, inode."""
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _mark_of_wrong(status: os.stat_result) -> Mark:
    size, mtime, inode = mark_of(status)
    return (-1 - size, mtime, inode)


class VerifiedBlobs(Cache[Mark]):
    """A bounded record of marks by digest. It only spares work: without it, or where a mark differs, a blob is hashed again."""

    def __init__(self, path: str, open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        super().__init__(path, MAX_KNOWN, _read_mark, open_folder)
        self._is_trusted = False

    def _load(self) -> bytes:
        folder_status: os.stat_result | None
        if self._open_folder is None:
            descriptor, folder_status = open_regular(self.path), os.stat(os.path.dirname(self.path))
        else:
            folder = self._open_folder()
            descriptor = open_below(folder, self.name, self.path)
            folder_status = folder.own_status() if folder is not None else None
        with os.fdopen(descriptor, "rb") as file, naming_path_in_errors(self.path):
            status = os.fstat(descriptor)
            # The folder matters too: who may write to it can move another file of ours here, for example a download whose content he chose.
            self._is_trusted = folder_status is not None and _is_only_ours(folder_status) and _is_only_ours(status) and status.st_nlink == 1
            return file.read(MAX_RECORD + 1)

    def trusts(self, digest: Digest, status: os.stat_result) -> bool:
        """Return whether the mark of a blob can't be another user's: this run hashed the blob, or only root and the running user write record and blob.

        The owner of a blob can alter it and set back its time, so the owner counts too.
        """
        if str(digest) in self._news:
            return True
        self.value(digest)
        return self._is_trusted and _is_only_ours(status)

    def knows(self, digest: Digest, status: os.stat_result) -> bool:
        return self.value(digest) == mark_of(status)

    def add(self, digest: Digest, status: os.stat_result) -> None:
        self.note(digest, mark_of(status))

    def rejects(self, digest: Digest, status: os.stat_result) -> bool:
        """Whether the file is known to be wrong: such a mark has a size that no file has."""
        return self.value(digest) == _mark_of_wrong(status)

    def reject(self, digest: Digest, status: os.stat_result) -> None:
        """Notes that the file was hashed and is wrong, so that no mark of better times makes it count as present."""
        self.note(digest, _mark_of_wrong(status))


def _is_only_ours(status: os.stat_result) -> bool:
    """Return whether only root and the running user can write to a file or folder."""
    return status.st_uid in (0, os.getuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read_mark(value: t.Any) -> Mark:
    size, mtime, inode = value
    return int(size), int(mtime), int(inode)
