# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tar files that are broken or made to break something: one clear error, and an untouched store."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import typing as t
from pathlib import Path

import pytest

from tests.support import archives
from tests.support.archive_checks import check_archive_refused, check_module_refuses, check_untouched
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    CORRUPT,
    IMAGE,
    UNSUPPORTED,
    docker_members,
    with_members,
    zstd,
)
from tests.support.archives import (
    BLOCK,
    END,
    Link,
    docker,
    extended,
    header,
    member,
    pack,
    record,
    without,
)

LINKS = without(docker(IMAGE, APP), "manifest.json")


def with_bad_checksum() -> bytes:
    good = docker_members()
    start = len(b"".join(good[:3]))
    data = bytearray(b"".join(good) + END)
    data[start + 100] ^= 1
    return bytes(data)


# Each case: the archive, the expected error, and a pattern that its message matches. All are refused before anything is written.
BROKEN_TARS: dict[str, tuple[t.Callable[[], bytes], str, str]] = {
    "an empty file": (lambda: b"", CORRUPT, r"empty \(at byte 0\)"),
    "an empty tar": (lambda: END, UNSUPPORTED, "neither an OCI layout"),
    "text": (lambda: b"<html>404 not found</html>" * 40, CORRUPT, r"no tar \(at byte 0\); an archive of images is a tar"),
    "a tar of something else": (lambda: pack({"etc/passwd": b"root"}), UNSUPPORTED, "neither an OCI layout"),
    "a bad checksum in the middle": (with_bad_checksum, CORRUPT, rf"after '[0-9a-f]+/layer.tar'.*\(at byte {len(b''.join(docker_members()[:3]))}\)"),
    "cut in a member": (lambda: pack(docker(IMAGE, APP))[:4000], CORRUPT, r"in the middle of '[0-9a-f]+/layer.tar' \(at byte 4000\)"),
    "cut in a header": (lambda: pack(docker(IMAGE, APP))[:2100], CORRUPT, r"in the middle of a header .*\(at byte 2048\)"),
    "cut at a member's border": (
        lambda: b"".join(docker_members(archives.docker_first(IMAGE, APP))[:-2]),
        CORRUPT,
        r"manifest.json.*not in the archive",
    ),
    "cut before manifest.json": (lambda: b"".join(docker_members()[:-2]), UNSUPPORTED, "neither an OCI layout"),
    "cut in a pax header": (lambda: extended(b"x" * 900)[:900], CORRUPT, r"in the middle of an extended header \(at byte 0\)"),
    "a pax header without end": (lambda: header(b"77777777777", b"x") + b"x" * 999, CORRUPT, r"longer than 1048576 bytes \(at byte 0\)"),
    "a pax header of 2 MiB": (lambda: extended(record(b"comment", b"x" * 2**21)) + member("a") + END, CORRUPT, "longer than 1048576"),
    "many pax headers": (
        lambda: b"".join(extended(record(b"key%d" % number, b"x" * 600_000)) for number in range(3)) + member("a") + END,
        CORRUPT,
        "longer than 1048576",
    ),
    "a GNU long name of 2 MiB": (lambda: extended(b"x" * 2**21, b"L") + member("a") + END, CORRUPT, "longer than 1048576"),
    "a GNU long link of 2 MiB": (lambda: extended(b"x" * 2**21, b"K") + member("a") + END, CORRUPT, "longer than 1048576"),
    "long names again and again": (
        lambda: b"".join(extended(b"%07d" % number + b"x" * 900_000, b"L") + member("a") for number in range(20)) + END,
        CORRUPT,
        "exceeds the limits of an archive",
    ),
    "GNU sparse": (lambda: with_members(2, header(b"0", b"S")), CORRUPT, r"sparse member.*\(at byte \d+\)"),
    "pax sparse": (lambda: with_members(2, extended(record(b"GNU.sparse.realsize", b"99999999999")), member("a")), CORRUPT, "sparse"),
    "a negative size": (lambda: with_members(2, header(b"\xff" * 12)), CORRUPT, r"negative \(at byte \d+\)"),
    "a negative octal size": (lambda: with_members(2, header(b"-1")), CORRUPT, r"negative \(at byte \d+\)"),
    "a negative pax size": (lambda: with_members(2, extended(record(b"size", b"-1")), member("a")), CORRUPT, "size that is no number"),
    "an enormous size": (lambda: with_members(2, header(b"\x80" + b"\xff" * 11)), CORRUPT, "size that can't be"),
    "a size beyond the end": (lambda: with_members(2, header(b"77777777777")), CORRUPT, r"in the middle of 'odd' \(at byte \d+\)"),
    "a size too large": (lambda: with_members(6, header(b"10")), CORRUPT, r"damaged, or this is no tar \(at byte"),
    "a size too small": (lambda: with_members(2, header(b"1") + b"x" * 2 * BLOCK), CORRUPT, r"after 'odd' is damaged.*\(at byte"),
    "a pax size that lies": (lambda: with_members(2, extended(record(b"size", b"0")), member("a", b"x" * 99)), CORRUPT, "after 'a' is damaged"),
    "a member of unknown kind": (lambda: with_members(2, header(b"0", b"Z")), CORRUPT, r"'odd' is of the unknown kind b'Z' \(at byte"),
    "a name with a zero": (lambda: with_members(2, extended(record(b"path", b"a\0b")), member("a")), CORRUPT, "extended header is damaged"),
    "a global name": (lambda: extended(record(b"path", b"x"), b"g") + pack(docker(IMAGE, APP)), CORRUPT, "global header renames"),
    "a member twice": (lambda: with_members(7, docker_members()[6]), CORRUPT, r"'[0-9a-f]+\.json' appears twice .*at byte \d+"),
    "a member twice by another spelling": (lambda: with_members(7, member(".//manifest.json", b"[]")), CORRUPT, "manifest.json' appears twice"),
    "a file and a link of one name": (lambda: with_members(0, member("manifest.json", kind=tarfile.SYMTYPE, target="x")), CORRUPT, "appears twice"),
    "links in a circle": (
        lambda: pack({**LINKS, "manifest.json": Link("x"), "x": Link("manifest.json")}),
        CORRUPT,
        r"'manifest.json' is a link to 'x'",
    ),
    "a link to itself": (
        lambda: pack({**LINKS, "manifest.json": Link("manifest.json")}),
        CORRUPT,
        "is a link to 'manifest.json', which is not a file",
    ),
    "a link to outside": (lambda: pack({**LINKS, "manifest.json": Link("../../etc/passwd")}), CORRUPT, "is a link to '../../etc/passwd'"),
    "a link to an absolute name": (lambda: pack({**docker(IMAGE, APP), "x": Link("/manifest.json")}), CORRUPT, "'x' is a link to '/manifest.json'"),
    "a hard link to outside": (lambda: pack({**LINKS, "manifest.json": Link("../../etc/passwd", tarfile.LNKTYPE)}), CORRUPT, "is a link to"),
    "a link to a link": (lambda: pack({**docker(IMAGE, APP), "x": Link("y"), "y": Link("manifest.json")}), CORRUPT, "'x' is a link to 'y'"),
    "a link to a folder": (
        lambda: with_members(0, member("d/", kind=tarfile.DIRTYPE), member("x", kind=tarfile.SYMTYPE, target="d")),
        CORRUPT,
        "not a file",
    ),
    "a name outside": (lambda: with_members(3, member("../../etc/cron.d/x", b"x")), CORRUPT, r"'../../etc/cron.d/x' lies outside .*byte \d+"),
    "a name outside in the middle": (lambda: with_members(3, member("a/../../x", b"x")), CORRUPT, "lies outside"),
    "an absolute name": (lambda: with_members(3, member("/etc/cron.d/x", b"x")), CORRUPT, "'/etc/cron.d/x' lies outside"),
    "a device": (lambda: with_members(3, member("sda", kind=tarfile.BLKTYPE)), CORRUPT, "'sda' is neither a file, a folder nor a link"),
    "a terminal": (lambda: with_members(3, member("tty", kind=tarfile.CHRTYPE)), CORRUPT, "'tty' is neither"),
    "a pipe": (lambda: with_members(3, member("pipe", kind=tarfile.FIFOTYPE)), CORRUPT, "'pipe' is neither"),
    "text after the end": (lambda: pack(docker(IMAGE, APP)) + b"x" * 7, CORRUPT, r"comes after its end \(at byte \d+\)"),
    "an archive after the end": (lambda: pack(docker(IMAGE, APP)) * 2, CORRUPT, r"comes after its end \(at byte \d+\)"),
    "only repositories": (lambda: pack(archives.docker_ancient(IMAGE, APP)), UNSUPPORTED, "before 2015"),
}


