# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The meter that counts moved bytes. A run without progress output uses the meter in this file, which counts nothing and costs nothing."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .interfaces import Content

_Chunk = t.TypeVar("_Chunk", bound=t.Union[bytes, bytearray, memoryview])


class Meter:
    """Ignore the progress of some blobs. `progress.CountingMeter` reports it."""

    def expect(self, remaining: int) -> None:
        """Set the number of bytes that remain to be moved. It replaces the earlier number."""

    def add(self, count: int) -> None:
        """Add COUNT moved bytes."""

    def count(self, chunks: t.Iterable[_Chunk]) -> t.Iterable[_Chunk]:
        """Return CHUNKS. Each chunk is counted when the next one is requested."""
        return chunks

    def count_content(self, content: Content) -> Content:
        """Return CONTENT. Its bytes are counted from zero each time it is called."""
        return content
