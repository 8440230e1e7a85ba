# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of two images come from their layers: whiteouts, links and layers that both have, and hostile layers are an error."""

from __future__ import annotations

import gzip
import tarfile
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive import compression
from ansible_collections.longshore.images.plugins.module_utils.comparison.files import compare_files
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.places import image_files
from ansible_collections.longshore.images.plugins.module_utils.places.image_files import LayeredFiles, SharedLayers, read_both
from tests.support.blobs import Blobs, OrderedBlobs
from tests.support.rootfs import Item, layer

LOWER = layer(
    Item("etc"),
    Item("etc/a", "old"),
    Item("etc/gone", "gone"),
    Item("opaque"),
    Item("opaque/lower", "lower"),
    Item("lib", target="usr/lib"),
    Item("usr/lib"),
    Item("pipe", kind=tarfile.FIFOTYPE),
)
UPPER = layer(
    Item("etc/a", "new", mode=0o640, owner=7, xattrs=(("user.a", "1"),)),
    Item("etc/.wh.gone", ""),
    Item("etc/hard", target="etc/a", kind=tarfile.LNKTYPE),
    Item("opaque/.wh..wh..opq", ""),
    Item("lib/through", "through"),
)


def digest_of(text: str) -> str:
    return str(Digest.of(text.encode()))


def paths_of(files: LayeredFiles) -> dict[str, str | None]:
    return {"/".join(parts): value.digest or value.target or value.kind for parts, value in files.entries()}


@pytest.mark.parametrize("place", [Blobs, OrderedBlobs])
@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_layers_are_applied_as_engines_do(place: type[Blobs], pack: t.Callable[[bytes], bytes]) -> None:
    blobs = place(pack(LOWER), pack(UPPER))
    files = LayeredFiles()
    files.apply((blobs, "image"), blobs.descriptors)

    assert paths_of(files) == {
        "etc": "folder",
        "etc/a": digest_of("new"),
        "etc/hard": digest_of("new"),
        "lib": "usr/lib",
        "opaque": "folder",
        "pipe": "device",
        "usr": "folder",
        "usr/lib": "folder",
        "usr/lib/through": digest_of("through"),
    }
    value = dict(files.entries())["etc", "a"]
    assert (value.mode, value.owner, value.size, value.attributes) == (0o640, 7, 3, (("user.a", "1"),))


def test_a_layer_that_an_image_has_twice_is_read_once_and_applied_twice() -> None:
    blobs = Blobs(LOWER, UPPER)
    lower, upper = blobs.descriptors
    files = LayeredFiles()
    files.apply((blobs, "image"), [lower, upper, lower])

    assert paths_of(files)["etc/gone"] == digest_of("gone")
    assert len(blobs.read) == 2


def test_layers_of_both_images_are_read_once() -> None:
    other = layer(Item("etc/a", "other"), Item("etc/.wh.gone", ""))
    blobs = Blobs(LOWER, UPPER, other)
    lower, upper, last = blobs.descriptors
    place = (blobs, "image")
    before, after = read_both(place, place, place, SharedLayers([lower], [], [last]))

    assert len(blobs.read) == 2
    assert [(change.change, *change.path) for change in compare_files(before.entries(), after.entries())] == [
        ("changed", "etc", "a"),
        ("removed", "etc", "gone"),
    ]
    before, after = read_both(place, place, place, SharedLayers([lower], [upper], [last]))
    assert {change.path[-1]: change.change for change in compare_files(before.entries(), after.entries())} == {
        "a": "changed",
        "hard": "removed",
        "lower": "added",
        "through": "removed",
    }


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "corrupt_archive"),
        (b"no tar", "corrupt_archive"),
        (gzip.compress(LOWER)[:-20], "corrupt_archive"),
        (gzip.compress(b"no tar"), "corrupt_archive"),
        (LOWER[:700], "corrupt_archive"),
        (gzip.compress(layer(Item("zeros", "\0" * 2_000_000))), "corrupt_archive"),
        (layer(Item("a", target="b"), Item("b", target="a"), Item("a/c", "c")), "unsupported_format"),
        (layer(Item("file", "text"), Item("file/below", "text")), "unsupported_format"),
        (layer(*(Item(f"{number}", "") for number in range(60))), "unsupported_format"),
        (layer(Item("a", "", xattrs=(("user.a", "x" * 2000),))), "unsupported_format"),
    ],
    ids=["empty", "no-tar", "truncated", "gzip-of-no-tar", "truncated-tar", "bomb", "circle", "below-a-file", "many", "long"],
)
@pytest.mark.parametrize("place", [Blobs, OrderedBlobs])
def test_a_hostile_layer_is_an_error(monkeypatch: pytest.MonkeyPatch, place: type[Blobs], data: bytes, error: str) -> None:
    monkeypatch.setattr(image_files, "MAX_TREE_ENTRIES", 50)
    monkeypatch.setattr(image_files, "MAX_TREE_TEXT", 1000)
    monkeypatch.setattr(compression, "MIN_EXPANDED", 1_000_000)
    blobs = place(data)
    with pytest.raises(LongshoreError) as caught:
        LayeredFiles().apply((blobs, "r.test/app:1"), blobs.descriptors)
    assert caught.value.cause == error
    assert "r.test/app:1, layer sha256:" in caught.value.message


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: data[:-1] + b"x", lambda data: data[:-512]])
def test_other_bytes_than_the_digest_says_are_an_error(change: t.Callable[[bytes], bytes]) -> None:
    blobs = Blobs(LOWER)
    (descriptor,) = blobs.descriptors
    blobs.content[descriptor.digest] = change(LOWER)
    with pytest.raises(LongshoreError) as caught:
        LayeredFiles().apply((blobs, "image"), [descriptor])
    assert caught.value.cause == "digest_mismatch"
