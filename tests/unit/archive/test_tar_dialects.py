# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How odd and mixed headers of pax and GNU tars are read. Each was given to Go's archive/tar and to GNU tar."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.tar import BLOCK, StreamBytes, TarReader
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive
from tests.support.archives import record

PATH, LINKPATH, SIZE = b"path", b"linkpath", b"size"
GNU = b"ustar  \0"


def make_header(
    name: bytes = b"h", kind: bytes = b"0", size: bytes = b"00000000000", link: bytes = b"", magic: bytes = b"ustar\00000", prefix: bytes = b""
) -> bytes:
    """Return a header with these fields and a correct checksum."""
    block = bytearray(BLOCK)
    for offset, field in ((0, name), (100, b"0000644"), (124, size), (136, b"00000000000"), (156, kind), (157, link), (257, magic), (345, prefix)):
        block[offset : offset + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def make_extended(kind: bytes, data: bytes) -> bytes:
    return make_header(b"x", kind, b"%011o" % len(data)) + pad(data)


def pax(*records: tuple[bytes, bytes]) -> bytes:
    return make_extended(b"x", b"".join(record(key, value) for key, value in records))


def global_pax(*records: tuple[bytes, bytes]) -> bytes:
    return make_extended(b"g", b"".join(record(key, value) for key, value in records))


def gnu_name(name: bytes) -> bytes:
    return make_extended(b"L", name)


def gnu_target(target: bytes) -> bytes:
    return make_extended(b"K", target)


PLAIN = make_header()
LINK = make_header(kind=b"2", link=b"t")
THREE = make_header(size=b"00000000003") + pad(b"abc")

# The bytes of each shape, how it is read, and why: "both" means that Go and GNU tar agree.
SHAPES: dict[str, tuple[bytes, str, str]] = {
    "L": (gnu_name(b"gnu\x00") + PLAIN, "file gnu 0", "both"),
    "L unterminated": (gnu_name(b"gnu") + PLAIN, "file gnu 0", "both"),
    "L then x": (gnu_name(b"gnu\x00") + pax((PATH, b"pax")) + PLAIN, "refused", "Go takes GNU's, GNU tar pax's"),
    "x then L": (pax((PATH, b"pax")) + gnu_name(b"gnu\x00") + PLAIN, "refused", "Go takes GNU's, GNU tar pax's"),
    "K then x": (gnu_target(b"gnu\x00") + pax((LINKPATH, b"pax")) + LINK, "refused", "Go takes GNU's, GNU tar pax's"),
    "x then K": (pax((LINKPATH, b"pax")) + gnu_target(b"gnu\x00") + LINK, "refused", "Go takes GNU's, GNU tar pax's"),
    "L then x empty path": (gnu_name(b"gnu\x00") + pax((PATH, b"")) + PLAIN, "file gnu 0", "both"),
    "x then L empty": (pax((PATH, b"pax")) + gnu_name(b"\x00") + PLAIN, "file pax 0", "both"),
    "x path empty": (pax((PATH, b"")) + PLAIN, "file h 0", "both"),
    "x linkpath empty": (pax((LINKPATH, b"")) + LINK, "symlink h -> t 0", "Go; GNU tar differs"),
    "x path twice": (pax((PATH, b"a"), (PATH, b"b")) + PLAIN, "file b 0", "both"),
    "x path then empty": (pax((PATH, b"a"), (PATH, b"")) + PLAIN, "file h 0", "Go; GNU tar differs"),
    "two x": (pax((PATH, b"a")) + pax((PATH, b"b")) + PLAIN, "file b 0", "both"),
    "two x different keys": (pax((PATH, b"a")) + pax((LINKPATH, b"b")) + LINK, "symlink h -> b 0", "both"),
    "two L": (gnu_name(b"a\x00") + gnu_name(b"b\x00") + PLAIN, "file b 0", "both"),
    "two K": (gnu_target(b"a\x00") + gnu_target(b"b\x00") + LINK, "symlink h -> b 0", "both"),
    "L empty": (gnu_name(b"\x00") + PLAIN, "file h 0", "Go; GNU tar differs"),
    "L of no bytes": (gnu_name(b"") + PLAIN, "file h 0", "Go; GNU tar differs"),
    "K empty": (gnu_target(b"\x00") + LINK, "symlink h -> t 0", "Go; GNU tar differs"),
    "L with K": (gnu_name(b"n\x00") + gnu_target(b"l\x00") + LINK, "symlink n -> l 0", "both"),
    "K with L": (gnu_target(b"l\x00") + gnu_name(b"n\x00") + LINK, "symlink n -> l 0", "both"),
    "L NUL inside": (gnu_name(b"a\x00b\x00") + PLAIN, "file a 0", "both"),
    "x path with NUL": (pax((PATH, b"a\x00b")) + PLAIN, "refused", "Go refuses it"),
    "g comment": (global_pax((b"comment", b"c")) + PLAIN, "file h 0", "both"),
    "g path": (global_pax((PATH, b"a")) + PLAIN, "refused", "Go ignores it, GNU tar renames"),
    "g linkpath": (global_pax((LINKPATH, b"a")) + LINK, "refused", "Go ignores it, GNU tar renames"),
    "g size": (global_pax((SIZE, b"3")) + THREE, "refused", "no tool writes it"),
    "L then g": (gnu_name(b"gnu\x00") + global_pax((b"comment", b"c")) + PLAIN, "file gnu 0", "both"),
    "x then g": (pax((PATH, b"pax")) + global_pax((b"comment", b"c")) + PLAIN, "file pax 0", "both"),
    "g then x": (global_pax((b"comment", b"c")) + pax((PATH, b"pax")) + PLAIN, "file pax 0", "both"),
    "x size": (pax((SIZE, b"3")) + make_header() + pad(b"abc"), "file h 3", "both"),
    "x size against header": (pax((SIZE, b"3")) + make_header(size=b"00000000005") + pad(b"abc"), "file h 3", "both"),
    "x size empty": (pax((SIZE, b"")) + THREE, "refused", "GNU tar refuses it"),
    "x size negative": (pax((SIZE, b"-1")) + THREE, "refused", "Go refuses it"),
    "x size plus": (pax((SIZE, b"+3")) + THREE, "refused", "GNU tar refuses it"),
    "x size zeros": (pax((SIZE, b"0003")) + THREE, "file h 3", "both"),
    "x size fraction": (pax((SIZE, b"3.0")) + THREE, "refused", "Go refuses it"),
    "L then x size": (gnu_name(b"gnu\x00") + pax((SIZE, b"3")) + make_header() + pad(b"abc"), "file gnu 3", "both"),
    "empty name": (make_header(b"") + b"", "file  0", "Go; GNU tar differs"),
    "name slash": (make_header(b"d/"), "folder d/ 0", "both"),
    "name slash with content": (make_header(b"d/", size=b"00000000003") + pad(b"abc"), "file d/ 3", "Go; GNU tar differs"),
    "x name slash": (pax((PATH, b"d/")) + PLAIN, "folder d/ 0", "both"),
    "L name slash": (gnu_name(b"d/\x00") + PLAIN, "folder d/ 0", "both"),
    "x hides slash": (pax((PATH, b"d")) + make_header(b"d/"), "file d 0", "both"),
    "old name slash": (make_header(b"d/", b"\x00"), "folder d/ 0", "both"),
    "folder with size": (make_header(b"d/", b"5", b"00000000003") + make_header(b"next"), "folder d/ 0; file next 0", "both"),
    "link with size": (make_header(b"l", b"1", b"00000000003", b"t") + make_header(b"next"), "link l -> t 0; file next 0", "both"),
    "symlink with size": (
        make_header(b"l", b"2", b"00000000003", b"t") + make_header(b"next"),
        "symlink l -> t 0; file next 0",
        "Go; GNU tar differs",
    ),
    "symlink with x size": (pax((SIZE, b"3")) + LINK + make_header(b"next"), "symlink h -> t 0; file next 0", "Go; GNU tar differs"),
    "name NUL inside": (make_header(b"a\x00b"), "file a 0", "both"),
    "base256": (make_header(size=b"\x80" + bytes(10) + b"\x03") + pad(b"abc"), "file h 3", "both"),
    "base256 ff": (make_header(size=b"\xff" * 12), "refused", "Go refuses it"),
    "base256 other bit": (make_header(size=b"\xc0" + bytes(10) + b"\x03") + pad(b"abc"), "refused", "Go refuses it"),
    "base256 81": (make_header(size=b"\x81" + bytes(10) + b"\x03") + pad(b"abc"), "refused", "Go refuses it"),
    "octal minus": (make_header(size=b"-0000000003"), "refused", "Go refuses it"),
    "octal spaces": (make_header(size=b"          3 ") + pad(b"abc"), "file h 3", "both"),
    "octal NUL first": (make_header(size=b"\x0000000000003") + pad(b"abc"), "refused", "Go and GNU tar read 3, Python 0"),
    "size blank": (make_header(size=b" " * 12), "file h 0", "Go; GNU tar differs"),
    "octal garbage after": (make_header(size=b"3\x00garbage") + pad(b"abc"), "refused", "no tool writes it"),
    "ustar prefix": (make_header(prefix=b"p"), "file p/h 0", "both"),
    "gnu prefix": (make_header(magic=GNU, prefix=b"p"), "refused", "Go reads the prefix, GNU tar does not"),
    "v7 prefix": (make_header(magic=bytes(8), prefix=b"p"), "file h 0", "both"),
    "ustar odd version": (make_header(magic=b"ustar\x00  ", prefix=b"p"), "file p/h 0", "both"),
    "L with prefix": (gnu_name(b"gnu\x00") + make_header(prefix=b"p"), "file gnu 0", "both"),
    "prefix empty name": (make_header(b"", prefix=b"p"), "folder p/ 0", "both"),
    "prefix ends slash": (make_header(prefix=b"p/"), "file p//h 0", "both"),
    "x alone": (pax((PATH, b"a")), "refused", "truncated, though Go and GNU tar ignore it"),
    "L alone": (gnu_name(b"a\x00"), "refused", "truncated, though Go and GNU tar ignore it"),
    "x two ends": (pax((PATH, b"a")) + bytes(1024) + PLAIN, "refused", "truncated, though Go and GNU tar ignore it"),
    "x of no bytes": (make_extended(b"x", b"") + PLAIN, "file h 0", "both"),
    "x without line feed": (make_extended(b"x", b"9 path=ab") + PLAIN, "refused", "Go refuses it"),
    "x with zeros after": (make_extended(b"x", record(PATH, b"a") + bytes(3)) + PLAIN, "refused", "Go refuses it"),
    "x leading zero length": (make_extended(b"x", b"011 path=a\n") + PLAIN, "file a 0", "both"),
    "x key empty": (pax((b"", b"v")) + PLAIN, "refused", "Go refuses it"),
    "x key NUL": (pax((b"a\x00b", b"v")) + PLAIN, "refused", "Go refuses it"),
    "x no equals": (make_extended(b"x", b"7 path\n" + b"") + PLAIN, "refused", "Go refuses it"),
    "X solaris": (make_extended(b"X", record(PATH, b"a")) + PLAIN, "refused", "Go lists it as a member, GNU tar applies it"),
}


def read(data: bytes) -> str:
    """Return the members of a tar as text, or "refused"."""
    try:
        members = list(TarReader(StreamBytes([data + bytes(2 * BLOCK)]), "it"))
    except CorruptArchive:
        return "refused"
    return "; ".join(f"{member.kind} {member.name}{' -> ' + member.target if member.target else ''} {member.size}" for member in members)


@pytest.mark.parametrize("shape", SHAPES)
def test_odd_headers_are_read_as_go_does_or_refused(shape: str) -> None:
    data, expected, reason = SHAPES[shape]
    assert read(data) == expected, reason
