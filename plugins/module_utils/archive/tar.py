# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read tars strictly (POSIX.1-2017, pax; GNU long names): check every header, limit every size, and reject truncated tars."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..errors import CorruptArchive, system_error
from ..limits import MAX_EXTENDED, MAX_TAR_MEMBERS
from ..oci.text import sanitise

BLOCK = 512
CHUNK = 1024 * 1024

FILE, FOLDER, LINK, SYMLINK, OTHER = "file", "folder", "link", "symlink", "other"

_KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"1": LINK, b"2": SYMLINK, b"5": FOLDER, b"3": OTHER, b"4": OTHER, b"6": OTHER}
# Keys for the long names of GNU headers. No record of a pax header can have them, because they contain a NUL.
_GNU_KEYS = {b"L": b"\0path", b"K": b"\0linkpath"}
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD = re.compile(rb"([0-9]{1,9}) ")


@dataclasses.dataclass(frozen=True)
class TarMember:
    """One member of a tar: the offset and size of its content, and the target if it is a link. `name` is unchanged from the header.

    `header` and `extended` are the header and the values of the extended headers before it, from which `metadata.read_metadata` reads mode and owner.
    """

    name: str
    kind: str
    offset: int
    size: int
    target: str
    header: bytes = dataclasses.field(default=b"", compare=False, repr=False)
    extended: t.Mapping[bytes, bytes] = dataclasses.field(default_factory=dict, compare=False, repr=False)


class Bytes(t.Protocol):
    """A sequence of bytes that is read once from its beginning."""

    offset: int

    def read(self, size: int) -> bytes:
        """Return the next SIZE bytes, fewer only at the end."""

    def pass_over(self, size: int) -> t.Iterator[bytes]:
        """Advance by SIZE bytes and yield them in pieces, fewer only at the end. A seekable sequence may yield nothing."""


