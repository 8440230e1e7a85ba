# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are broken, or made to break something: one clear error and an untouched store. Odd but legal ones are loaded, with right names and IDs."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import typing as t
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import archives, modules
from tests.support.archives import (
    BLOCK,
    END,
    Files,
    Link,
    blob,
    changed,
    config_of,
    docker,
    extended,
    header,
    hex_of,
    hybrid,
    index_entry,
    index_file,
    layers_of,
    layout,
    manifest_entry,
    manifest_file,
    member,
    members,
    oci,
    pack,
    record,
    without,
)
from tests.support.faults import leftovers, wrong_blobs
from tests.support.images import Image, make_image, make_index
from tests.support.verbs import OLD, names, whole

APP = "docker.io/library/app:1"
IMAGE = make_image("app")
FIVE = [make_image(f"five-{number}", 1) for number in range(5)]
ESCAPE = "\x1b]0;owned\x07\x9b31m"
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an image that no archive here holds."""
    path = tmp_path_factory.mktemp("template") / "store"
    OLD.put(Store(str(path)), "r.test/old:1")
    return path


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "store")
    return tmp_path / "store"


def check_refused(path: Path, store: Path) -> LongshoreError:
    """The one error of an archive that can't be loaded. Blobs that were good may have arrived before it; of names, nothing has changed."""
    before, index = names(store), (store / "index.json").read_bytes()
    told: LongshoreError | None = None
    try:
        archives.load(path, store)
    except LongshoreError as error:
        told = error
    assert told is not None, "it was loaded"
    assert (names(store), (store / "index.json").read_bytes()) == (before, index)
    assert wrong_blobs(store) == leftovers(store) == []
    assert whole(store, OLD)
    check_message(told.message, path)
    return told


def check_message(message: str, path: Path) -> None:
    assert str(path) in message
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", message)
    assert len(message) < 1500


def check_untouched(path: Path, store: Path) -> LongshoreError:
    """The same, for an archive of which all is known before anything is written."""
    before = modules.snapshot(store)
    told = check_refused(path, store)
    assert modules.snapshot(store) == before
    return told


# Legal archives.


def gzip_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(b"") + gzip.compress(data[half:])


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


WRAPPINGS: dict[str, t.Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip of several members": gzip_members,
    "gzip with zeros behind it": lambda data: gzip.compress(data) + bytes(3000),
    "gzip of several members with zeros between": lambda data: gzip.compress(data[:700]) + bytes(9) + gzip.compress(data[700:]) + bytes(1),
    "bzip2": bz2.compress,
    "bzip2 of several streams": lambda data: bz2.compress(data[:700]) + bz2.compress(data[700:]),
    "xz": lzma.compress,
    "xz of several streams with padding": lambda data: lzma.compress(data[:700]) + bytes(4) + lzma.compress(data[700:]) + bytes(8),
    "zstd": zstd,
    "zstd of several frames": lambda data: zstd(data[:700]) + zstd(data[700:]),
    "zstd of unknown size": lambda data: zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(data),
}

DIALECTS: dict[str, t.Callable[..., Files]] = {
    "docker": docker,
    "docker, manifest.json first": archives.docker_first,
    "packed from a folder": archives.dotted,
    "podman": archives.podman,
    "podman, by its links": archives.podman_linked,
    "hard links": archives.hard_linked,
    "crane": archives.crane,
    "docker with gzip layers": lambda image, *names: archives.compressed_layers(image, names, gzip.compress),
    "docker with zstd layers": lambda image, *names: archives.compressed_layers(image, names, zstd),
    "docker with layers of several gzip members": lambda image, *names: archives.compressed_layers(image, names, gzip_members),
    "oci": oci,
    "hybrid": hybrid,
}


def check_loaded(store: Path, image: Image, *expected: str) -> None:
    """IMAGE is in the store under its names: its ID is right, and every layer is the content that the config promises."""
    opened = Store(str(store))
    config = Digest.of(config_of(image))
    entries = opened.find_entries(config)
    assert {str(entry.name) for entry in entries} == (set(expected) or {"None"})
    assert opened.find_missing_blobs(entries[0]) == []
    assert wrong_blobs(store) == []
    graph = opened.read_graph(entries[0])
    assert graph is not None
    for layer, content in zip(graph.images[0].manifest.layers, layers_of(image), strict=True):
        assert expanded_layer(layer, Path(opened.blob_path(layer.digest)).read_bytes()) == content


def expanded_layer(layer: Descriptor, data: bytes) -> bytes:
    if layer.media_type == media_types.OCI_LAYER_GZIP:
        return gzip.decompress(data)
    if layer.media_type == media_types.OCI_LAYER_ZSTD:
        return zstandard.ZstdDecompressor().decompress(data)
    assert layer.media_type == media_types.OCI_LAYER
    return data


@pytest.mark.parametrize("wrapping", ["plain", "gzip"])
@pytest.mark.parametrize("tags", [(), (APP,), (APP, "localhost/other:2")], ids=len)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_loaded_with_its_names_and_id(tmp_path: Path, store: Path, dialect: str, tags: tuple[str, ...], wrapping: str) -> None:
    path = tmp_path / "archive"
    path.write_bytes(WRAPPINGS[wrapping](pack(DIALECTS[dialect](IMAGE, *tags))))
    assert archives.load(path, store).changed
    check_loaded(store, IMAGE, *tags)
    assert not archives.load(path, store).changed
    if dialect in ("oci", "hybrid"):
        assert Store(str(store)).index.find_by_digest(IMAGE.root.digest)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_compression_is_loaded(tmp_path: Path, store: Path, wrapping: str) -> None:
    (tmp_path / "archive").write_bytes(WRAPPINGS[wrapping](pack(docker(IMAGE, APP))))
    archives.load(tmp_path / "archive", store)
    check_loaded(store, IMAGE, APP)


def test_dialects_of_the_same_layers_make_the_same_digest(tmp_path: Path, store: Path) -> None:
    for number, dialect in enumerate(
        ("docker", "docker, manifest.json first", "packed from a folder", "podman", "podman, by its links", "hard links")
    ):
        (tmp_path / "archive").write_bytes(pack(DIALECTS[dialect](IMAGE, f"r.test/{number}:1")))
        archives.load(tmp_path / "archive", store)
    found = names(store)
    assert len({found[f"r.test/{number}:1"] for number in range(6)}) == 1


