# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hostile package database is a row with an error word, in bounded time and memory, and the packages beside it are listed."""

from __future__ import annotations

import struct
import time
import tracemalloc
import typing as t
import zipfile
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.contents.collector import ImagePackages, PackageCollector
from ansible_collections.longshore.images.plugins.module_utils.contents.package import TYPES
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_JAR, MAX_PACKAGE_DATABASE, MAX_RPM_DATABASE
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from tests.support.package_files import go_program, pom, rpm_database, rpm_header, rpm_package, zip_bytes

MIB = 1024 * 1024
MAX_MEMORY = 64 * MIB
MAX_SECONDS = 20  # of a loaded machine; each takes less than a second on a quiet one
STATUS, APK, RPM = "var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite"
METADATA, NPM, JAR, GO = "a.dist-info/METADATA", "node_modules/a/package.json", "app/a.jar", "bin/app"
GOOD = b"Package: a\nStatus: install ok installed\nVersion: 1\n\n"


def stored(files: t.Mapping[str, bytes]) -> bytes:
    return zip_bytes(files, zipfile.ZIP_STORED)


def jar_in_jars(levels: int) -> bytes:
    data = zip_bytes(pom("g", "a", "1"))
    for _level in range(levels):
        data = stored({"lib/inner.jar": data})
    return data


def patched(data: bytes, at: int, value: bytes) -> bytes:
    """Return DATA with VALUE at an offset, from its end if that is negative."""
    at = at if at >= 0 else len(data) + at
    return data[:at] + value + data[at + len(value) :]


PLAIN_JAR = stored(pom("g", "a", "1"))
BOMB = zip_bytes({"META-INF/MANIFEST.MF": bytes(100 * MIB)})
DIRECTORY = PLAIN_JAR.index(b"PK\x01\x02")
PROGRAM = go_program("go1.22", "dep\ta.example/a\tv1\n")
INFORMATION = PROGRAM.index(b"\xff Go buildinf:")
OLD_PROGRAM = go_program("go1.17", "dep\ta.example/a\tv1\n", old=True)
OLD_INFORMATION = OLD_PROGRAM.index(b"\xff Go buildinf:")
HUGE = struct.pack("<Q", 1 << 63)

