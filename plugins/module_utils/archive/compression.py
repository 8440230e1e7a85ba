# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compress and decompress streams in this process, without other programs. zstd needs the library `zstandard`."""

from __future__ import annotations

import bz2
import struct
import typing as t
import zlib

from ..errors import CorruptArchive, MissingLibrary
from ..limits import MAX_EXPANDED, MAX_EXPANSION, MIN_EXPANDED, XZ_MEMORY, ZSTD_WINDOW
from ..oci.text import sanitise

CHUNK = 1024 * 1024
GZIP, BZIP2, XZ, ZSTD = "gzip", "bzip2", "xz", "zstd"
# Gzip whose blocks are stored, not compressed: its bytes depend on the content only, and not on the version of zlib.
STORED = "gzip of stored blocks"

_MAGIC = ((b"\x1f\x8b", GZIP), (b"BZh", BZIP2), (b"\xfd7zXZ\0", XZ), (b"\x28\xb5\x2f\xfd", ZSTD))
_SKIPPABLE = b"\x2a\x4d\x18"
_SPLIT_SIZE = 64 * 1024
_STORED_BLOCK = 65535  # the most that a stored block holds (RFC 1951, 3.2.4)


def detect_compression(beginning: bytes) -> str | None:
    """Return the compression of a file from its first bytes (six are enough), or None if it is not compressed."""
    if beginning[1:4] == _SKIPPABLE and beginning[0] >> 4 == 5:
        return ZSTD  # a skippable frame (RFC 8878, 3.1.2): files of pzstd begin with one
    return next((kind for magic, kind in _MAGIC if beginning.startswith(magic)), None)


class ExpansionLimit:
    """Limits the total size that the compressed streams of one file may expand to. `size` is the size of the file, or the bytes read so far if it is unknown.

    A decompression bomb of 490 bytes expands to 250 MB, and layers within a compressed archive multiply that. Files of zeros are legal, so
    MIN_EXPANDED bytes are always allowed.
    """

    def __init__(self, what: str, size: int = 0) -> None:
        self.size = size
        self._what = what
        self._expanded = 0

    def add(self, count: int) -> None:
        """Add COUNT expanded bytes. Raises CorruptArchive if the total is above the limit."""
        self._expanded += count
        allowed = min(max(MIN_EXPANDED, MAX_EXPANSION * self.size), MAX_EXPANDED)
        if self._expanded > allowed:
            raise CorruptArchive(f"{self._what} expands to more than {allowed} bytes, and a compressed file of its size may not")


def decompress(chunks: t.Iterable[bytes], kind: str, what: str, limit: ExpansionLimit | None = None) -> t.Iterator[bytes]:
    """Yield the content of a compressed stream in pieces of bounded size. A stream may have several members, with zeros after them.

    LIMIT is the limit of the file that contains the stream; without it the stream counts as a separate file.
    Raises CorruptArchive for a stream that is damaged, truncated or expands beyond its limit, MissingLibrary if zstandard is missing.
    """
    create, errors = _find_expander(kind, what)
    own = ExpansionLimit(what)
    expander: t.Any = None
    for chunk in _split_chunks(chunks):
        own.size += len(chunk)
        rest = chunk
        while rest or (expander is not None and not expander.needs_input and not expander.eof):
            if expander is None or expander.eof:
                rest = rest.lstrip(b"\0") if expander is not None else rest
                if not rest:
                    break
                expander = create()
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


