# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of byte ranges of a blob, and their text form in a journal. Pure: no files."""

from __future__ import annotations

import re
import typing as t

from ..limits import MAX_JOURNAL

ByteRange = tuple[int, int]

_LINE = re.compile(rb"([0-9]{1,15}) ([0-9]{1,15})")


class ByteRanges:
    """A set of bytes as sorted ranges `[start, stop)`. Ranges that overlap or touch are merged."""

    def __init__(self, ranges: t.Iterable[ByteRange] = ()) -> None:
        self._ranges: list[ByteRange] = []
        for start, stop in ranges:
            self.add(start, stop)

    def __iter__(self) -> t.Iterator[ByteRange]:
        return iter(self._ranges)

    def add(self, start: int, stop: int) -> None:
        if start >= stop:
            return
        separate = [existing for existing in self._ranges if existing[1] < start or existing[0] > stop]
        touching = [existing for existing in self._ranges if existing[1] >= start and existing[0] <= stop]
        merged = (min(start, *(first for first, _last in touching)), max(stop, *(last for _first, last in touching))) if touching else (start, stop)
        self._ranges = sorted([*separate, merged])

    @property
    def front(self) -> int:
        """The number of bytes before the first gap."""
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    @property
    def end(self) -> int:
        return self._ranges[-1][1] if self._ranges else 0

    def gaps(self, size: int) -> list[ByteRange]:
        """Return the missing ranges of a blob of SIZE bytes."""
        boundaries = [0, *(boundary for existing in self._ranges for boundary in existing), size]
        return [(start, stop) for start, stop in zip(boundaries[::2], boundaries[1::2]) if start < stop]


def encode_range(start: int, stop: int) -> bytes:
    """Return one range as a line of a journal."""
    return b"%d %d\n" % (start, stop)


def decode_ranges(data: bytes, size: int) -> ByteRanges | None:
    """Return the ranges that a journal lists for a blob of SIZE bytes, None if the journal is invalid.

    A last line without a newline is ignored: its writer was killed while it wrote the line.
    """
    if len(data) > MAX_JOURNAL:
        return None
    matches = [_LINE.fullmatch(line) for line in data.split(b"\n")[:-1]]
    ranges = [(int(match[1]), int(match[2])) for match in matches if match is not None]
    if len(ranges) < len(matches) or not all(start < stop <= size for start, stop in ranges):
        return None
    return ByteRanges(ranges)
