# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each kind of package database lists its packages, with the URLs that the purl specification gives them."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.contents.databases import find_database
from ansible_collections.longshore.images.plugins.module_utils.contents.package import DEB, NO_DISTRIBUTION, RPM, Distribution, Package
from tests.support.package_files import go_program, pom, rpm_database, rpm_package, zip_bytes

DPKG = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.41-12)
Version: 2.41-12
Description: GNU C Library
 Version: this line continues the description

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: ca-certificates
Status: install ok installed
Architecture: all
Version: 1:20250419
"""
APK = (
    b"C:Q1abc\nP:libcrypto3\nV:3.3.2-r1\nA:x86_64\no:openssl\nL:Apache-2.0\nF:lib\nR:libcrypto.so.3\n\nP:musl\nV:1.2.5-r1\nA:x86_64\no:musl\nL:MIT\n"
)
METADATA = b"Metadata-Version: 2.4\nName: Zope.Interface\nVersion: 7.2\nLicense-Expression: ZPL-2.1\nLicense: long text\n\nName: not this one\n"
MANIFEST = b"Manifest-Version: 1.0\r\nImplementation-Version: 9\r\nBundle-License: Apache\r\n -2.0\r\n\r\nName: other\r\n"
MODULES = (
    "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/Net\tv0.30.0\th1:a=\ndep\told.example/a\tv1.0.0\n"
    "=>\tnew.example/a\tv1.1.0\th1:b=\ndep\tlocal.example/b\tv1.0.0\n=>\t./b\t(devel)\t\n"
)
LIBRARY = zip_bytes({**pom("org.example", "inner", "2.0"), "a.class": b"x"})


def read(path: str, data: bytes) -> list[Package]:
    """Read a database as it would be read in an image, where all files can be executed."""
    database = find_database(path, True)
    assert database is not None, path
    return list(database.load()(io.BytesIO(data), f"image: /{path}"))


def read_urls(path: str, data: bytes) -> list[str]:
    return [package.purl for package in read(path, data)]


CASES: dict[str, tuple[str, bytes, list[str]]] = {
    "dpkg": ("var/lib/dpkg/status", DPKG, ["pkg:deb/debian/libc6@2.41-12?arch=amd64", "pkg:deb/debian/ca-certificates@1:20250419?arch=all"]),
    "distroless": (
        "var/lib/dpkg/status.d/base",
        b"Package: base-files\nVersion: 13+deb\nArchitecture: amd64\n",
        ["pkg:deb/debian/base-files@13%2Bdeb?arch=amd64"],
    ),
    "apk": ("lib/apk/db/installed", APK, ["pkg:apk/alpine/libcrypto3@3.3.2-r1?arch=x86_64", "pkg:apk/alpine/musl@1.2.5-r1?arch=x86_64"]),
    "python": ("srv/site-packages/zope.interface-7.2.dist-info/METADATA", METADATA, ["pkg:pypi/zope-interface@7.2"]),
    "egg-info": ("usr/lib/python3/dist-packages/six.egg-info", b"Name: six\nVersion: 1.17\n", ["pkg:pypi/six@1.17"]),
    "npm": ("app/node_modules/@babel/core/package.json", b'{"name": "@babel/core", "version": "7.0.0"}', ["pkg:npm/%40babel/core@7.0.0"]),
    "npm with a byte order mark": ("node_modules/a/package.json", b'\xef\xbb\xbf{"name": "a", "version": "1"}', ["pkg:npm/a@1"]),
    "npm without a version": ("node_modules/a/package.json", b'{"type": "module"}', []),
    "maven": ("app/a.jar", zip_bytes(pom("org.example", "a", "1.0")), ["pkg:maven/org.example/a@1.0"]),
    "jar without maven": ("app/guava-32.1-jre.jar", zip_bytes({"META-INF/MANIFEST.MF": MANIFEST}), ["pkg:maven/guava@32.1-jre"]),
    "jar in a jar": (
        "app/boot.war",
        b"#!/bin/sh\n" + zip_bytes({**pom("org.example", "boot", "3"), "BOOT-INF/lib/inner.jar": LIBRARY}),
        ["pkg:maven/org.example/boot@3", "pkg:maven/org.example/inner@2.0"],
    ),
    "empty jar": ("app/empty.jar", zip_bytes({}), []),
}


@pytest.mark.parametrize(("path", "data", "urls"), CASES.values(), ids=CASES)
def test_packages_have_their_urls(path: str, data: bytes, urls: list[str]) -> None:
    assert read_urls(path, data) == urls


@pytest.mark.parametrize("old", [False, True], ids=["inline", "by pointers"])
def test_modules_of_a_go_program_are_listed_with_replacements(old: bool) -> None:
    assert read_urls("usr/bin/app", go_program("go1.22.5", MODULES, old=old)) == [
        "pkg:golang/stdlib@1.22.5",
        "pkg:golang/example.com/app@%28devel%29",
        "pkg:golang/golang.org/x/net@v0.30.0",
        "pkg:golang/new.example/a@v1.1.0",
        "pkg:golang/local.example/b@v1.0.0",
    ]


def test_headers_of_an_rpm_database_are_read(tmp_path: Path) -> None:
    data = rpm_database(tmp_path, rpm_package("bash", "5.2", "4.el9"), rpm_package("perl", "5.40", "1", epoch=4), rpm_package("gpg-pubkey"))

    packages = read("var/lib/rpm/rpmdb.sqlite", data)

    assert [(package.name, package.version, package.source, package.license) for package in packages] == [
        ("bash", "5.2-4.el9", "bash-src", "MIT"),
        ("perl", "4:5.40-1", "perl-src", "MIT"),
    ]
    assert [package.purl for package in packages] == ["pkg:rpm/bash@5.2-4.el9?arch=x86_64", "pkg:rpm/perl@5.40-1?arch=x86_64&epoch=4"]


def test_fields_of_each_database_reach_the_row() -> None:
    libc, certificates = read("var/lib/dpkg/status", DPKG)
    assert (libc.source, certificates.source, libc.architecture) == ("glibc", "ca-certificates", "amd64")
    assert [(package.source, package.license) for package in read("lib/apk/db/installed", APK)] == [("openssl", "Apache-2.0"), ("musl", "MIT")]
    assert read(CASES["python"][0], METADATA)[0].license == "ZPL-2.1"
    assert read("app/guava-32.1-jre.jar", CASES["jar without maven"][1])[0].license == "Apache-2.0"
    old = json.dumps({"name": "a", "version": "1", "license": {"type": "BSD", "url": "x"}}).encode()
    assert read("node_modules/a/package.json", old)[0].license == "BSD"


@pytest.mark.parametrize(
    ("package", "distribution", "url"),
    [
        (Package(DEB, "curl", "7.50.3-1", "i386"), Distribution("ubuntu", "24.04"), "pkg:deb/ubuntu/curl@7.50.3-1?arch=i386&distro=ubuntu-24.04"),
        (Package(RPM, "GConf", "1-1", "noarch"), Distribution("fedora", "40"), "pkg:rpm/fedora/GConf@1-1?arch=noarch&distro=fedora-40"),
        (Package(DEB, "a", "1~rc1"), NO_DISTRIBUTION, "pkg:deb/debian/a@1~rc1"),
    ],
)
def test_urls_name_the_distribution(package: Package, distribution: Distribution, url: str) -> None:
    assert dataclasses.replace(package, distribution=distribution).purl == url


@pytest.mark.parametrize(
    "path",
    ["var/lib/dpkg/status-old", "srv/package.json", "node_modules/a/lib/package.json", "METADATA", "var/lib/dpkg/status.d/base.md5sums", "a.jar.txt"],
)
def test_other_files_are_no_databases(path: str) -> None:
    assert find_database(path, False) is None


def test_a_program_of_another_language_lists_nothing() -> None:
    elf = go_program("go1.22", "")
    assert read_urls("bin/true", elf.replace(b"\xff Go buildinf:", b"something else")) == []
