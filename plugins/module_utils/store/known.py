# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which blobs are known to be good: hashed once, and untouched since (promise I8)."""

from __future__ import annotations

import os
import typing as t

from ..oci.digest import Digest
from .record import Record

MAX_KNOWN = 20_000

Mark = tuple[int, int, int]


def mark_of(status: os.stat_result) -> Mark:
    """What changes with a file's content: size in bytes, time of the last write in nanoseconds, inode."""
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _mark_of_wrong(status: os.stat_result) -> Mark:
    size, mtime, inode = mark_of(status)
    return (-1 - size, mtime, inode)


class KnownBlobs(Record[Mark]):
    """A bounded record of marks by digest. It only spares work: without it, or where a mark differs, a blob is hashed again."""

    def __init__(self, path: str) -> None:
        super().__init__(path, MAX_KNOWN, _read_mark)

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


def _read_mark(value: t.Any) -> Mark:
    size, mtime, inode = value
    return int(size), int(mtime), int(inode)
