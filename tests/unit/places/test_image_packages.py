# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages of an image come from the files that it has after all layers are applied, with the layer that brought each."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.contents import collector
from ansible_collections.longshore.images.plugins.module_utils.contents.collector import ImagePackages
from ansible_collections.longshore.images.plugins.module_utils.contents.package import DEB, NPM, TYPES
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.places.image_packages import read_packages
from tests.support import modules
from tests.support.blobs import Blobs, OrderedBlobs
from tests.support.rootfs import Item, layer

STATUS = "var/lib/dpkg/status"


def status(*packages: str) -> str:
    """Return a database with packages, each `NAME VERSION`."""
    pairs = (package.split() for package in packages)
    return "".join(f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: {version}\n\n" for name, version in pairs)


def npm(folder: str, name: str, version: str = "1") -> Item:
    return Item(f"{folder}node_modules/{name}/package.json", f'{{"name": "{name}", "version": "{version}"}}', 0o644)


def read(blobs: Blobs, types: t.Collection[str] = TYPES) -> ImagePackages:
    return read_packages(blobs, blobs.descriptors, "image", types)


def listed(found: ImagePackages, blobs: Blobs) -> list[tuple[str, str, int]]:
    """Return name, version and the number of the layer of each package."""
    numbers = {str(descriptor.digest): number for number, descriptor in enumerate(blobs.descriptors)}
    return [(package.name, package.version, numbers[package.layer]) for package in found.packages]


@pytest.mark.parametrize("kind", [Blobs, OrderedBlobs])
def test_a_package_belongs_to_the_layer_that_brought_its_version(kind: type[Blobs]) -> None:
    blobs = kind(
        layer(Item(STATUS, status("libc6 1", "openssl 1", "gone 1"))),
        layer(Item("srv/file", "x")),
        layer(Item(STATUS, status("libc6 1", "openssl 2", "curl 1"))),
        layer(Item(STATUS, status("libc6 1", "openssl 2", "curl 1", "vim 1"))),
    )

    assert listed(read(blobs), blobs) == [("curl", "1", 2), ("libc6", "1", 0), ("openssl", "2", 2), ("vim", "1", 3)]


def test_only_files_that_the_image_has_count() -> None:
    blobs = Blobs(
        layer(npm("", "kept"), npm("", "deleted"), npm("opaque/", "hidden"), npm("", "replaced"), npm("", "emptied")),
        layer(
            Item("node_modules/.wh.deleted", ""),
            Item("opaque/.wh..wh..opq", ""),
            npm("", "replaced", "2"),
            Item("node_modules/emptied/package.json", ""),
        ),
    )

    assert listed(read(blobs), blobs) == [("kept", "1", 0), ("replaced", "2", 1)]


def test_links_lead_to_the_path_that_the_image_has() -> None:
    apk = "P:musl\nV:1\nA:x86_64\n\n"
    blobs = Blobs(
        layer(Item("usr/lib/apk/db/installed", "P:old\nV:1\n\n"), Item("lib", target="usr/lib")),
        layer(Item("lib/apk/db/installed", apk)),
        layer(npm("", "a"), Item("other/node_modules/a/package.json", kind=b"1", target="node_modules/a/package.json")),
    )

    assert [(package.name, package.path) for package in read(blobs).packages] == [
        ("musl", "/usr/lib/apk/db/installed"),
        ("a", "/node_modules/a/package.json"),
        ("a", "/other/node_modules/a/package.json"),
    ]


def test_the_distribution_is_part_of_the_urls() -> None:
    blobs = Blobs(
        layer(Item("usr/lib/os-release", 'ID=debian\nVERSION_ID="13"\n'), Item("etc/os-release", target="../usr/lib/os-release")),
        layer(Item(STATUS, status("a 1"))),
    )

    assert [package.purl for package in read(blobs).packages] == ["pkg:deb/debian/a@1?arch=all&distro=debian-13"]


def test_other_types_are_left_out() -> None:
    blobs = Blobs(layer(Item(STATUS, status("a 1")), npm("", "b")))

    assert read(blobs, [DEB]).counts() == {DEB: 1}
    assert read(blobs).counts() == {DEB: 1, NPM: 1}


def test_a_damaged_database_is_a_row_and_the_others_are_read() -> None:
    blobs = Blobs(
        layer(Item(STATUS, "no database\n"), npm("", "a")),
        layer(Item("var/lib/rpm/Packages", "BDB"), Item("usr/lib/sysimage/rpm/Packages.db", "ndb"), Item("node_modules/b/package.json", "{")),
    )

    found = read(blobs)

    assert [package.name for package in found.packages] == ["a"]
    assert [(row.path, row.error) for row in found.unreadable] == [
        ("/node_modules/b/package.json", "unsupported_format"),
        ("/usr/lib/sysimage/rpm/Packages.db", "unsupported_format"),
        ("/var/lib/dpkg/status", "unsupported_format"),
        ("/var/lib/rpm/Packages", "unsupported_format"),
    ]
    assert "Berkeley DB, which can't be read" in found.unreadable[-1].msg
    assert "ndb, which can't be read" in found.unreadable[1].msg


def test_a_damaged_database_that_was_replaced_is_no_row() -> None:
    blobs = Blobs(layer(Item(STATUS, "no database\n")), layer(Item(STATUS, status("a 1"))))

    assert read(blobs) == read(Blobs(*blobs.content.values()))
    assert (listed(read(blobs), blobs), read(blobs).unreadable) == ([("a", "1", 1)], [])


@pytest.mark.parametrize(("bound", "limit"), [("MAX_PACKAGES", 3), ("MAX_PACKAGE_RECORDS", 3), ("MAX_DATABASES", 1), ("MAX_UNREADABLE", 0)])
def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch, bound: str, limit: int) -> None:
    monkeypatch.setattr(collector, bound, limit)
    blobs = Blobs(layer(Item(STATUS, status("a 1", "b 1", "c 1")), npm("", "d"), Item("node_modules/e/package.json", "{")))

    with pytest.raises(LongshoreError) as caught:
        read(blobs)
    assert caught.value.cause == "unsupported_format"
    assert str(limit) in caught.value.message


