# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counting bytes on their way. A run that nobody watches uses the meter of this file, which counts nothing and costs nothing."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .interfaces import Content

_Chunk = t.TypeVar("_Chunk", bound=t.Union[bytes, bytearray, memoryview])


class Meter:
    """Receives the progress of some blobs, and ignores it. `progress.CountingMeter` reports it."""

    def expect(self, to_come: int) -> None:
        """Set the number of bytes that are still to come, whatever was expected before."""

    def add(self, count: int) -> None:
        """Add COUNT moved bytes."""

    def count(self, chunks: t.Iterable[_Chunk]) -> t.Iterable[_Chunk]:
        """Return CHUNKS; each is added when the next one is asked for."""
        return chunks

    def count_content(self, content: Content) -> Content:
        """Return CONTENT; its bytes are counted from zero each time it is called."""
        return content
