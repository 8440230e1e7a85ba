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
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_PAX_SIZE = re.compile(rb"[0-9]+ size=([0-9]+)\n")


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
        self._size: int | None = None
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
        if self._content or self._block:
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
            match = _PAX_SIZE.search(self._extended)
            self._size = int(match.group(1)) if match is not None else None
            self._extended = None
        return count

    def _take_header(self, block: bytes) -> None:
        offset = self._offset - BLOCK
        if not any(block):
            self._ended = True
            return
        if self._ended:
            raise self._corrupt("something comes after its end", offset)
        if not _checksum_is_right(block):
            raise self._corrupt("a header is damaged, or it is no tar", offset)
        size = self._number(block[124:136], offset)
        kind = block[156]
        if kind == _EXTENDED:
            if size > MAX_EXTENDED:
                raise self._corrupt(f"an extended header is longer than {MAX_EXTENDED} bytes", offset)
            self._extended = bytearray()
        else:
            size, self._size = size if self._size is None else self._size, None
        self._content = 0 if kind in _NO_CONTENT else -(-size // BLOCK) * BLOCK

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