@pytest.mark.parametrize("dialect", ["docker", "podman", "crane", "oci", "hybrid"])
def test_folders_are_loaded_as_well(tmp_path: Path, store: Path, dialect: str) -> None:
    files: Files = {name: content for name, content in DIALECTS[dialect](IMAGE, APP).items() if not isinstance(content, Link)}
    archives.load(archives.unpack(files, tmp_path / "archive"), store)
    check_loaded(store, IMAGE, APP)


ODD: dict[str, t.Callable[[], bytes]] = {
    "no end blocks": lambda: b"".join(members(docker(IMAGE, APP))),
    "one end block": lambda: b"".join(members(docker(IMAGE, APP))) + bytes(BLOCK),
    "a record of 10 KiB": lambda: pack(docker(IMAGE, APP)).ljust(40_960, b"\0"),
    "members that nobody names": lambda: member("README") + member("old/", kind=tarfile.DIRTYPE) + member("x", b"x" * 999) + pack(docker(IMAGE, APP)),
    "a name twice": lambda: pack(docker(IMAGE, "app:1", APP, "docker.io/app:1")),
    "long names": lambda: pack({f"{'long/' * 60}{name}": content for name, content in docker(IMAGE).items()} | docker(IMAGE, APP)),
    "GNU long names": lambda: member("long/" * 60 + "x", b"x", form=tarfile.GNU_FORMAT) + pack(docker(IMAGE, APP)),
    "comments": lambda: extended(record(b"comment", b"x" * 5000), b"g") + extended(record(b"comment", b"x")) + pack(docker(IMAGE, APP)),
    "sizes in pax headers": lambda: (
        b"".join(extended(record(b"size", b"%d" % len(data))) + member(n, data) for n, data in plain(docker(IMAGE, APP))) + END
    ),
    "unknown annotations": lambda: pack(layout(index_file(index_entry(IMAGE, APP), annotations={"x": "y"}, other=[1]), IMAGE)),
    "another minor version": lambda: pack(layout(index_file(index_entry(IMAGE, APP)), IMAGE, version="1.9.9")),
    "blobs of nobody": lambda: pack({**oci(IMAGE, APP), f"blobs/sha256/{'0' * 64}": b"not it", "blobs/md5/x": b"", "blobs/sha256/zz": b""}),
    "oci side without names": lambda: pack({**hybrid(IMAGE, APP), "index.json": index_file(index_entry(IMAGE))}),
}


def plain(files: Files) -> list[tuple[str, bytes]]:
    return [(name, content) for name, content in files.items() if isinstance(content, bytes)]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_but_legal_is_loaded(tmp_path: Path, store: Path, odd: str) -> None:
    (tmp_path / "archive").write_bytes(ODD[odd]())
    archives.load(tmp_path / "archive", store)
    check_loaded(store, IMAGE, APP)


# Broken and hostile archives.


def parts(files: Files | None = None) -> list[bytes]:
    return members(files if files is not None else docker(IMAGE, APP))


def spliced(position: int, *new: bytes) -> bytes:
    """A good archive with members put into it."""
    good = parts()
    return b"".join([*good[:position], *new, *good[position:]]) + END


def with_bad_checksum() -> bytes:
    good = parts()
    start = len(b"".join(good[:3]))
    data = bytearray(b"".join(good) + END)
    data[start + 100] ^= 1
    return bytes(data)


def with_entry(**changes: t.Any) -> bytes:
    """A docker-archive with one entry of manifest.json changed."""
    return pack(changed(docker(IMAGE, APP), "manifest.json", lambda data: manifest_file({**json.loads(data)[0], **changes})))


def with_config(**changes: t.Any) -> bytes:
    """A docker-archive whose config is another one, and called after its digest as it should be."""
    config = encode_canonical({**json.loads(config_of(IMAGE)), **changes})
    files = without(docker(IMAGE, APP), f"{hex_of(config_of(IMAGE))}.json")
    name = f"{hex_of(config)}.json"
    return pack(changed({**files, name: config}, "manifest.json", lambda data: manifest_file({**json.loads(data)[0], "Config": name})))


def first_layer(files: Files) -> str:
    return next(name for name in files if name.endswith("layer.tar"))


def bit_flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def opening_lost(data: bytes) -> bytes:
    return b" " + data[1:]


def with_layers(change: t.Callable[[bytes], bytes]) -> bytes:
    return pack(archives.compressed_layers(IMAGE, [APP], change))


def five(dialect: t.Callable[..., Files], bad: str) -> bytes:
    """Five images in one archive, of which something of the last is not as it should be."""
    files: Files = {}
    entries: list[dict[str, t.Any]] = []
    for number, image in enumerate(FIVE):
        one = dialect(image, f"five:{number}")
        if dialect is docker:
            entries += json.loads(t.cast(bytes, one["manifest.json"]))
            files.update(one, **{"manifest.json": manifest_file(*entries)})
        else:
            entries += json.loads(t.cast(bytes, one["index.json"]))["manifests"]
            files.update(one, **{"index.json": index_file(*entries)})
    last = {
        "layer": first_layer(docker(FIVE[4])) if dialect is docker else blob(FIVE[4].layers[0].digest),
        "config": f"{hex_of(config_of(FIVE[4]))}.json" if dialect is docker else blob(Digest.of(config_of(FIVE[4]))),
        "manifest": blob(FIVE[4].root.digest),
    }[bad]
    # A docker-archive has no digest of its own for a config: only one that can't be read is noticed.
    return pack(changed(files, last, opening_lost if dialect is docker and bad == "config" else bit_flipped))


def nested(levels: int) -> bytes:
    """Indexes within indexes, with an image at the end."""
    content: dict[Digest, bytes] = dict(IMAGE.content)
    inner = IMAGE.root
    for _level in range(levels):
        data = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [inner.members()]})
        inner = Descriptor(media_types.OCI_INDEX, Digest.of(data), len(data))
        content[inner.digest] = data
    image = Image(inner, content)
    return pack(layout(index_file(index_entry(image, APP)), image))


def relisted(**changes: t.Any) -> bytes:
    """An OCI archive whose index says something else of the image."""
    return pack(layout(index_file({**index_entry(IMAGE, APP), **changes}), IMAGE))


