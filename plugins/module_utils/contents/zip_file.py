# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read single files of a zip archive (PKWARE APPNOTE), with limits that hold for hostile ones: entries are not kept, and sizes are not believed."""

from __future__ import annotations

import dataclasses
import struct
import typing as t
import zlib

from ..errors import UnsupportedFormat
from ..limits import MAX_ZIP_DIRECTORY, MAX_ZIP_ENTRIES

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_MAX_COMMENT = 65535
_CHUNK = 64 * 1024
_IN_EXTRA = 0xFFFFFFFF


@dataclasses.dataclass(frozen=True)
class ZipEntry:
    """A file of an archive, as its directory describes it."""

    name: str
    flags: int
    method: int
    compressed_size: int
    size: int
    offset: int


class ZipFile:
    """A zip archive in a file that can be read at any offset. All methods raise UnsupportedFormat for a damaged archive. WHAT names it in messages."""

    def __init__(self, file: t.IO[bytes], what: str) -> None:
        self._file = file
        self._what = what

    def entries(self) -> t.Iterator[ZipEntry]:
        """Yield the files of the archive, in the order of its directory."""
        data = memoryview(self._read_directory())
        position = 0
        for _number in range(MAX_ZIP_ENTRIES):
            if position == len(data):
                return
            if len(data) - position < _ENTRY.size:
                raise self._damaged("its directory ends too early")
            values = _ENTRY.unpack_from(data, position)
            if values[0] != b"PK\x01\x02":
                raise self._damaged("its directory has an entry that is none")
            name_size, extra_size, comment_size = values[10:13]
            start = position + _ENTRY.size
            position = start + name_size + extra_size + comment_size
            if position > len(data):
                raise self._damaged("its directory ends too early")
            extra = bytes(data[start + name_size : start + name_size + extra_size])
            size, compressed_size, offset = _read_sizes(extra, values[9], values[8], values[16])
            name = bytes(data[start : start + name_size]).decode("utf-8", "replace")
            yield ZipEntry(name, values[3], values[4], compressed_size, size, self._start + offset)
        if position != len(data):
            raise self._damaged(f"it has more than {MAX_ZIP_ENTRIES} files")

    def read(self, entry: ZipEntry, limit: int) -> t.Iterator[bytes]:
        """Yield the content of a file of the archive. Raises UnsupportedFormat also for one that is encrypted, or longer than LIMIT bytes."""
        if entry.flags & 1 or entry.method not in (_STORED, _DEFLATED):
            raise self._damaged(f"{entry.name!r:.200} in it is encrypted, or compressed in a way that jars don't use")
        header = self._read_at(entry.offset, _LOCAL.size)
        if len(header) != _LOCAL.size or header[:4] != b"PK\x03\x04":
            raise self._damaged(f"{entry.name!r:.200} is not where its directory says")
        name_size, extra_size = struct.unpack_from("<HH", header, 26)
        position = entry.offset + _LOCAL.size + name_size + extra_size
        left, total = entry.compressed_size, 0
        expander = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        while left and not (expander is not None and expander.eof):
            data = self._read_at(position, min(left, _CHUNK))
            if not data:
                raise self._damaged(f"{entry.name!r:.200} ends too early")
            position += len(data)
            left -= len(data)
            for piece in self._expand(expander, data, entry) if expander is not None else (data,):
                total += len(piece)
                if total > limit:
                    raise self._damaged(f"{entry.name!r:.200} is longer than the {limit} bytes that are allowed")
                yield piece
        if total != entry.size:
            raise self._damaged(f"{entry.name!r:.200} has another size than its directory says")

    def _expand(self, expander: t.Any, data: bytes, entry: ZipEntry) -> t.Iterator[bytes]:
        try:
            while data and not expander.eof:
                yield expander.decompress(data, _CHUNK)
                data = expander.unconsumed_tail
        except zlib.error as error:
            raise self._damaged(f"{entry.name!r:.200} is damaged") from error

    def _read_directory(self) -> bytes:
        """Return the bytes of the directory. Bytes before the archive, such as a script that starts it, move all offsets."""
        length = self._file.seek(0, 2)
        tail_start = max(0, length - _END.size - _MAX_COMMENT)
        tail = self._read_at(tail_start, _END.size + _MAX_COMMENT)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise self._damaged("it has no directory")
        end = tail_start + at
        *_first, size, offset, _comment = _END.unpack_from(tail, at)
        if _IN_EXTRA in (size, offset):
            locator = self._read_at(end - _LOCATOR_64.size, _LOCATOR_64.size) if end >= _LOCATOR_64.size else b""
            if locator[:4] == b"PK\x06\x07":
                end -= _LOCATOR_64.size + _END_64.size
                record = self._read_at(end, _END_64.size) if end >= 0 else b""
                if record[:4] != b"PK\x06\x06" or len(record) != _END_64.size:
                    raise self._damaged("the end of its directory is damaged")
                size, offset = _END_64.unpack(record)[8:10]
        start = end - size
        if size > MAX_ZIP_DIRECTORY or start < offset:
            raise self._damaged(f"its directory leaves it, or is longer than {MAX_ZIP_DIRECTORY} bytes")
        self._start = start - offset
        return self._read_at(start, size)

    def _read_at(self, offset: int, size: int) -> bytes:
        if offset >= 1 << 62:
            return b""
        self._file.seek(offset)
        return self._file.read(size)

    def _damaged(self, reason: str) -> UnsupportedFormat:
        return UnsupportedFormat(f"{self._what} is not a zip archive that can be read: {reason}")


def _read_sizes(extra: bytes, *values: int) -> tuple[int, ...]:
    """Return size, compressed size and offset of an entry. Those that need 64 bits are in its extra field, in this order."""
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{size // 8}Q", extra[position + 4 : position + 4 + size // 8 * 8].ljust(size // 8 * 8, b"\0")))
            return tuple(next(wide, value) if value == _IN_EXTRA else value for value in values)
        position += 4 + size
    return values
