# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which bytes of a blob are there; pure."""

from __future__ import annotations

import re
import typing as t

from ..limits import MAX_JOURNAL

Span = tuple[int, int]

MAX_NOTES = MAX_JOURNAL
_NOTE = re.compile(rb"([0-9]{1,15}) ([0-9]{1,15})")


class ByteRanges:
    """Spans `[start, stop)` in order, which neither overlap nor touch."""

    def __init__(self, spans: t.Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for start, stop in spans:
            self.add(start, stop)

    def __iter__(self) -> t.Iterator[Span]:
        return iter(self._spans)

    def add(self, start: int, stop: int) -> None:
        if start >= stop:
            return
        apart = [span for span in self._spans if span[1] < start or span[0] > stop]
        joined = [span for span in self._spans if span[1] >= start and span[0] <= stop]
        whole = (min(start, *(span[0] for span in joined)), max(stop, *(span[1] for span in joined))) if joined else (start, stop)
        self._spans = sorted([*apart, whole])

    @property
    def front(self) -> int:
        """How many bytes are there from the beginning on without a gap."""
        return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    @property
    def end(self) -> int:
        return self._spans[-1][1] if self._spans else 0

    def gaps(self, size: int) -> list[Span]:
        """What lacks of SIZE bytes."""
        borders = [0, *(border for span in self._spans for border in span), size]
        return [(start, stop) for start, stop in zip(borders[::2], borders[1::2]) if start < stop]


def encode_range(start: int, stop: int) -> bytes:
    """One span as a line of a journal."""
    return b"%d %d\n" % (start, stop)


def decode_ranges(data: bytes, size: int) -> ByteRanges | None:
    """The spans of a journal about SIZE bytes; None for one that isn't sound. Its last line may have been cut off by a death: that one doesn't count."""
    if len(data) > MAX_NOTES:
        return None
    matches = [_NOTE.fullmatch(line) for line in data.split(b"\n")[:-1]]
    spans = [(int(match[1]), int(match[2])) for match in matches if match is not None]
    if len(spans) < len(matches) or not all(start < stop <= size for start, stop in spans):
        return None
    return ByteRanges(spans)
