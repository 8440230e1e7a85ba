# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strict reading of tars (POSIX.1-2017, pax; GNU long names): every header is checked, all is bounded, and nothing ends in silence."""

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
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD = re.compile(rb"([0-9]{1,9}) ")


@dataclasses.dataclass(frozen=True)
class Member:
    """One member of a tar: where its content begins, how long it is, and for links what they name. `name` is as it is written there."""

    name: str
    kind: str
    offset: int
    size: int
    target: str


class Bytes(t.Protocol):
    """A sequence of bytes that is read once from its beginning."""

    offset: int

    def read(self, size: int) -> bytes:
        """SIZE bytes, fewer only at the end."""

    def pass_over(self, size: int) -> t.Iterator[bytes]:
        """The next SIZE bytes in pieces, fewer only at the end; a seekable sequence may leave them out."""


class FileBytes:
    """A file that can be read anywhere: what isn't wanted is not read."""

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
        self._taken = 0
        self.offset = 0

    def read(self, size: int) -> bytes:
        return b"".join(self.pass_over(size))

    def pass_over(self, size: int) -> t.Iterator[bytes]:
        while size:
            if self._taken == len(self._chunk):
                self._chunk, self._taken = next(self._chunks, b""), 0
                if not self._chunk:
                    return
            piece = self._chunk[self._taken : self._taken + size]
            self._taken += len(piece)
            size -= len(piece)
            self.offset += len(piece)
            yield piece


class NotATar(CorruptArchive):
    """What doesn't begin as a tar does, and so is probably none."""