def with_lying_manifest(**changes: t.Any) -> bytes:
    """An OCI archive with a manifest whose digest is right, and which is not."""
    data = encode_canonical({**json.loads(IMAGE.content[IMAGE.root.digest]), **changes})
    image = Image(Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data)), {**IMAGE.content, Digest.of(data): data})
    return pack(layout(index_file(index_entry(image, APP)), image))


def manifest_json(data: bytes) -> bytes:
    return pack({**docker(IMAGE, APP), "manifest.json": data})


def with_odd_name(content: bytes, is_config: bool) -> bytes:
    """A docker-archive with a config or layers under a name that is no text, and moves the cursor."""
    name = f"{ESCAPE}\udcff"
    entry = manifest_entry(name if is_config else f"{hex_of(config_of(IMAGE))}.json", [] if is_config else [name, name], [])
    return pack({**docker(IMAGE), name: content, "manifest.json": manifest_file(entry)})


def with_one_name_for_two() -> bytes:
    both = [docker(image, APP) for image in (FIVE[0], IMAGE)]
    entries = [json.loads(t.cast(bytes, files["manifest.json"]))[0] for files in both]
    return pack({**both[0], **both[1], "manifest.json": manifest_file(*entries)})


LINKS = without(docker(IMAGE, APP), "manifest.json")
OCI_LAYER = blob(IMAGE.layers[0].digest)
CORRUPT, UNSUPPORTED, MISMATCH = "corrupt_archive", "unsupported_format", "digest_mismatch"

