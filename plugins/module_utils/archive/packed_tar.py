# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open a tar that may be compressed, such as a layer, while its bytes arrive."""

from __future__ import annotations

import itertools
import typing as t

from .compression import ExpansionLimit, decompress, detect_compression
from .tar import StreamBytes, TarReader

_KIND_BYTES = 6  # bytes by which a compression is recognised


def open_packed_tar(chunks: t.Iterable[bytes | memoryview], what: str, limit: ExpansionLimit | None = None) -> TarReader:
    """Return a reader of the tar in CHUNKS. Its bytes, and not its media type, say how it is compressed. WHAT names it in messages.

    A chunk is copied before the next one is read, so a source may use its buffer again. LIMIT is that of `decompress`. Raises the errors of CHUNKS.
    """
    pieces = map(bytes, chunks)
    first = b""
    while len(first) < _KIND_BYTES and (piece := next(pieces, b"")):
        first += piece
    kind = detect_compression(first)
    stream = itertools.chain((first,), pieces)
    return TarReader(StreamBytes(stream if kind is None else decompress(stream, kind, what, limit)), what)