@pytest.mark.parametrize("compression", ["plain", "gzip"])
@pytest.mark.parametrize("case", BROKEN_TARS)
def test_a_broken_tar_is_refused_before_anything_is_written(tmp_path: Path, store: Path, case: str, compression: str) -> None:
    make, cause, pattern = BROKEN_TARS[case]
    check_archive_refused(COMPRESSIONS[compression](make()), tmp_path, store, cause, pattern)


@pytest.mark.parametrize("case", ["a bad checksum in the middle"])
def test_the_module_reports_a_broken_tar_in_one_sentence(tmp_path: Path, store: Path, case: str) -> None:
    make, cause, pattern = BROKEN_TARS[case]
    path = tmp_path / "archive"
    path.write_bytes(make())
    check_module_refuses(path, store, cause, pattern)


DAMAGES: dict[str, t.Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[:-3],
    "cut in half": lambda data: data[: len(data) // 2],
    "cut after its magic": lambda data: data[:6],
    "damaged": lambda data: data[: len(data) // 2] + bytes(byte ^ 0x55 for byte in data[len(data) // 2 :][:40]) + data[len(data) // 2 + 40 :],
    "with text behind it": lambda data: data + b"text",
    "with half of another member behind it": lambda data: data + data[:40],
    "with zeros and text behind it": lambda data: data + bytes(1000) + b"text",
}


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd], ids=["gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, store: Path, damage: str, compress: t.Callable[[bytes], bytes]) -> None:
    path = tmp_path / "archive"
    path.write_bytes(DAMAGES[damage](compress(pack(docker(IMAGE, APP)))))
    assert check_untouched(path, store).cause == CORRUPT