# What is seen before anything is written: the archive, its cause, and what the message tells beside the archive's name.
HOSTILE: dict[str, tuple[t.Callable[[], bytes], str, str]] = {
    "an empty file": (lambda: b"", CORRUPT, r"empty \(at byte 0\)"),
    "an empty tar": (lambda: END, UNSUPPORTED, "neither an OCI layout"),
    "text": (lambda: b"<html>404 not found</html>" * 40, CORRUPT, r"no tar \(at byte 0\); an archive of images is a tar"),
    "a tar of something else": (lambda: pack({"etc/passwd": b"root"}), UNSUPPORTED, "neither an OCI layout"),
    "a bad checksum in the middle": (with_bad_checksum, CORRUPT, rf"after '[0-9a-f]+/layer.tar'.*\(at byte {len(b''.join(parts()[:3]))}\)"),
    "cut in a member": (lambda: pack(docker(IMAGE, APP))[:4000], CORRUPT, r"in the middle of '[0-9a-f]+/layer.tar' \(at byte 4000\)"),
    "cut in a header": (lambda: pack(docker(IMAGE, APP))[:2100], CORRUPT, r"in the middle of a header .*\(at byte 2048\)"),
    "cut at a member's border": (lambda: b"".join(parts(archives.docker_first(IMAGE, APP))[:-2]), CORRUPT, r"manifest.json.*not in the archive"),
    "cut before manifest.json": (lambda: b"".join(parts()[:-2]), UNSUPPORTED, "neither an OCI layout"),
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
        "more than can be",
    ),
    "GNU sparse": (lambda: spliced(2, header(b"0", b"S")), CORRUPT, r"sparse member.*\(at byte \d+\)"),
    "pax sparse": (lambda: spliced(2, extended(record(b"GNU.sparse.realsize", b"99999999999")), member("a")), CORRUPT, "sparse"),
    "a negative size": (lambda: spliced(2, header(b"\xff" * 12)), CORRUPT, r"negative \(at byte \d+\)"),
    "a negative octal size": (lambda: spliced(2, header(b"-1")), CORRUPT, r"negative \(at byte \d+\)"),
    "a negative pax size": (lambda: spliced(2, extended(record(b"size", b"-1")), member("a")), CORRUPT, "size that is no number"),
    "an enormous size": (lambda: spliced(2, header(b"\x80" + b"\xff" * 11)), CORRUPT, "size that can't be"),
    "a size beyond the end": (lambda: spliced(2, header(b"77777777777")), CORRUPT, r"in the middle of 'odd' \(at byte \d+\)"),
    "a size too large": (lambda: spliced(6, header(b"10")), CORRUPT, r"damaged, or this is no tar \(at byte"),
    "a size too small": (lambda: spliced(2, header(b"1") + b"x" * 2 * BLOCK), CORRUPT, r"after 'odd' is damaged.*\(at byte"),
    "a pax size that lies": (lambda: spliced(2, extended(record(b"size", b"0")), member("a", b"x" * 99)), CORRUPT, "after 'a' is damaged"),
    "a member of unknown kind": (lambda: spliced(2, header(b"0", b"Z")), CORRUPT, r"'odd' is of the unknown kind b'Z' \(at byte"),
    "a name with a zero": (lambda: spliced(2, extended(record(b"path", b"a\0b")), member("a")), CORRUPT, "extended header is damaged"),
    "a global name": (lambda: extended(record(b"path", b"x"), b"g") + pack(docker(IMAGE, APP)), CORRUPT, "global header renames"),
    "a member twice": (lambda: spliced(7, parts()[6]), CORRUPT, r"'[0-9a-f]+\.json' is there twice .*at byte \d+"),
    "a member twice by another spelling": (lambda: spliced(7, member(".//manifest.json", b"[]")), CORRUPT, "manifest.json' is there twice"),
    "a file and a link of one name": (lambda: spliced(0, member("manifest.json", kind=tarfile.SYMTYPE, target="x")), CORRUPT, "there twice"),
    "links in a circle": (
        lambda: pack({**LINKS, "manifest.json": Link("x"), "x": Link("manifest.json")}),
        CORRUPT,
        r"'manifest.json' is a link to 'x'",
    ),
    "a link to itself": (lambda: pack({**LINKS, "manifest.json": Link("manifest.json")}), CORRUPT, "is a link to 'manifest.json', which is no file"),
    "a link to outside": (lambda: pack({**LINKS, "manifest.json": Link("../../etc/passwd")}), CORRUPT, "is a link to '../../etc/passwd'"),
    "a link to an absolute name": (lambda: pack({**docker(IMAGE, APP), "x": Link("/manifest.json")}), CORRUPT, "'x' is a link to '/manifest.json'"),
    "a hard link to outside": (lambda: pack({**LINKS, "manifest.json": Link("../../etc/passwd", tarfile.LNKTYPE)}), CORRUPT, "is a link to"),
    "a link to a link": (lambda: pack({**docker(IMAGE, APP), "x": Link("y"), "y": Link("manifest.json")}), CORRUPT, "'x' is a link to 'y'"),
    "a link to a folder": (lambda: spliced(0, member("d/", kind=tarfile.DIRTYPE), member("x", kind=tarfile.SYMTYPE, target="d")), CORRUPT, "no file"),
    "a name outside": (lambda: spliced(3, member("../../etc/cron.d/x", b"x")), CORRUPT, r"'../../etc/cron.d/x' lies outside .*byte \d+"),
    "a name outside in the middle": (lambda: spliced(3, member("a/../../x", b"x")), CORRUPT, "lies outside"),
    "an absolute name": (lambda: spliced(3, member("/etc/cron.d/x", b"x")), CORRUPT, "'/etc/cron.d/x' lies outside"),
    "a device": (lambda: spliced(3, member("sda", kind=tarfile.BLKTYPE)), CORRUPT, "'sda' is neither a file, a folder nor a link"),
    "a terminal": (lambda: spliced(3, member("tty", kind=tarfile.CHRTYPE)), CORRUPT, "'tty' is neither"),
    "a pipe": (lambda: spliced(3, member("pipe", kind=tarfile.FIFOTYPE)), CORRUPT, "'pipe' is neither"),
    "text after the end": (lambda: pack(docker(IMAGE, APP)) + b"x" * 7, CORRUPT, r"comes after its end \(at byte \d+\)"),
    "an archive after the end": (lambda: pack(docker(IMAGE, APP)) * 2, CORRUPT, r"comes after its end \(at byte \d+\)"),
    "only repositories": (lambda: pack(archives.docker_ancient(IMAGE, APP)), UNSUPPORTED, "before 2015"),
    # docker's side
    "no images": (lambda: manifest_json(b"[]"), "not_found", "without any image"),
    "an object for a list": (lambda: manifest_json(b"{}"), UNSUPPORTED, "manifest.json: list is not a list"),
    "no JSON": (lambda: manifest_json(b"[{"), UNSUPPORTED, "manifest.json is not a valid JSON"),
    "an empty manifest.json": (lambda: manifest_json(b""), UNSUPPORTED, "manifest.json is not a valid JSON"),
    "1001 images": (lambda: manifest_json(json.dumps([{}] * 1001).encode()), UNSUPPORTED, "more than 1000 entries"),
    "1001 layers": (lambda: with_entry(Layers=["x"] * 1001), UNSUPPORTED, "Layers has more than 1000 entries|not in the archive"),
    "a deep document": (lambda: manifest_json(b"[" * 100_000), UNSUPPORTED, "nested more than"),
    "a long document": (lambda: manifest_json(b"[]" + b" " * (5 << 20)), UNSUPPORTED, "manifest.json .*longer than"),
    "a long number": (lambda: manifest_json(b'[{"Config": %s}]' % (b"9" * 100_000)), UNSUPPORTED, "more than 1000 digits"),
    "keys twice": (lambda: manifest_json(b'[{"Config": "a", "Config": "b"}]'), UNSUPPORTED, "a key occurs twice"),
    "NaN": (lambda: manifest_json(b"[NaN]"), UNSUPPORTED, "not a JSON number"),
    "no UTF-8": (lambda: manifest_json(b'[{"Config": "\xff"}]'), UNSUPPORTED, "manifest.json is not a valid JSON"),
    "no config": (lambda: with_entry(Config=None), UNSUPPORTED, "has no Config"),
    "a config that isn't there": (lambda: with_entry(Config="x.json"), CORRUPT, "'x.json', which is not in the archive"),
    "a config outside": (lambda: with_entry(Config="../../../../../../etc/passwd"), CORRUPT, "etc/passwd', which is not in the archive"),
    "a config of the wrong kind": (lambda: with_entry(Config=7), UNSUPPORTED, "Config is not a string"),
    "a config that is a layer": (lambda: with_entry(Config=first_layer(docker(IMAGE))), UNSUPPORTED, "layer.tar.*(not a valid JSON|is no document)"),
    "a config without layers": (lambda: with_config(rootfs={"type": "layers"}), CORRUPT, "has 2 layers, but its config .* has 0"),
    "a config with odd digests": (lambda: with_config(rootfs={"diff_ids": ["sha256:1", "md5:2"]}), UNSUPPORTED, "is not a digest"),
    "a layer too few": (lambda: with_entry(Layers=[first_layer(docker(IMAGE))]), CORRUPT, "has 1 layers, but its config .* has 2"),
    "a layer too many": (lambda: with_entry(Layers=[first_layer(docker(IMAGE))] * 3), CORRUPT, "has 3 layers, but its config .* has 2"),
    "a layer that isn't there": (lambda: pack(without(docker(IMAGE, APP), first_layer(docker(IMAGE)))), CORRUPT, "layer.tar', which is not in the"),
    "a gzip layer of other content": (
        lambda: with_layers(lambda data: gzip.compress(bit_flipped(data))),
        CORRUPT,
        r"at byte \d+\) should hold a layer",
    ),
    "a gzip layer that is cut": (lambda: with_layers(lambda data: gzip.compress(data)[:-9]), CORRUPT, r"layer.tar \(at byte \d+\) .*ends too early"),
    "a gzip layer that is damaged": (lambda: with_layers(lambda data: gzip.compress(data)[:-8] + bytes(8)), CORRUPT, "layer.tar .*damaged gzip"),
    "a zstd layer that is cut": (lambda: with_layers(lambda data: zstd(data)[:-2]), CORRUPT, "layer.tar .*ends too early"),
    "xz layers": (lambda: with_layers(lzma.compress), UNSUPPORTED, "compressed with xz"),
    "a name that is none": (lambda: with_entry(RepoTags=["UPPER:1"]), CORRUPT, "'UPPER:1', which is no reference"),
    "a name that is a digest": (lambda: with_entry(RepoTags=[DIGEST]), CORRUPT, "no reference"),
    "a name with a digest that lies": (lambda: with_entry(RepoTags=[f"app@{DIGEST}"]), CORRUPT, "for an image with another digest"),
    "a name with escapes": (lambda: with_entry(RepoTags=[ESCAPE]), CORRUPT, "no reference"),
    "a name that is no text": (lambda: with_entry(RepoTags=["\udcff"]), CORRUPT, "no reference"),
    "names of the wrong kind": (lambda: with_entry(RepoTags="app:1"), UNSUPPORTED, "RepoTags is not a list"),
    "a member with escapes": (lambda: spliced(3, member(f"../{ESCAPE}")), CORRUPT, "lies outside"),
    "a member that is no text": (lambda: spliced(3, member("../\udcff")), CORRUPT, "lies outside"),
    "a link with escapes": (lambda: spliced(3, member("x", kind=tarfile.SYMTYPE, target=ESCAPE)), CORRUPT, "no file of the archive"),
    "a cut member with escapes": (lambda: parts()[0] + member(f"{ESCAPE}\udcff", b"x" * 999)[:-1], CORRUPT, "in the middle of"),
    "a config with escapes": (lambda: with_odd_name(b"{", True), UNSUPPORTED, "not a valid JSON"),
    "a layer with escapes": (lambda: with_odd_name(lzma.compress(b""), False), UNSUPPORTED, "compressed with xz"),
    "a missing layer with escapes": (lambda: with_entry(Layers=[ESCAPE + "\udcff"]), CORRUPT, "not in the archive"),
    "one name for two images": (with_one_name_for_two, CORRUPT, f"{APP} for two images"),
    "a bad config of five": (lambda: five(docker, "config"), UNSUPPORTED, "is not a valid JSON|is no document"),
    # the OCI side
    "layers of null beside a config with two": (lambda: with_lying_manifest(layers=None), UNSUPPORTED, "has no layers, but its config .* has 2"),
    "no images in an index": (lambda: pack(layout(index_file())), "not_found", "without any image"),
    "one name for two digests": (
        lambda: pack(layout(index_file(index_entry(IMAGE, APP), index_entry(FIVE[0], "app:1")), IMAGE, FIVE[0])),
        CORRUPT,
        f"{APP} for two images",
    ),
    "a layout of version 2": (lambda: pack(layout(index_file(index_entry(IMAGE)), IMAGE, version="2.0.0")), UNSUPPORTED, "of version 2.0.0"),
    "a version with escapes": (lambda: pack(layout(index_file(index_entry(IMAGE)), IMAGE, version=ESCAPE)), UNSUPPORTED, "of version"),
    "no version": (lambda: pack(without(oci(IMAGE, APP), "oci-layout")), CORRUPT, "no file oci-layout"),
    "1001 images in an index": (lambda: pack(layout(index_file(*[index_entry(IMAGE)] * 1001), IMAGE)), UNSUPPORTED, "more than 1000 entries"),
    "nested five deep": (lambda: nested(5), UNSUPPORTED, "nests indexes more than 4 levels deep"),
    "an index in a circle": (lambda: relisted(mediaType=media_types.OCI_INDEX), UNSUPPORTED, "offered as"),
    "another size of a manifest": (lambda: relisted(size=10), MISMATCH, "but its descriptor says 10"),
    "a negative size of a manifest": (lambda: relisted(size=-1), UNSUPPORTED, "negative size"),
    "no digest": (lambda: relisted(digest="sha256:../../etc/passwd"), UNSUPPORTED, "is not a digest"),
    "an absent manifest": (lambda: relisted(digest=DIGEST), CORRUPT, f"lacks {DIGEST}"),
    "an unknown type": (lambda: relisted(mediaType=f"text/html{ESCAPE}"), "not_found", "without any image"),
    "annotations of the wrong kind": (lambda: relisted(annotations={"a": 1}), UNSUPPORTED, "annotations holds a value"),
    "a containerd name that is none": (lambda: relisted(annotations={"io.containerd.image.name": ESCAPE}), CORRUPT, "no reference"),
    "a listed name with a digest that lies": (
        lambda: relisted(annotations={"io.containerd.image.name": f"app@{DIGEST}"}),
        CORRUPT,
        "for an image with another digest",
    ),
    "a base that is no digest": (
        lambda: pack(layout(index_file(index_entry(IMAGE), annotations={"images.longshore.base": ESCAPE}), IMAGE)),
        CORRUPT,
        "not a digest",
    ),
    "an index that is no digest": (lambda: relisted(annotations={"images.longshore.index": "../x"}), CORRUPT, "not a digest"),
    "an altered manifest": (lambda: pack(changed(oci(IMAGE, APP), blob(IMAGE.root.digest), bit_flipped)), MISMATCH, r"at byte \d+\) should have the"),
    "an altered config": (lambda: pack(changed(oci(IMAGE, APP), blob(Digest.of(config_of(IMAGE))), bit_flipped)), MISMATCH, r"at byte \d+\) should"),
    "an altered index": (
        lambda: pack(changed(oci(make_index("x"), APP), blob(make_index("x").root.digest), bit_flipped)),
        MISMATCH,
        r"at byte \d+\) should have the digest",
    ),
    "a layer that is cut": (lambda: pack(changed(oci(IMAGE, APP), OCI_LAYER, lambda data: data[:-1])), MISMATCH, r"at byte \d+\) has \d+ bytes, but"),
    "a layer that is longer": (lambda: pack(changed(oci(IMAGE, APP), OCI_LAYER, lambda data: data + b"x")), MISMATCH, "bytes, but its descriptor"),
    "an absent layer": (lambda: pack(without(oci(IMAGE, APP), OCI_LAYER)), CORRUPT, f"lacks sha256:{OCI_LAYER[-64:]}"),
    "an absent config": (lambda: pack(without(oci(IMAGE, APP), blob(Digest.of(config_of(IMAGE))))), CORRUPT, "is incomplete"),
    "a manifest with another size of a layer": (
        lambda: with_lying_manifest(layers=[{**layer.members(), "size": 3} for layer in IMAGE.layers]),
        MISMATCH,
        "but its descriptor says 3",
    ),
    "an image and an index at once": (lambda: with_lying_manifest(manifests=[]), UNSUPPORTED, "at once an index and a manifest"),
    "1001 layers in a manifest": (lambda: with_lying_manifest(layers=[IMAGE.layers[0].members()] * 1001), UNSUPPORTED, "more than 1000"),
    "schema 1": (lambda: with_lying_manifest(schemaVersion=1, mediaType=None), UNSUPPORTED, "schema 1"),
    "a bad manifest of five": (lambda: five(oci, "manifest"), MISMATCH, "should have the digest"),
    "a bad config of five by digest": (lambda: five(oci, "config"), MISMATCH, "should have the digest"),
}