class FileBytes:
    """The bytes of a seekable file. Skipped bytes are never read."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path
        self._end = os.fstat(descriptor).st_size
        self.offset = 0

    def read(self, size: int) -> bytes:
        try:
            data = os.pread(self._descriptor, size, self.offset)
        except OSError as error:
            raise system_error(error, self._path) from error
        self.offset += len(data)
        return data

    def pass_over(self, size: int) -> t.Iterator[bytes]:
        self.offset = min(self.offset + size, self._end)
        return iter(())


class StreamBytes:
    """Bytes that arrive in chunks and can be read only once."""

    def __init__(self, chunks: t.Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._position = 0
        self.offset = 0

    def read(self, size: int) -> bytes:
        return b"".join(self.pass_over(size))

    def pass_over(self, size: int) -> t.Iterator[bytes]:
        while size:
            if self._position == len(self._chunk):
                self._chunk, self._position = next(self._chunks, b""), 0
                if not self._chunk:
                    return
            piece = self._chunk[self._position : self._position + size]
            self._position += len(piece)
            size -= len(piece)
            self.offset += len(piece)
            yield piece


class NotATar(CorruptArchive):
    """The first header is invalid, so the file is probably not a tar."""


class TarReader:
    """Iterates over the members of a tar. After each member, `content` yields its content; content that the caller does not read is skipped.

    Raises CorruptArchive, which names the member and the offset, for a damaged header, a sparse member, an invalid number, a tar that ends
    in the middle of a member, and anything but zeros after the end. A tar that ends after a complete member, without end blocks, is allowed.
    """

    def __init__(self, source: Bytes, what: str) -> None:
        self._source = source
        self._what = what
        self._member = "its first member"
        self._unread = 0
        self._padding = 0

    def __iter__(self) -> t.Iterator[TarMember]:
        count = 0
        while True:
            self._finish_member()
            member = self._read_member()
            if member is None:
                return
            count += 1
            if count > MAX_TAR_MEMBERS:
                raise self.corrupt(f"it has more than {MAX_TAR_MEMBERS} members")
            yield member

    def content(self) -> t.Iterator[bytes]:
        """Yield the content of the current member in pieces."""
        while self._unread:
            for piece in self._source.pass_over(min(self._unread, CHUNK)):
                self._unread -= len(piece)
                yield piece
                break
            else:
                raise self.corrupt(f"it ends in the middle of {self._member}")

    def end(self) -> t.Iterator[bytes]:
        """Yield the bytes after the last member. Raises CorruptArchive unless all are zeros: some readers see other bytes and some ignore them."""
        while True:
            offset = self._source.offset
            data = self._source.read(CHUNK)
            if not data:
                return
            if data.count(0) != len(data):
                raise self.corrupt("something comes after its end", offset + len(data) - len(data.lstrip(b"\0")))
            yield data

    def corrupt(self, reason: str, offset: int | None = None) -> CorruptArchive:
        """Return the error for a damaged tar: REASON, and OFFSET or the current one."""
        return CorruptArchive(f"{self._what} is not a whole tar: {reason} (at byte {self._source.offset if offset is None else offset})")

    def _finish_member(self) -> None:
        """Skip the unread content of the current member and the zeros that fill its last block."""
        size = self._unread + self._padding
        wanted = self._source.offset + size
        for _piece in self._source.pass_over(size):
            pass
        if self._source.offset != wanted:
            raise self.corrupt(f"it ends in the middle of {self._member}")
        self._unread = self._padding = 0

    def _read_member(self) -> TarMember | None:
        """Return the next member, with the values of the extended headers before it, or None at the end."""
        extended: dict[bytes, bytes] = {}
        extended_size = 0
        while True:
            offset = self._source.offset
            block = self._source.read(BLOCK)
            if not block and not extended:
                if not offset:
                    raise self.corrupt("it is empty", 0)
                return None
            if len(block) < BLOCK:
                if not offset:
                    raise NotATar(self.corrupt("it ends in the middle of its first header, or this is no tar", offset).message)
                raise self.corrupt(f"it ends in the middle of a header after {self._member}", offset)
            if not any(block) and not extended:
                return None
            if not _has_right_checksum(block):
                if not offset:
                    raise NotATar(self.corrupt("its first header is damaged, or this is no tar", offset).message)
                raise self.corrupt(f"the header after {self._member} is damaged, or this is no tar", offset)
            kind, size = block[156:157], self._parse_number(block[124:136], offset)
            if kind in (b"x", b"g", b"L", b"K"):
                extended_size += size
                if extended_size > MAX_EXTENDED:
                    raise self.corrupt(f"the extended headers of one member are longer than {MAX_EXTENDED} bytes", offset)
                self._add_extension(extended, kind, self._read_extension(size, offset), offset)
                continue
            return self._build_member(block, kind, size, extended, offset)

    def _build_member(self, block: bytes, kind: bytes, size: int, extended: t.Mapping[bytes, bytes], offset: int) -> TarMember:
        if b"size" in extended:
            size = self._parse_decimal(extended[b"size"], offset)
        if kind == b"S" or any(key.startswith(b"GNU.sparse") for key in extended):
            raise self.corrupt("it has a sparse member, which is not supported", offset)
        if not _has_valid_gnu_times(block):
            raise self.corrupt("a GNU header has a prefix, which some readers put before the name", offset)
        name = self._choose(extended, b"L", b"path", offset) or _read_name(block)
        self._member = repr(sanitise(name.decode("utf-8", "replace"), 200))
        member_kind = _KINDS.get(kind)
        if member_kind is None:
            raise self.corrupt(f"{self._member} is of the unknown kind {kind!r}", offset)
        self._unread = size if member_kind == FILE else 0
        self._padding = -self._unread % BLOCK
        target = self._choose(extended, b"K", b"linkpath", offset) or block[157:257].partition(b"\0")[0]
        # Every reader of old tars treats a name that ends with a slash as a folder.
        is_folder = member_kind == FILE and name.endswith(b"/") and not size
        kind_of_member = FOLDER if is_folder else member_kind
        return TarMember(_decode_name(name), kind_of_member, self._source.offset, self._unread, _decode_name(target), block, extended)

    def _choose(self, extended: t.Mapping[bytes, bytes], kind: bytes, key: bytes, offset: int) -> bytes:
        """Return the long name of a GNU or a pax header, b"" without one. If both have one, Go takes that of GNU, and GNU tar that of pax."""
        gnu, pax = extended.get(_GNU_KEYS[kind], b""), extended.get(key, b"")
        if gnu and pax and gnu != pax:
            raise self.corrupt("a member has two different long names", offset)
        return gnu or pax

    def _read_extension(self, size: int, offset: int) -> bytes:
        data = self._source.read(size + -size % BLOCK)
        if len(data) != size + -size % BLOCK:
            raise self.corrupt("it ends in the middle of an extended header", offset)
        return data[:size]

    def _add_extension(self, extended: dict[bytes, bytes], kind: bytes, data: bytes, offset: int) -> None:
        if kind in (b"L", b"K"):
            extended[_GNU_KEYS[kind]] = data.partition(b"\0")[0]
            return
        records = self._parse_records(data, offset)
        if kind == b"x":
            # Only the last one counts, for Go and for GNU tar.
            kept = {key: value for key, value in extended.items() if key in _GNU_KEYS.values()}
            extended.clear()
            extended.update({**records, **kept})
        elif not records.keys().isdisjoint((b"path", b"linkpath", b"size")):
            raise self.corrupt("a global header renames or resizes all members", offset)

    def _parse_records(self, data: bytes, offset: int) -> dict[bytes, bytes]:
        """Return the values by key of an extended header, whose records are `LENGTH KEY=VALUE` and a line feed."""
        records: dict[bytes, bytes] = {}
        position = 0
        while position < len(data):
            match = _RECORD.match(data, position)
            end = position + int(match.group(1)) if match is not None else 0
            if match is None or end <= match.end() or end > len(data) or data[end - 1 : end] != b"\n":
                raise self.corrupt("an extended header is damaged", offset)
            key, equals, value = data[match.end() : end - 1].partition(b"=")
            if not equals or not key or b"\0" in key or (b"\0" in value and key in (b"path", b"linkpath")):
                raise self.corrupt("an extended header is damaged", offset)
            records[key] = value
            position = end
        return records

    def _parse_number(self, field: bytes, offset: int) -> int:
        if field[0] == 0x80:
            number = int.from_bytes(field[1:], "big")
        else:
            match = _OCTAL.fullmatch(field)
            if match is None:
                raise self.corrupt("a header has a size that is no number, or negative", offset)
            number = int(match.group(1) or b"0", 8)
        if number >= 1 << 62:
            raise self.corrupt("a header has a size that can't be", offset)
        return number

    def _parse_decimal(self, text: bytes, offset: int) -> int:
        if not re.fullmatch(rb"[0-9]{1,18}", text):
            raise self.corrupt("an extended header has a size that is no number", offset)
        return int(text)


def checked_tar(chunks: t.Iterable[bytes], what: str) -> t.Iterator[bytes]:
    """Yield the bytes of a tar unchanged while TarReader checks them. Raises CorruptArchive as TarReader does."""
    unsent: list[bytes] = []

    def remember_chunks() -> t.Iterator[bytes]:
        for chunk in chunks:
            unsent.append(chunk)
            yield chunk

    reader = TarReader(StreamBytes(remember_chunks()), what)
    for _member in reader:
        for _piece in reader.content():
            yield from _take_all(unsent)
        yield from _take_all(unsent)
    for _zeros in reader.end():
        yield from _take_all(unsent)
    yield from unsent


def _take_all(chunks: list[bytes]) -> list[bytes]:
    """Return CHUNKS, and empty the list."""
    taken = chunks[:]
    chunks.clear()
    return taken


def _has_right_checksum(block: bytes) -> bool:
    """Return True if the checksum is the sum of all bytes, its own counted as spaces. Some old tars add signed bytes."""
    match = _OCTAL.fullmatch(block[148:156])
    if match is None or not match.group(1):
        return False
    others = block[:148] + block[156:]
    unsigned = sum(others) + 8 * 32
    signed = unsigned - 256 * sum(1 for byte in others if byte > 127)
    return int(match.group(1), 8) in (unsigned, signed)


def _read_name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _has_valid_gnu_times(block: bytes) -> bool:
    """Return True unless this is a header of GNU tar with something else than two times (access, change) where others have the prefix."""
    times = (block[345:357], block[357:369])
    return block[257:265] != b"ustar  \0" or all(field[0] in (0, 0x80) or _OCTAL.fullmatch(field) for field in times)


def _decode_name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
