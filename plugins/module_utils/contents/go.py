# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read which modules a Go program was built from (Go's package debug/buildinfo): the list that its linker writes into the program."""

from __future__ import annotations

import re
import struct
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_ELF_HEADERS, MAX_GO_INFORMATION
from .package import GO, Package

_MAGIC = b"\xff Go buildinf:"
_ALIGNMENT = 16
_SEARCHED = 64 * 1024
_HEADER = 32
_MARK = 16  # bytes before and after the list of modules
_VERSION = re.compile(r"(?:devel )?go([0-9][0-9A-Za-z.+-]*)")
_LOAD, _WRITABLE = 1, 2


class _Elf:
    """The layout of an ELF file: where its segments and its sections are. Raises UnsupportedFormat for a damaged file, and struct.error."""

    def __init__(self, file: t.IO[bytes]) -> None:
        self._file = file
        header = self.read(0, 64)
        self.is_64 = header[4] == 2
        self.order = ">" if header[5] == 2 else "<"
        offsets = "QQ" if self.is_64 else "II"
        segments, sections = struct.unpack_from(self.order + offsets, header, 32 if self.is_64 else 28)
        sizes = struct.unpack_from(self.order + "HHHHH", header, 54 if self.is_64 else 42)
        self._segments = (segments, sizes[0], sizes[1])
        self._sections = (sections, sizes[2], sizes[3])
        self._names = sizes[4]

    def read(self, offset: int, size: int) -> bytes:
        """Return SIZE bytes of the file, fewer at its end."""
        if offset >= 1 << 62:
            return b""
        self._file.seek(offset)
        return self._file.read(size)

    def segments(self) -> t.Iterator[tuple[int, int, int, int]]:
        """Yield offset, address, size and flags of each segment that is loaded."""
        for entry in self._table(*self._segments):
            if self.is_64:
                kind, flags, offset, address, _physical, size = struct.unpack_from(self.order + "IIQQQQ", entry)
            else:
                kind, offset, address, _physical, size, _memory, flags = struct.unpack_from(self.order + "IIIIIII", entry)
            if kind == _LOAD:
                yield offset, address, size, flags

    def find_section(self, name: bytes) -> tuple[int, int] | None:
        """Return offset and size of a section, None if there is none."""
        sections = [struct.unpack_from(self.order + ("IIQQQQ" if self.is_64 else "IIIIII"), entry) for entry in self._table(*self._sections)]
        if self._names >= len(sections):
            return None
        names = sections[self._names][4]
        for number, _kind, _flags, _address, offset, size in sections:
            if self.read(names + number, len(name) + 1) == name + b"\0":
                return offset, size
        return None

    def read_address(self, address: int, size: int) -> bytes:
        """Return SIZE bytes at an address of the program, fewer if the segment ends before."""
        for offset, start, length, _flags in self.segments():
            if start <= address < start + length:
                return self.read(offset + address - start, min(size, start + length - address))
        return b""

    def _table(self, offset: int, size: int, count: int) -> t.Iterator[bytes]:
        if size < (56 if self.is_64 else 32):
            return
        data = self.read(offset, size * min(count, MAX_ELF_HEADERS))
        for start in range(0, len(data) - size + 1, size):
            yield data[start : start + size]


def read_go(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the modules of a program and Go's standard library; nothing for a program of another language. Raises UnsupportedFormat.

    WHAT names the file in messages.
    """
    try:
        found = _find_information(_Elf(file))
    except (struct.error, IndexError, ValueError) as error:
        raise UnsupportedFormat(f"{what} is a damaged ELF program") from error
    if found is None:
        return
    version, modules = found
    match = _VERSION.match(version.decode("utf-8", "replace"))
    if match is not None:
        yield Package(GO, "stdlib", match[1])
    yield from _read_modules(modules, what)


def _read_modules(data: bytes, what: str) -> t.Iterator[Package]:
    """Yield the modules of a list: lines `mod PATH VERSION SUM` and `dep PATH VERSION SUM`; `=> PATH VERSION SUM` replaces the module before it."""
    if len(data) < 2 * _MARK + 1 or data[-_MARK - 1 : -_MARK] != b"\n":
        return
    try:
        lines = data[_MARK:-_MARK].decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UnsupportedFormat(f"{what} has a list of Go modules that is not UTF-8 text") from error
    modules: list[tuple[str, str]] = []
    for line in lines:
        kind, *fields = line.split("\t")
        if kind in ("mod", "dep") and len(fields) >= 2:
            modules.append((fields[0], fields[1]))
        # A folder that replaces a module has neither a name nor a version that others know.
        elif kind == "=>" and len(fields) >= 2 and modules and not fields[0].startswith((".", "/")):
            modules[-1] = (fields[0], fields[1])
    for path, version in dict.fromkeys(modules):
        if path:
            yield Package.read(GO, {"name": path, "version": version or "(devel)"}, what)


def _find_information(elf: _Elf) -> tuple[bytes, bytes] | None:
    """Return Go's version and the list of modules as they are in the program."""
    section = elf.find_section(b".go.buildinfo")
    if section is None:
        segment = next(((offset, size) for offset, _address, size, flags in elf.segments() if flags & _WRITABLE), None)
        section = (segment[0], min(segment[1], _SEARCHED)) if segment is not None else None
    if section is None:
        return None
    offset, size = section
    data = elf.read(offset, min(size, _SEARCHED))
    at = data.find(_MAGIC)
    while at >= 0 and at % _ALIGNMENT:
        at = data.find(_MAGIC, at + 1)
    if at < 0 or len(data) < at + _HEADER:
        return None
    pointer_size, flags = data[at + 14], data[at + 15]
    if flags & 2:
        return _read_inline(elf, offset + at + _HEADER)
    order = ">" if flags & 1 else "<"
    if pointer_size not in (4, 8):
        raise ValueError("no pointer has this size")
    pointers = struct.unpack_from(order + ("QQ" if pointer_size == 8 else "II"), data, at + 16)
    version, modules = (_read_string(elf, pointer, pointer_size, order) for pointer in pointers)
    return version, modules


def _read_inline(elf: _Elf, offset: int) -> tuple[bytes, bytes]:
    """Return two strings that follow each other, each after its length: the format since Go 1.18."""
    texts = []
    for _text in range(2):
        length, used = _read_length(elf.read(offset, 10))
        texts.append(_checked(elf.read(offset + used, _bounded(length)), length))
        offset += used + length
    return texts[0], texts[1]


def _read_length(data: bytes) -> tuple[int, int]:
    """Return an unsigned number in Go's variable-length encoding, and the number of its bytes."""
    value = 0
    for position, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, position + 1
    raise ValueError("a length has no end")


def _read_string(elf: _Elf, address: int, pointer_size: int, order: str) -> bytes:
    """Return a string of the program from the address of its header: the format before Go 1.18."""
    start, length = struct.unpack(order + ("QQ" if pointer_size == 8 else "II"), elf.read_address(address, 2 * pointer_size))
    return _checked(elf.read_address(start, _bounded(length)), length)


def _bounded(length: int) -> int:
    if length > MAX_GO_INFORMATION:
        raise ValueError("the list of modules is too long")
    return length


def _checked(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise ValueError("a text leaves the program")
    return data
