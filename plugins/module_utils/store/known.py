# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which blobs are known to be good: hashed once, and untouched since (promise I8)."""

from __future__ import annotations

import json
import os

from ..errors import InputOutputError
from ..files import read_bounded
from ..oci.digest import Digest

MAX_KNOWN = 20_000
_MAX_FILE = 4 * 1024 * 1024

Mark = tuple[int, int, int]


def mark_of(status: os.stat_result) -> Mark:
    """What changes with a file's content: size in bytes, time of the last write in nanoseconds, inode."""
    return (status.st_size, status.st_mtime_ns, status.st_ino)


class KnownBlobs:
    """A bounded record of marks by digest. It only spares work: without it, or where a mark differs, a blob is hashed again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._marks: dict[str, Mark] | None = None
        self._news: dict[str, Mark] = {}

    @property
    def has_news(self) -> bool:
        return bool(self._news)

    def knows(self, digest: Digest, status: os.stat_result) -> bool:
        if self._marks is None:
            self._marks = self._read()
        key = str(digest)
        return (self._news.get(key) or self._marks.get(key)) == mark_of(status)

    def add(self, digest: Digest, status: os.stat_result) -> None:
        self._news[str(digest)] = mark_of(status)

    def to_bytes(self) -> bytes:
        """The record as it is on disk now, with our news as its youngest entries and the oldest left out above the bound."""
        marks = self._read()
        for key, mark in self._news.items():
            marks.pop(key, None)
            marks[key] = mark
        return json.dumps(dict(list(marks.items())[-MAX_KNOWN:]), separators=(",", ":")).encode("ascii")

    def written(self) -> None:
        self._marks = None
        self._news = {}

    def _read(self) -> dict[str, Mark]:
        """The marks on disk; none where they can't be read, for whatever reason."""
        try:
            members = json.loads(read_bounded(self.path, _MAX_FILE))
            return {key: (int(size), int(mtime), int(inode)) for key, (size, mtime, inode) in members.items()}
        except (FileNotFoundError, InputOutputError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
            return {}