_LARGE_IMAGE = """
import re
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from ansible_collections.longshore.images.plugins.module_utils.oci import digest
from ansible_collections.longshore.images.plugins.module_utils.places.image_packages import read_packages
from tests.unit.places.test_image_packages import LargeLayer

digest.Verifier.update = digest.Verifier.finish = lambda *unused: None  # hashing two gigabytes takes seconds
source = LargeLayer()
found = read_packages(source, [source.descriptor], "image")
# Not the number of getrusage, in which the process that started this one counts.
peak = re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
print([package.name for package in found.packages], int(peak[1]) // 1024)
"""


class LargeLayer:
    """A place with a layer of 2 GB: large files, 20,000 small ones and a package at the end. It is generated while it is read."""

    SIZE = 512 * 1024 * 1024
    descriptor = Descriptor(media_types.OCI_LAYER, Digest.of(b"large"), 4 * SIZE)

    def read_blob(self, unused_descriptor: Descriptor) -> t.Iterator[bytes]:
        chunk = bytes(1024 * 1024)
        for number in range(4):
            yield self._header(f"data/{number}", self.SIZE)
            for _chunk in range(self.SIZE // len(chunk)):
                yield chunk
        yield b"".join(self._header(f"small/{number}", 0) for number in range(20_000))
        yield layer(npm("", "a"))

    def _header(self, name: str, size: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o755
        return info.tobuf(tarfile.USTAR_FORMAT)


def test_an_image_of_two_gigabytes_needs_little_memory() -> None:
    found = subprocess.run(
        [sys.executable, "-c", _LARGE_IMAGE, str(modules.ROOT / ".collections")], check=True, capture_output=True, text=True, cwd=modules.ROOT
    )

    names, megabytes = found.stdout.rsplit(" ", 1)
    assert names == "['a']"
    assert int(megabytes) < 128