def _split_chunks(chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
    """Yield the chunks in small pieces. Each member copies the bytes after it, so large chunks of many members would take quadratic time."""
    for chunk in chunks:
        for start in range(0, len(chunk), _SPLIT_SIZE):
            yield chunk[start : start + _SPLIT_SIZE]


class _GzipExpander:
    """The decompressor of zlib with the interface of those of bz2 and lzma."""

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
    """The decompressor of zstandard for one frame, with the interface of those of bz2 and lzma.

    It has no output limit, but a block expands to 128 KiB at most, so it gets only a few blocks at once.
    """

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
        """Return the content of the next blocks. DATA must be empty unless `needs_input`."""
        waiting = self._waiting or memoryview(data)
        size = self._blocks.skip_blocks(waiting)
        self._waiting = waiting[size:]
        return bytes(self._inner.decompress(waiting[:size]))


class _ZstdBlocks:
    """Finds the block boundaries of one frame (RFC 8878, 3.1.1), only to limit the output. zstandard itself detects invalid frames."""

    MAX_BLOCKS = 8
    _MAGIC = b"\x28\xb5\x2f\xfd"

    def __init__(self) -> None:
        self._header = b""
        self._header_size = 5  # the magic number, and the byte that describes the frame's header
        self._remaining = 0
        self._started = self._ended = False
        self._trailer = 0

    def skip_blocks(self, data: memoryview) -> int:
        """Return how many bytes of DATA, the next bytes of the frame, contain the beginnings of at most MAX_BLOCKS blocks."""
        position = blocks = 0
        while position < len(data) and blocks < self.MAX_BLOCKS and (self._remaining or not self._ended):
            if self._remaining:
                size = min(self._remaining, len(data) - position)
                self._remaining -= size
            else:
                size = min(self._header_size - len(self._header), len(data) - position)
                self._header += data[position : position + size]
                if len(self._header) == self._header_size:
                    self._read_header()
                    blocks += 1
            position += size
        return position or len(data)

    def _read_header(self) -> None:
        header, self._header = self._header, b""
        if self._started:
            fields = int.from_bytes(header, "little")
            kind, size = fields >> 1 & 3, fields >> 3
            self._ended = bool(fields & 1)
            self._remaining = (1 if kind == 1 else size) + self._ended * self._trailer
        elif header[:4] == self._MAGIC:
            flags = header[4]
            is_single, length = flags >> 5 & 1, flags >> 6
            self._remaining = (not is_single) + (0, 1, 2, 4)[flags & 3] + (1 << length if length else is_single)
            self._trailer = flags & 4
            self._started = True
            self._header_size = 3
        else:
            self._remaining = 1 << 32  # a skippable frame, which has no content


def _find_expander(kind: str, what: str) -> tuple[t.Callable[[], t.Any], tuple[type[Exception], ...]]:
    """Return a function that creates a decompressor of one member, and the errors that this raises.

    The decompressor has the interface of those of bz2 and lzma (eof, needs_input, unused_data).
    """
    if kind == GZIP:
        return _GzipExpander, (zlib.error,)
    if kind == BZIP2:
        return bz2.BZ2Decompressor, (OSError, ValueError)
    if kind == XZ:
        import lzma

        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY), (lzma.LZMAError,)
    zstandard = _import_zstandard(what)
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    return lambda: _ZstdExpander(decompressor.decompressobj()), (zstandard.ZstdError,)


def compress(chunks: t.Iterable[bytes | memoryview], kind: str, what: str) -> t.Iterator[bytes]:
    """Yield a compressed stream of one member without name or time, so that its bytes depend only on the content and the library."""
    if kind == STORED:
        yield from _store(chunks)
        return
    compressor: t.Any = zlib.compressobj(6, zlib.DEFLATED, 31) if kind == GZIP else _import_zstandard(what).ZstdCompressor(level=3).compressobj()
    for chunk in chunks:
        data = compressor.compress(chunk)
        if data:
            yield data
    yield compressor.flush()


def _store(chunks: t.Iterable[bytes | memoryview]) -> t.Iterator[bytes]:
    """Yield a gzip stream whose blocks are all stored. The same content gives the same bytes, however it is split into CHUNKS."""
    yield b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    checksum = size = 0
    pending = bytearray()
    for chunk in chunks:
        checksum = zlib.crc32(chunk, checksum)
        size += len(chunk)
        pending += chunk
        complete = len(pending) - len(pending) % _STORED_BLOCK
        for start in range(0, complete, _STORED_BLOCK):
            yield _stored_block(pending[start : start + _STORED_BLOCK], is_last=False)
        del pending[:complete]
    yield _stored_block(pending, is_last=True) + struct.pack("<II", checksum, size & 0xFFFFFFFF)


def _stored_block(data: bytearray, *, is_last: bool) -> bytes:
    return struct.pack("<BHH", is_last, len(data), len(data) ^ 0xFFFF) + data


def _import_zstandard(what: str) -> t.Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingLibrary(f"{what} needs zstd, for which the Python library zstandard is missing on this host") from error
    return zstandard
