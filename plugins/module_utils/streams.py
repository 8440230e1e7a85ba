# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read streams of chunks in pieces of any size. All packages may import this file."""

from __future__ import annotations

import typing as t

Chunks = t.Iterable[t.Union[bytes, bytearray, memoryview]]


class ChunkReader:
    """Reads a stream of chunks in pieces of any size. `offset` is the number of bytes read so far."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.offset = 0

    def take(self, size: int) -> t.Iterator[memoryview]:
        """Yield the next SIZE bytes; fewer only at the end of the stream."""
        while size:
            while not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._rest = memoryview(chunk)
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            self.offset += len(piece)
            yield piece