# Those that need no folder.
CASES: dict[str, tuple[str, bytes]] = {
    "dpkg: no database": (STATUS, b"\x00\xff" * 1000),
    "dpkg: UTF-16": (STATUS, GOOD.decode().encode("utf-16")),
    "dpkg: latin-1": (STATUS, GOOD.replace(b"a\n", b"\xe4\n", 1)),
    "dpkg: no name": (STATUS, b"Status: install ok installed\nVersion: 1\n"),
    "dpkg: no version": (STATUS, b"Package: a\nStatus: install ok installed\n"),
    "dpkg: the name twice": (STATUS, b"Package: a\nPackage: b\nVersion: 1\n"),
    "dpkg: one endless line": (STATUS, b"Package: " + b"a" * (2 * MIB)),
    "dpkg: many lines": (STATUS, b"x\n" * (MIB // 4)),
    "dpkg: only control characters": (STATUS, b"Package: \x1b[31m\x00\nVersion: \x1b\n"),
    "dpkg: in status.d": ("var/lib/dpkg/status.d/a", b"\xfe\xff"),
    "dpkg: the name is spaces": (STATUS, b"Package:    \nVersion: 1\n"),
    "apk: no database": (APK, b"\x1f\x8b\x08" + bytes(1000)),
    "apk: UTF-16": (APK, "P:a\nV:1\n".encode("utf-16")),
    "apk: no version": (APK, b"P:a\n\n"),
    "apk: no name": (APK, b"V:1\n\n"),
    "apk: the version twice": (APK, b"P:a\nV:1\nV:2\n"),
    "apk: one endless line": (APK, b"P:a\nD:" + b"b " * MIB),
    "python: no metadata": (METADATA, b"\x00" * 5000),
    "python: no version": (METADATA, b"Name: a\n\nVersion: 1\n"),
    "python: UTF-32": (METADATA, "Name: a\nVersion: 1\n".encode("utf-32")),
    "python: one endless line": (METADATA, b"Name: " + b"a" * (2 * MIB)),
    "npm: no JSON": (NPM, b"not JSON"),
    "npm: a list": (NPM, b"[]"),
    "npm: deep lists": (NPM, b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "npm: deep objects": (NPM, b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "npm: many values": (NPM, b'{"a":[' + b"[]," * MIB + b"1]}"),
    "npm: too long": (NPM, b'{"a": "' + b"a" * (5 * MIB) + b'"}'),
    "npm: a long number": (NPM, b'{"a": ' + b"9" * MIB + b"}"),
    "npm: the name is a list": (NPM, b'{"name": [], "version": "1"}'),
    "npm: the version is a number": (NPM, b'{"name": "a", "version": 1}'),
    "npm: the name is empty": (NPM, b'{"name": "", "version": "1"}'),
    "npm: UTF-16": (NPM, '{"name": "a", "version": "1"}'.encode("utf-16")),
    "npm: the name twice": (NPM, b'{"name": "a", "name": "b", "version": "1"}'),
    "rpm: no SQLite": (RPM, b"no database" * 1000),
    "rpm: the first bytes only": (RPM, b"SQLite format 3\0" + bytes(100)),
    "rpm: Berkeley DB": ("var/lib/rpm/Packages", bytes(4096)),
    "rpm: ndb": ("usr/lib/sysimage/rpm/Packages.db", b"RpmP" + bytes(4096)),
    "jar: no zip": (JAR, b"no zip"),
    "jar: zeros": (JAR, bytes(MIB)),
    "jar: cut": (JAR, PLAIN_JAR[:-10]),
    "jar: a bomb": (JAR, BOMB),
    "jar: a bomb in a jar": (JAR, stored({"lib/a.jar": BOMB})),
    "jar: a jar that is a bomb": (JAR, zip_bytes({"lib/a.jar": bytes(100 * MIB)})),
    "jar: too many levels": (JAR, jar_in_jars(20)),
    "jar: too many jars": (JAR, stored({f"lib/{number}.jar": b"" for number in range(5001)})),
    "jar: a directory that is too long": (JAR, patched(PLAIN_JAR, -10, struct.pack("<L", 0xFFFFFFF0))),
    "jar: a directory before the file": (JAR, patched(PLAIN_JAR, -6, struct.pack("<L", 0xFFFFFFF0))),
    "jar: an entry that is none": (JAR, patched(PLAIN_JAR, DIRECTORY, b"XX")),
    "jar: an entry whose name is too long": (JAR, patched(PLAIN_JAR, DIRECTORY + 28, b"\xff\xff")),
    "jar: a file that is not there": (JAR, patched(PLAIN_JAR, DIRECTORY + 42, struct.pack("<L", 20))),
    "jar: a file behind the end": (JAR, patched(PLAIN_JAR, DIRECTORY + 42, struct.pack("<L", 1 << 31))),
    "jar: a file that is too short": (JAR, patched(PLAIN_JAR, DIRECTORY + 20, struct.pack("<LL", 1 << 30, 1 << 30))),
    "jar: another size": (JAR, patched(PLAIN_JAR, DIRECTORY + 24, struct.pack("<L", 1))),
    "jar: encrypted": (JAR, patched(PLAIN_JAR, DIRECTORY + 8, b"\1")),
    "jar: an unknown method": (JAR, patched(PLAIN_JAR, DIRECTORY + 10, b"\x63")),
    "jar: compressed, and it isn't": (JAR, patched(PLAIN_JAR, DIRECTORY + 10, b"\x08")),
    "go: the first bytes only": (GO, b"\x7fELF"),
    "go: cut": (GO, PROGRAM[:-20]),
    "go: a length without an end": (GO, patched(PROGRAM, INFORMATION + 32, b"\xff" * 11)),
    "go: a length of gigabytes": (GO, patched(PROGRAM, INFORMATION + 32, b"\xff\xff\xff\xff\x0f")),
    "go: a version that is too long": (GO, patched(PROGRAM, INFORMATION + 32, b"\x7f")),
    "go: modules that are not UTF-8": (GO, PROGRAM.replace(b"a.example/a", b"a.\xff\xfeample/a")),
    "go: pointers that lead nowhere": (GO, patched(OLD_PROGRAM, OLD_INFORMATION + 16, HUGE)),
    "go: a pointer to itself": (GO, patched(OLD_PROGRAM, OLD_INFORMATION + 16, struct.pack("<Q", 0x400000 + OLD_INFORMATION + 16))),
    "go: pointers of three bytes": (GO, patched(OLD_PROGRAM, OLD_INFORMATION + 14, b"\3")),
}

HEADER = rpm_package("a")
# RPM databases are made in a folder: headers, and the statement that creates the table.
RPM_CASES: dict[str, tuple[tuple[bytes, ...], str | None]] = {
    "an empty header": ((b"",), None),
    "a header of zeros": ((bytes(100),), None),
    "more entries than bytes": ((patched(HEADER, 0, b"\xff\xff\xff\xff"),), None),
    "more data than bytes": ((patched(HEADER, 4, b"\xff\xff\xff\xff"),), None),
    "a text outside": ((patched(HEADER, 8 + 8, b"\x7f\xff\xff\xff"),), None),
    "an epoch outside": ((patched(rpm_package("a", epoch=1), 8 + 8, b"\x7f\xff\xff\xff"),), None),
    "a text without an end": ((HEADER[:-1] + b"x",), None),
    "no version": ((rpm_header({1000: "a"}),), None),
    "no name": ((rpm_header({1001: "1"}),), None),
    "a long header": ((rpm_header({1000: "a", 1001: "1", 1028: "x" * (17 * MIB)}),), None),
    "no table": ((), "CREATE TABLE Other (a)"),
    "other columns": ((), "CREATE TABLE Packages (a, b)"),
    "an endless view": (
        (),
        "CREATE VIEW Packages AS WITH RECURSIVE r(hnum, blob) AS (SELECT 1, x'00' UNION ALL SELECT hnum + 1, blob FROM r) SELECT * FROM r",
    ),
    "a computed column": (
        (),
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, a, blob AS (zeroblob(1000000000))); INSERT INTO Packages (a) VALUES (1)",
    ),
    "a number for a header": ((), "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob); INSERT INTO Packages (blob) VALUES (1)"),
    "zeros that are too long": (
        (),
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob); INSERT INTO Packages (blob) VALUES (zeroblob(20000000))",
    ),
}


def collect(path: str, content: t.Iterable[bytes], size: int) -> ImagePackages:
    """Collect a hostile file and a good one, in bounded time and memory."""
    collector = PackageCollector([Digest.of(b"layer")], TYPES, "image")
    tracemalloc.start()
    started = time.monotonic()
    collector.add([(0, 0)], path, True, size, iter(content))
    collector.add([(0, 1)], "node_modules/good/package.json", False, 0, iter([b'{"name": "good", "version": "1"}']))
    found = collector.finish([(path, (0, 0)), ("node_modules/good/package.json", (0, 1))])
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - started < MAX_SECONDS
    assert peak < MAX_MEMORY
    return found


def check_refused(found: ImagePackages, path: str) -> None:
    assert [(row.path, row.error) for row in found.unreadable] == [(f"/{path}", "unsupported_format")]
    assert found.unreadable[0].msg.isprintable()
    assert f"/{path}"[-20:] in found.unreadable[0].msg or "pom.properties" in found.unreadable[0].msg
    assert "good" in [package.name for package in found.packages]


@pytest.mark.parametrize(("path", "data"), CASES.values(), ids=CASES)
def test_a_hostile_database_is_refused(path: str, data: bytes) -> None:
    check_refused(collect(path, (data[start : start + MIB] for start in range(0, len(data), MIB)), len(data)), path)


@pytest.mark.parametrize(("headers", "table"), RPM_CASES.values(), ids=RPM_CASES)
def test_a_hostile_rpm_database_is_refused(headers: tuple[bytes, ...], table: str | None, tmp_path: Path) -> None:
    data = rpm_database(tmp_path, *headers, **({"table": table} if table is not None else {}))

    check_refused(collect(RPM, (data[start : start + MIB] for start in range(0, len(data), MIB)), len(data)), RPM)


@pytest.mark.parametrize(("path", "limit"), [(STATUS, MAX_PACKAGE_DATABASE), (RPM, MAX_RPM_DATABASE), (JAR, MAX_JAR)])
def test_a_file_that_is_too_large_is_not_read(path: str, limit: int) -> None:
    def content() -> t.Iterator[bytes]:
        yield pytest.fail("the file is read")

    check_refused(collect(path, content(), limit + 1), path)


def test_packages_before_the_damage_are_listed() -> None:
    found = collect(STATUS, [GOOD + b"Version: 2\n"], 1)

    assert [package.name for package in found.packages] == ["a", "good"]
    assert "paragraph 2" in found.unreadable[0].msg