@pytest.mark.parametrize("wrapping", ["plain", "gzip"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(tmp_path: Path, store: Path, hostile: str, wrapping: str) -> None:
    make, cause, words = HOSTILE[hostile]
    path = tmp_path / "archive"
    path.write_bytes(WRAPPINGS[wrapping](make()))
    told = check_untouched(path, store)
    assert told.cause == cause, told
    assert re.search(words, told.message), told


# What only reading a blob shows.
LYING: dict[str, tuple[t.Callable[[], bytes], str]] = {
    "a plain layer of docker's": (lambda: pack(changed(docker(IMAGE, APP), first_layer(docker(IMAGE)), bit_flipped)), "layer.tar"),
    "a layer by its digest": (lambda: pack(changed(oci(IMAGE, APP), OCI_LAYER, bit_flipped)), OCI_LAYER),
    "a layer of an image among five": (lambda: five(oci, "layer"), blob(FIVE[4].layers[0].digest)),
    "a layer of docker's among five": (lambda: five(docker, "layer"), "layer.tar"),
    "two layers in each other's place": (
        lambda: with_entry(Layers=[name for name in docker(IMAGE) if name.endswith("layer.tar")][::-1]),
        "layer.tar",
    ),
}


@pytest.mark.parametrize("wrapping", ["plain", "gzip"])
@pytest.mark.parametrize("lie", LYING)
def test_a_blob_that_is_another_one_is_told_with_its_place_and_no_image_is_loaded(tmp_path: Path, store: Path, lie: str, wrapping: str) -> None:
    make, name = LYING[lie]
    path = tmp_path / "archive"
    path.write_bytes(WRAPPINGS[wrapping](make()))
    told = check_refused(path, store) if wrapping == "plain" else check_untouched(path, store)
    assert told.cause == MISMATCH
    assert re.search(rf"{name} \(at byte \d+\)", told.message), told
    assert "should have the digest" in told.message


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


def test_a_folder_is_read_no_further_than_its_own_files(tmp_path: Path, store: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(IMAGE.content[IMAGE.layers[0].digest])
    folder = archives.unpack({**oci(IMAGE, APP), OCI_LAYER: Link(str(secret))}, tmp_path / "archive")
    assert check_refused(folder, store).cause in ("io_error", MISMATCH)
    (folder / OCI_LAYER).unlink()
    os.mkfifo(folder / OCI_LAYER)
    assert check_refused(folder, store).cause in ("io_error", MISMATCH)
    outside = archives.unpack({"manifest.json": manifest_file(manifest_entry("../secret", [], []))}, tmp_path / "docker")
    assert check_untouched(outside, store).cause == CORRUPT


@pytest.mark.parametrize("hostile", ["a bad checksum in the middle", "a member with escapes", "a config with escapes", "an absent layer"])
def test_the_module_tells_it_in_one_sentence(tmp_path: Path, store: Path, hostile: str) -> None:
    make, cause, words = HOSTILE[hostile]
    path = tmp_path / "archive"
    path.write_bytes(make())
    before = modules.snapshot(store)
    results = modules.fail("image_load", {"path": str(path), "store": str(store)})
    assert results["error"] == cause
    assert re.search(words, results["msg"])
    check_message(results["msg"], path)
    assert modules.snapshot(store) == before


# Bombs.


def zeros(size: int) -> t.Iterator[bytes]:
    yield from [bytes(1 << 20)] * (size >> 20)


def bomb_gzip(beginning: bytes, size: int, end: bytes) -> bytes:
    """A member of zeros in the middle, whose compressed form is one piece many times over."""
    piece = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = piece.compress(bytes(1 << 20)) + piece.flush(zlib.Z_FULL_FLUSH)
    outer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = outer.compress(beginning) + outer.flush(zlib.Z_FULL_FLUSH)
    last = outer.compress(end) + outer.flush()
    crc = zlib.crc32(beginning)
    for chunk in zeros(size):
        crc = zlib.crc32(chunk, crc)
    crc = zlib.crc32(end, crc)
    total = len(beginning) + size + len(end)
    return b"\x1f\x8b\x08" + bytes(7) + first + block * (size >> 20) + last + crc.to_bytes(4, "little") + (total & 0xFFFFFFFF).to_bytes(4, "little")


def bomb_by(compressor: t.Any, beginning: bytes, size: int, end: bytes) -> bytes:
    return b"".join([compressor.compress(beginning), *map(compressor.compress, zeros(size)), compressor.compress(end), compressor.flush()])


MEASURE = """
import resource, sys
from pathlib import Path
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, UnsupportedFormat
from tests.support import archives
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    archives.load(Path(sys.argv[1]), Path(sys.argv[2]))
    said = "loaded"
except LongshoreError as error:
    said = error.message
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said)
"""


def measured(path: Path, store: Path) -> tuple[int, str]:
    """The KiB of memory that loading took beyond what Python takes, and what it said."""
    words = [sys.executable, "-c", MEASURE, str(path), str(store)]
    done = subprocess.run(words, env=modules.environment(), capture_output=True, text=True, timeout=60, check=True)
    memory, _space, said = done.stdout.strip().partition(" ")
    return int(memory), said


BOMBS: dict[str, t.Callable[[bytes, int, bytes], bytes]] = {
    "gzip": bomb_gzip,
    "bzip2": lambda beginning, size, end: bomb_by(bz2.BZ2Compressor(1), beginning, size >> 1, end),
    "xz": lambda beginning, size, end: bomb_by(lzma.LZMACompressor(preset=0), beginning, size, end),
    "zstd": lambda beginning, size, end: bomb_by(zstandard.ZstdCompressor().compressobj(), beginning, size, end),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_little_file_of_very_much_takes_no_memory(tmp_path: Path, store: Path, kind: str) -> None:
    """The zeros are a member that nobody names: it is passed over."""
    size = 256 << 20
    path = tmp_path / "archive"
    path.write_bytes(BOMBS[kind](header(b"%o" % (size >> (kind == "bzip2"))), size, pack(docker(IMAGE, APP))))
    assert path.stat().st_size < size // 500
    memory, said = measured(path, store)
    assert said == "loaded"
    assert memory < 70 << 10
    check_loaded(store, IMAGE, APP)


def test_a_layer_of_very_much_takes_no_memory(tmp_path: Path, store: Path) -> None:
    def bomb(data: bytes) -> bytes:
        return bomb_by(zstandard.ZstdCompressor().compressobj(), b"", 256 << 20, data)

    path = tmp_path / "archive"
    path.write_bytes(pack(archives.compressed_layers(IMAGE, [APP], bomb)))
    memory, said = measured(path, store)
    assert "should hold a layer" in said
    assert memory < 70 << 10


def test_one_compressed_layer_of_many_images_is_read_once(tmp_path: Path, store: Path) -> None:
    files = archives.crane(IMAGE, APP)
    entry = json.loads(t.cast(bytes, files["manifest.json"]))[0]
    many = [{**entry, "RepoTags": [f"many:{number}"]} for number in range(900)]
    for wrapping in ("plain", "gzip"):
        (tmp_path / "archive").write_bytes(WRAPPINGS[wrapping](pack({**files, "manifest.json": manifest_file(*many)})))
        loaded = archives.archive_at(tmp_path / "archive")
        assert len(loaded.images) == 900


def test_too_many_members_are_refused_early(tmp_path: Path, store: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(header(b"0", tarfile.DIRTYPE) * 101_000, 1))
    memory, said = measured(path, store)
    assert "more than can be" in said
    assert memory < 80 << 10


def test_manifests_of_all_images_have_a_bound_together(tmp_path: Path, store: Path) -> None:
    """Many indexes that list one large manifest each would have it in memory many times over."""
    manifest = {**json.loads(IMAGE.content[IMAGE.root.digest]), "annotations": {"x": "x" * 1_000_000}}
    large = encode_canonical(manifest)
    child = Descriptor(media_types.OCI_MANIFEST, Digest.of(large), len(large)).members()
    files = layout(b"", IMAGE)
    files[blob(Digest.of(large))] = large
    entries = []
    for number in range(70):
        index = index_file(child, annotations={"number": str(number)})
        files[blob(Digest.of(index))] = index
        root = Descriptor(media_types.OCI_INDEX, Digest.of(index), len(index))
        entries.append({**root.members(), "annotations": {"io.containerd.image.name": f"many:{number}"}})
    path, before = tmp_path / "archive", modules.snapshot(store)
    for count in (60, 70):
        path.write_bytes(pack({**files, "index.json": index_file(*entries[:count])}))
        if count == 60:
            archives.load(path, tmp_path / "other")
            continue
        with pytest.raises(UnsupportedFormat, match=r"archive tells of more than 67108864 bytes of manifests"):
            archives.load(path, store)
        assert modules.fail("image_info", {"archive": str(path)})["error"] == "unsupported_format"
    assert modules.snapshot(store) == before


# CPU. Each of these is given by how many bytes it takes on disk, and ends within ten seconds of CPU.

CPU = """
import resource, sys
from pathlib import Path
from ansible_collections.longshore.images.plugins.module_utils.archive.summary import summarise
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from tests.support import archives
try:
    if sys.argv[2] == "controller":
        summarise(archives.archive_at(Path(sys.argv[1])))
    else:
        archives.load(Path(sys.argv[1]), Path(sys.argv[2]))
    said = "loaded"
except LongshoreError as error:
    said = f"{error.cause}: {error.message}"
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, said)
"""


def cpu_of(path: Path, place: str) -> tuple[float, str]:
    """The seconds of CPU that loading took, or with "controller" what the action plugin does before it, and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", CPU, str(path), place], env=modules.environment(), capture_output=True, text=True, timeout=120, check=True
    )
    seconds, _space, said = done.stdout.strip().partition(" ")
    return float(seconds), said


def many_members(data: bytes, size: int) -> bytes:
    """A stream that expands to SIZE bytes and more, of members that each expand to 16 MiB."""
    return data * (size // (16 << 20))


SMALL_BOMBS = {
    "gzip": lambda: gzip.compress(bytes(16 << 20)),
    "bzip2": lambda: bz2.compress(bytes(16 << 20)),
    "xz": lambda: lzma.compress(bytes(16 << 20)),
    "zstd": lambda: zstandard.ZstdCompressor().compress(bytes(16 << 20)),
}


@pytest.mark.parametrize("kind", SMALL_BOMBS)
def test_a_little_file_may_not_expand_without_an_end(tmp_path: Path, store: Path, kind: str) -> None:
    path = tmp_path / "archive"
    bomb = SMALL_BOMBS[kind]()
    start = WRAPPINGS[kind](header(b"%o" % (1 << 35)))
    path.write_bytes(start + many_members(bomb, 8 << 30))
    for place in ("controller", str(store)):
        seconds, said = cpu_of(path, place)
        assert "corrupt_archive" in said
        assert "expands to more than" in said
        assert seconds < 10


@pytest.mark.parametrize("wrapping", ["plain", "gzip"])
def test_layers_within_an_archive_may_not_expand_without_an_end(tmp_path: Path, store: Path, wrapping: str) -> None:
    """A compressed archive of compressed layers: some kilobytes would be a hundred gigabytes."""
    bomb = many_members(SMALL_BOMBS["gzip"](), 16 << 30 if wrapping == "gzip" else 2 << 30)
    layers = [f"layer{number}" for number in range(3)]
    diff_ids = [f"sha256:{number:064x}" for number in range(3)]
    files: Files = dict.fromkeys(layers, bomb)
    files["c.json"] = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    files["manifest.json"] = manifest_file({"Config": "c.json", "RepoTags": [APP], "Layers": layers})
    path = tmp_path / "archive"
    path.write_bytes(WRAPPINGS[wrapping](pack(files)))
    for place in ("controller", str(store)):
        seconds, said = cpu_of(path, place)
        assert "corrupt_archive" in said
        assert "expands to more than" in said
        assert seconds < 10


def test_a_compressed_layer_with_many_names_is_expanded_once(tmp_path: Path, store: Path) -> None:
    content = header(b"0", tarfile.DIRTYPE) + bytes(100 << 20)
    diff_id = str(Digest.of(content))
    files: Files = {"layer": gzip.compress(content)}
    names = [f"link{number}" for number in range(900)]
    files.update({name: Link("layer") for name in names})
    files["c.json"] = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id] * len(names)}})
    files["manifest.json"] = manifest_file({"Config": "c.json", "RepoTags": [APP], "Layers": names})
    for wrapping in ("plain", "zstd"):
        path = tmp_path / wrapping
        path.write_bytes(WRAPPINGS[wrapping](pack(files)))
        seconds, said = cpu_of(path, str(store))
        assert said == "loaded"
        assert seconds < 10


def entries_of_one_index(count: int, children: int, layers: int) -> Files:
    """A layout that lists one index COUNT times, under as many names, with CHILDREN manifests of LAYERS layers."""
    files = layout(b"", IMAGE)
    listed = []
    described = [{"mediaType": media_types.OCI_LAYER, "digest": str(IMAGE.layers[0].digest), "size": IMAGE.layers[0].size}] * layers
    for number in range(children):
        manifest = encode_canonical({**json.loads(IMAGE.content[IMAGE.root.digest]), "layers": described, "annotations": {"number": str(number)}})
        files[blob(Digest.of(manifest))] = manifest
        listed.append(Descriptor(media_types.OCI_MANIFEST, Digest.of(manifest), len(manifest)).members())
    index = index_file(*listed)
    files[blob(Digest.of(index))] = index
    root = Descriptor(media_types.OCI_INDEX, Digest.of(index), len(index)).members()
    files["index.json"] = index_file(*({**root, "annotations": {"io.containerd.image.name": f"many:{number}"}} for number in range(count)))
    return files


def large_config(count: int) -> Files:
    """A thousand images with one config of almost 4 MiB, under COUNT names."""
    config = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}, "x": ["y"] * 500_000})
    entries = [{"Config": "c.json", "RepoTags": [f"many:{number}"], "Layers": []} for number in range(count)]
    return {"c.json": config, "manifest.json": manifest_file(*entries)}


def docker_entries(images: int, layers: int, tags: int = 0) -> Files:
    config = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [hex_of(b"x")] * layers}})
    entry = {"Config": "c", "RepoTags": [f"t:{number}" for number in range(tags)], "Layers": ["l"] * layers}
    return {"c": config, "l": b"x", "manifest.json": manifest_file(*[entry] * images)}


EXPENSIVE: dict[str, tuple[t.Callable[[], Files], str]] = {
    "one index under a thousand names": (lambda: entries_of_one_index(1000, 999, 1), "layers in all"),
    "one index of many layers under many names": (lambda: entries_of_one_index(100, 30, 30), "loaded"),
    "a thousand images with one large config": (lambda: large_config(1000), "loaded"),
    "a thousand images of a thousand layers": (lambda: docker_entries(1000, 1000), "unsupported_format"),
    "more layers than there may be": (lambda: docker_entries(900, 120), "layers in all"),
    "more names than there may be": (lambda: docker_entries(20, 1, 600), "names in all"),
}


@pytest.mark.parametrize("case", EXPENSIVE)
def test_what_is_listed_again_and_again_costs_seconds(tmp_path: Path, store: Path, case: str) -> None:
    make, words = EXPENSIVE[case]
    path = tmp_path / "archive"
    path.write_bytes(pack(make()))
    for place in ("controller", str(store)):
        seconds, said = cpu_of(path, place)
        assert words in said or (place == "controller" and said == "loaded")
        assert seconds < 10


# Anything at all.

SMALL = make_image("small", 1)
FUZZED: dict[str, bytes] = {
    "docker": pack(docker(SMALL, "small:1")),
    "oci": pack(oci(SMALL, "small:1")),
    "crane": pack(archives.crane(SMALL, "small:1")),
}


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """DATA with a few of its bytes flipped, put in, left out, moved, or cut off."""
    for _number in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from([1, 1, 2, 8, 100, 512, 1024]))
        kind = draw(st.sampled_from(["flip", "insert", "delete", "cut", "copy", "overwrite"]))
        if kind == "flip" and data:
            data = data[:place] + bytes([data[place] ^ (1 << draw(st.integers(0, 7)))]) + data[place + 1 :]
        elif kind == "insert":
            data = data[:place] + draw(st.binary(min_size=1, max_size=20)) + data[place:]
        elif kind == "delete":
            data = data[:place] + data[place + length :]
        elif kind == "cut":
            data = data[:place]
        elif kind == "copy":
            data = data[:place] + data[place : place + length] + data[place:]
        else:
            new = draw(st.binary(min_size=1, max_size=20))
            data = data[:place] + new + data[place + len(new) :]
    return data


@settings(deadline=None, max_examples=200)
@given(st.data())
@pytest.mark.parametrize("wrapping", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("dialect", FUZZED)
def test_an_altered_archive_is_what_it_was_or_an_error(template: Path, dialect: str, wrapping: str, draw: st.DataObject) -> None:
    data = draw.draw(mutations(WRAPPINGS[wrapping](FUZZED[dialect])))
    with tempfile.TemporaryDirectory() as folder:
        path, store = Path(folder) / "archive", Path(folder) / "store"
        path.write_bytes(data)
        # The store is copied when there is something to load: most archives are refused before.
        try:
            archives.archive_at(path)
            shutil.copytree(template, store)
            archives.load(path, store)
        except LongshoreError as error:
            check_message(error.message, path)
            if store.exists():
                assert names(store) == names(template)
                assert wrong_blobs(store) == leftovers(store) == []
            return
        opened = Store(str(store))
        entries = [entry for entry in opened.index.entries if entry.label != "r.test/old:1"]
        assert entries
        assert wrong_blobs(store) == []
        for entry in entries:
            graph = opened.read_graph(entry)
            assert graph is not None
            [config] = [image.manifest.config for image in graph.images]
            if dialect == "oci":
                assert config.digest == Digest.of(config_of(SMALL))
            else:
                # A docker-archive has no digest for its config, and engines take whatever is there. The layers must be those that it had.
                stored = opened.read_document(config)
                assert stored is not None
                assert ImageConfig.read(stored, "config").diff_ids == ImageConfig.read(config_of(SMALL), "config").diff_ids
            assert opened.find_missing_blobs(entry) == []
