# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strict reading of tar streams (POSIX.1-2017, pax): every header is checked, and nothing ends in silence."""

from __future__ import annotations

import re
import typing as t

from ..errors import CorruptArchive

BLOCK = 512
MAX_EXTENDED = 1024 * 1024

_NO_CONTENT = frozenset(b"123456")
_EXTENDED = ord("x")
_GLOBAL = ord("g")
_SPARSE = ord("S")
_BEFORE_MEMBER = frozenset(b"xLK")
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD = re.compile(rb"([0-9]{1,9}) ([^=]+)=")
_DECIMAL = re.compile(rb"[0-9]{1,20}")


def checked_tar(chunks: t.Iterable[bytes], what: str) -> t.Iterator[bytes]:
    """Passes the bytes of a tar on while it is checked. Raises CorruptArchive, which names the offset, for one that is damaged, cut off or none."""
    checker = _Checker(what)
    for chunk in chunks:
        checker.feed(chunk)
        yield chunk
    checker.finish()


class _Checker:
    """Follows a tar from header to header without keeping its content."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._offset = 0
        self._block = bytearray()
        self._content = 0
        self._extended: bytearray | None = None
        self._extended_size = 0
        self._size: int | None = None
        self._member_due = False
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        position = 0
        while position < len(chunk):
            if self._content:
                position += self._pass_content(chunk, position)
            else:
                piece = chunk[position : position + BLOCK - len(self._block)]
                self._block += piece
                position += len(piece)
                self._offset += len(piece)
                if len(self._block) == BLOCK:
                    self._take_header(bytes(self._block))
                    self._block.clear()

    def finish(self) -> None:
        if self._ended and self._block:
            if any(self._block):
                raise self._corrupt("something comes after its end", self._offset - len(self._block))
        elif self._content or self._block or self._member_due:
            raise self._corrupt("it ends in the middle of a member", self._offset)
        if not self._offset:
            raise self._corrupt("it is empty", 0)

    def _pass_content(self, chunk: bytes, position: int) -> int:
        count = min(self._content, len(chunk) - position)
        if self._extended is not None:
            self._extended += chunk[position : position + count]
        self._content -= count
        self._offset += count
        if not self._content and self._extended is not None:
            self._take_records(bytes(self._extended[: self._extended_size]))
            self._extended = None
        return count

    def _take_header(self, block: bytes) -> None:
        offset = self._offset - BLOCK
        if not any(block):
            if self._member_due:
                raise self._corrupt("its end comes in the middle of a member", offset)
            self._ended = True
            return
        if self._ended:
            raise self._corrupt("something comes after its end", offset)
        if not _checksum_is_right(block):
            raise self._corrupt("a header is damaged, or it is no tar", offset)
        size = self._number(block[124:136], offset)
        kind = block[156]
        if kind == _SPARSE:
            raise self._corrupt("it has a sparse member, which not every reader understands", offset)
        if kind in _BEFORE_MEMBER or kind == _GLOBAL:
            if size > MAX_EXTENDED:
                raise self._corrupt(f"an extended header is longer than {MAX_EXTENDED} bytes", offset)
            if kind == _EXTENDED and size:
                self._extended, self._extended_size = bytearray(), size
        else:
            size, self._size = size if self._size is None else self._size, None
        self._member_due = kind in _BEFORE_MEMBER
        self._content = 0 if kind in _NO_CONTENT else -(-size // BLOCK) * BLOCK

    def _take_records(self, data: bytes) -> None:
        """The records (length, key and value) of an extended header, of which a size counts more than the header's own."""
        position = 0
        while position < len(data):
            match = _RECORD.match(data, position)
            end = position + int(match.group(1)) if match is not None else 0
            if match is None or not match.end() < end <= len(data) or data[end - 1] != ord("\n"):
                raise self._corrupt("an extended header is damaged", self._offset)
            key, value = match.group(2), data[match.end() : end - 1]
            if key.startswith(b"GNU.sparse."):
                raise self._corrupt("it has a sparse member, which not every reader understands", self._offset)
            if key == b"size":
                if not _DECIMAL.fullmatch(value):
                    raise self._corrupt("an extended header has a size that is no number", self._offset)
                self._size = int(value)
            position = end

    def _number(self, field: bytes, offset: int) -> int:
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        match = _OCTAL.fullmatch(field)
        if match is None:
            raise self._corrupt("a header has a size that is no number, or negative", offset)
        return int(match.group(1) or b"0", 8)

    def _corrupt(self, words: str, offset: int) -> CorruptArchive:
        return CorruptArchive(f"{self._what} is not a whole tar: {words} (at byte {offset})")


def _checksum_is_right(block: bytes) -> bool:
    """The sum of all bytes, the checksum's own taken as spaces. Some old tars summed signed bytes."""
    match = _OCTAL.fullmatch(block[148:156])
    if match is None:
        return False
    others = block[:148] + block[156:]
    unsigned = sum(others) + 8 * 32
    signed = unsigned - 256 * sum(1 for byte in others if byte > 127)
    return int(match.group(1) or b"0", 8) in (unsigned, signed)