class TarReader:
    """Iterates over the members of a tar. Between one member and the next, `content` gives what is in it; what isn't taken is passed over.

    Raises CorruptArchive, which names the member and the offset, for a header that is damaged, sparse members, numbers that are none, a tar that ends
    in the middle of a member, and anything but zeros after the end. A tar that ends at a member's border without its end blocks is allowed.
    """

    def __init__(self, source: Bytes, what: str) -> None:
        self._source = source
        self._what = what
        self._member = "its first member"
        self._left = 0
        self._padding = 0

    def __iter__(self) -> t.Iterator[Member]:
        count = 0
        while True:
            self._finish_member()
            member = self._next()
            if member is None:
                return
            count += 1
            if count > MAX_TAR_MEMBERS:
                raise self.corrupt(f"it has more than {MAX_TAR_MEMBERS} members")
            yield member

    def content(self) -> t.Iterator[bytes]:
        """The content of the member that was just given, in pieces."""
        while self._left:
            for piece in self._source.pass_over(min(self._left, CHUNK)):
                self._left -= len(piece)
                yield piece
                break
            else:
                raise self.corrupt(f"it ends in the middle of {self._member}")

    def end(self) -> t.Iterator[bytes]:
        """What follows the last member, in pieces. Nothing but zeros may: anything else is seen by some readers and not by others."""
        while True:
            offset = self._source.offset
            data = self._source.read(CHUNK)
            if not data:
                return
            if data.count(0) != len(data):
                raise self.corrupt("something comes after its end", offset + len(data) - len(data.lstrip(b"\0")))
            yield data

    def corrupt(self, words: str, offset: int | None = None) -> CorruptArchive:
        return CorruptArchive(f"{self._what} is not a whole tar: {words} (at byte {self._source.offset if offset is None else offset})")

    def _finish_member(self) -> None:
        """Passes over what is left of a member and the zeros that fill its last block."""
        size = self._left + self._padding
        wanted = self._source.offset + size
        for _piece in self._source.pass_over(size):
            pass
        if self._source.offset != wanted:
            raise self.corrupt(f"it ends in the middle of {self._member}")
        self._left = self._padding = 0

    def _next(self) -> Member | None:
        """The next member, with what extended headers before it say of it."""
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
            if not _checksum_is_right(block):
                if not offset:
                    raise NotATar(self.corrupt("its first header is damaged, or this is no tar", offset).message)
                raise self.corrupt(f"the header after {self._member} is damaged, or this is no tar", offset)
            kind, size = block[156:157], self._number(block[124:136], offset)
            if kind in (b"x", b"g", b"L", b"K"):
                extended_size += size
                if extended_size > MAX_EXTENDED:
                    raise self.corrupt(f"the extended headers of one member are longer than {MAX_EXTENDED} bytes", offset)
                self._extend(extended, kind, self._extension(size, offset), offset)
                continue
            return self._described(block, kind, size, extended, offset)

    def _described(self, block: bytes, kind: bytes, size: int, extended: t.Mapping[bytes, bytes], offset: int) -> Member:
        if b"size" in extended:
            size = self._decimal(extended[b"size"], offset)
        if kind == b"S" or any(key.startswith(b"GNU.sparse") for key in extended):
            raise self.corrupt("it has a sparse member, which is not supported", offset)
        name = extended.get(b"path") or _name_of(block)
        self._member = repr(sanitise(name.decode("utf-8", "replace"), 200))
        known = _KINDS.get(kind)
        if known is None:
            raise self.corrupt(f"{self._member} is of the unknown kind {kind!r}", offset)
        self._left = size if known == FILE else 0
        self._padding = -self._left % BLOCK
        target = extended.get(b"linkpath") or block[157:257].partition(b"\0")[0]
        # A name with a slash at its end is a folder to every reader of old tars.
        is_folder = known == FILE and name.endswith(b"/") and not size
        return Member(_text(name), FOLDER if is_folder else known, self._source.offset, self._left, _text(target))

    def _extension(self, size: int, offset: int) -> bytes:
        data = self._source.read(size + -size % BLOCK)
        if len(data) != size + -size % BLOCK:
            raise self.corrupt("it ends in the middle of an extended header", offset)
        return data[:size]

    def _extend(self, extended: dict[bytes, bytes], kind: bytes, data: bytes, offset: int) -> None:
        if kind in (b"L", b"K"):
            extended[b"path" if kind == b"L" else b"linkpath"] = data.partition(b"\0")[0]
            return
        records = self._records(data, offset)
        if kind == b"x":
            extended.update(records)
        elif not records.keys().isdisjoint((b"path", b"linkpath", b"size")):
            raise self.corrupt("a global header renames or resizes all members", offset)

    def _records(self, data: bytes, offset: int) -> dict[bytes, bytes]:
        """The records `LENGTH KEY=VALUE` of an extended header, each ended by a line feed."""
        records: dict[bytes, bytes] = {}
        position = 0
        while position < len(data):
            match = _RECORD.match(data, position)
            end = position + int(match.group(1)) if match is not None else 0
            if match is None or end <= match.end() or end > len(data) or data[end - 1 : end] != b"\n":
                raise self.corrupt("an extended header is damaged", offset)
            key, equals, value = data[match.end() : end - 1].partition(b"=")
            if not equals or b"\0" in key or (b"\0" in value and key in (b"path", b"linkpath")):
                raise self.corrupt("an extended header is damaged", offset)
            records[key] = value
            position = end
        return records

    def _number(self, field: bytes, offset: int) -> int:
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

    def _decimal(self, text: bytes, offset: int) -> int:
        if not re.fullmatch(rb"[0-9]{1,18}", text):
            raise self.corrupt("an extended header has a size that is no number", offset)
        return int(text)


def checked_tar(chunks: t.Iterable[bytes], what: str) -> t.Iterator[bytes]:
    """Passes the bytes of a tar on while it is checked. Raises CorruptArchive as TarReader does."""
    passed: list[bytes] = []

    def noted() -> t.Iterator[bytes]:
        for chunk in chunks:
            passed.append(chunk)
            yield chunk

    reader = TarReader(StreamBytes(noted()), what)
    for _member in reader:
        for _piece in reader.content():
            yield from _taken(passed)
        yield from _taken(passed)
    for _zeros in reader.end():
        yield from _taken(passed)
    yield from passed


def _taken(passed: list[bytes]) -> list[bytes]:
    taken = passed[:]
    passed.clear()
    return taken


def _checksum_is_right(block: bytes) -> bool:
    """The sum of all bytes, the checksum's own taken as spaces. Some old tars summed signed bytes."""
    match = _OCTAL.fullmatch(block[148:156])
    if match is None or not match.group(1):
        return False
    others = block[:148] + block[156:]
    unsigned = sum(others) + 8 * 32
    signed = unsigned - 256 * sum(1 for byte in others if byte > 127)
    return int(match.group(1), 8) in (unsigned, signed)


def _name_of(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
