# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compress and decompress streams in this process, without other programs. zstd needs the library `zstandard`."""

from __future__ import annotations

import bz2
import typing as t
import zlib

from ..errors import CorruptArchive, MissingLibrary
from ..limits import MAX_EXPANDED, MAX_EXPANSION, MIN_EXPANDED, XZ_MEMORY, ZSTD_WINDOW
from ..oci.text import sanitise

CHUNK = 1024 * 1024
GZIP, BZIP2, XZ, ZSTD = "gzip", "bzip2", "xz", "zstd"

_MAGIC = ((b"\x1f\x8b", GZIP), (b"BZh", BZIP2), (b"\xfd7zXZ\0", XZ), (b"\x28\xb5\x2f\xfd", ZSTD))
_SKIPPABLE = b"\x2a\x4d\x18"
_SMALL = 64 * 1024


def detect_compression(beginning: bytes) -> str | None:
    """How a file that begins so is compressed; None for one that isn't. Six bytes are enough."""
    if beginning[1:4] == _SKIPPABLE and beginning[0] >> 4 == 5:
        return ZSTD  # a frame that means nothing (RFC 8878, 3.1.2), with which the files of pzstd begin
    return next((kind for magic, kind in _MAGIC if beginning.startswith(magic)), None)


class ExpansionLimit:
    """How many bytes the compressed streams of one file may expand to together. `size` is that of the file: of what was read of it, where it isn't known.

    A bomb of 490 bytes expands to 250 MB, and layers within a compressed archive multiply that. Files of zeros are legal, so there is a least amount.
    """

    def __init__(self, what: str, size: int = 0) -> None:
        self.size = size
        self._what = what
        self._made = 0

    def add(self, count: int) -> None:
        """Raises CorruptArchive when the streams have made too much."""
        self._made += count
        allowed = min(max(MIN_EXPANDED, MAX_EXPANSION * self.size), MAX_EXPANDED)
        if self._made > allowed:
            raise CorruptArchive(f"{self._what} expands to more than {allowed} bytes, and a compressed file of its size may not")


def decompress(chunks: t.Iterable[bytes], kind: str, what: str, limit: ExpansionLimit | None = None) -> t.Iterator[bytes]:
    """The content of a compressed stream in pieces of bounded size. Several members one after the other are one stream, zeros after them are allowed.

    LIMIT is that of the file that holds the stream; without one the stream counts as a separate file.
    Raises CorruptArchive for a stream that is damaged or cut off, or expands beyond its limit, MissingLibrary where the host can't read it.
    """
    make, errors = _expanders(kind, what)
    own = ExpansionLimit(what)
    expander: t.Any = None
    for chunk in _small(chunks):
        own.size += len(chunk)
        rest = chunk
        while rest or (expander is not None and not expander.needs_input and not expander.eof):
            if expander is None or expander.eof:
                rest = rest.lstrip(b"\0") if expander is not None else rest
                if not rest:
                    break
                expander = make()
            try:
                data = expander.decompress(rest, CHUNK)
            except errors as error:
                raise CorruptArchive(f"{what} is a damaged {kind} file: {sanitise(str(error), 200)}") from error
            rest = expander.unused_data if expander.eof else b""
            if data:
                (limit or own).add(len(data))
                yield data
    if expander is None or not expander.eof:
        raise CorruptArchive(f"{what} is a {kind} file that ends too early")


def _small(chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
    """The rest behind each member is copied: in small pieces a file of very many members doesn't take quadratic time."""
    for chunk in chunks:
        for start in range(0, len(chunk), _SMALL):
            yield chunk[start : start + _SMALL]


class _GzipExpander:
    """zlib's decompressor in the shape of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(0, max_length))


class _ZstdExpander:
    """zstandard's decompressor of one frame. It can't be held back, but a block makes no more than 128 KiB: it is given few blocks at once."""

    def __init__(self, inner: t.Any) -> None:
        self._inner = inner
        self._blocks = _ZstdBlocks()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """DATA is empty as long as this doesn't need input."""
        waiting = self._waiting or memoryview(data)
        size = self._blocks.pass_over(waiting)
        self._waiting = waiting[size:]
        return bytes(self._inner.decompress(waiting[:size]))


class _ZstdBlocks:
    """Where the blocks of one frame begin (RFC 8878, 3.1.1): as far as that bounds what they make, and no further. What is wrong zstandard finds itself."""

    AT_ONCE = 8
    _MAGIC = b"\x28\xb5\x2f\xfd"

    def __init__(self) -> None:
        self._header = b""
        self._wanted = 5  # the magic number, and the byte that describes the frame's header
        self._left = 0
        self._begun = self._ended = False
        self._trailer = 0

    def pass_over(self, data: memoryview) -> int:
        """How much of DATA, which follows what was passed over before, holds the beginnings of no more than AT_ONCE blocks."""
        position = blocks = 0
        while position < len(data) and blocks < self.AT_ONCE and (self._left or not self._ended):
            if self._left:
                size = min(self._left, len(data) - position)
                self._left -= size
            else:
                size = min(self._wanted - len(self._header), len(data) - position)
                self._header += data[position : position + size]
                if len(self._header) == self._wanted:
                    self._read_header()
                    blocks += 1
            position += size
        return position or len(data)

    def _read_header(self) -> None:
        header, self._header = self._header, b""
        if self._begun:
            word = int.from_bytes(header, "little")
            kind, size = word >> 1 & 3, word >> 3
            self._ended = bool(word & 1)
            self._left = (1 if kind == 1 else size) + self._ended * self._trailer
        elif header[:4] == self._MAGIC:
            word = header[4]
            is_single, length = word >> 5 & 1, word >> 6
            self._left = (not is_single) + (0, 1, 2, 4)[word & 3] + (1 << length if length else is_single)
            self._trailer = word & 4
            self._begun = True
            self._wanted = 3
        else:
            self._left = 1 << 32  # a frame that makes nothing


def _expanders(kind: str, what: str) -> tuple[t.Callable[[], t.Any], tuple[type[Exception], ...]]:
    """What makes a decompressor of one member, in the shape that bz2 and lzma have (eof, needs_input, unused_data), and the errors it raises."""
    if kind == GZIP:
        return _GzipExpander, (zlib.error,)
    if kind == BZIP2:
        return bz2.BZ2Decompressor, (OSError, ValueError)
    if kind == XZ:
        import lzma

        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY), (lzma.LZMAError,)
    zstandard = _zstandard(what)
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    return lambda: _ZstdExpander(decompressor.decompressobj()), (zstandard.ZstdError,)


def compress(chunks: t.Iterable[bytes | memoryview], kind: str, what: str) -> t.Iterator[bytes]:
    """A compressed stream of one member without name or time, so that its bytes depend on the content and the library alone."""
    compressor: t.Any = zlib.compressobj(6, zlib.DEFLATED, 31) if kind == GZIP else _zstandard(what).ZstdCompressor(level=3).compressobj()
    for chunk in chunks:
        data = compressor.compress(chunk)
        if data:
            yield data
    yield compressor.flush()


def _zstandard(what: str) -> t.Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingLibrary(f"{what} needs zstd, for which the Python library zstandard is missing on this host") from error
    return zstandard
