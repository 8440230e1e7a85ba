# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker archives whose manifest.json, config or layers are broken or hostile: one clear error, and an untouched store."""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from tests.support import archives
from tests.support.archive_checks import check_archive_refused, check_module_refuses
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    CORRUPT,
    DIGEST,
    ESCAPE,
    FIVE_IMAGES,
    IMAGE,
    UNSUPPORTED,
    docker_members,
    first_layer,
    five_images,
    flip_bit,
    with_entry,
    with_members,
    zstd,
)
from tests.support.archives import (
    changed,
    config_of,
    docker,
    hex_of,
    manifest_entry,
    manifest_file,
    member,
    pack,
    without,
)


def with_config(**changes: t.Any) -> bytes:
    """Return a docker-archive with a changed config that is correctly named by its digest."""
    config = encode_canonical({**json.loads(config_of(IMAGE)), **changes})
    files = without(docker(IMAGE, APP), f"{hex_of(config_of(IMAGE))}.json")
    name = f"{hex_of(config)}.json"
    return pack(changed({**files, name: config}, "manifest.json", lambda data: manifest_file({**json.loads(data)[0], "Config": name})))


def with_layers(change: t.Callable[[bytes], bytes]) -> bytes:
    return pack(archives.compressed_layers(IMAGE, [APP], change))


def manifest_json(data: bytes) -> bytes:
    return pack({**docker(IMAGE, APP), "manifest.json": data})


def with_unprintable_name(content: bytes, is_config: bool) -> bytes:
    """Return a docker-archive with a config or layers under a name that is not UTF-8 and contains terminal escapes."""
    name = f"{ESCAPE}\udcff"
    entry = manifest_entry(name if is_config else f"{hex_of(config_of(IMAGE))}.json", [] if is_config else [name, name], [])
    return pack({**docker(IMAGE), name: content, "manifest.json": manifest_file(entry)})


def with_one_name_for_two_images() -> bytes:
    both = [docker(image, APP) for image in (FIVE_IMAGES[0], IMAGE)]
    entries = [json.loads(t.cast(bytes, files["manifest.json"]))[0] for files in both]
    return pack({**both[0], **both[1], "manifest.json": manifest_file(*entries)})


# Each case: the archive, the expected error, and a pattern that its message matches. All are refused before anything is written.
BROKEN_DOCKER_ARCHIVES: dict[str, tuple[t.Callable[[], bytes], str, str]] = {
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
    "a config that is a layer": (
        lambda: with_entry(Config=first_layer(docker(IMAGE))),
        UNSUPPORTED,
        "layer.tar.*(not a valid JSON|is not a document)",
    ),
    "a config without layers": (lambda: with_config(rootfs={"type": "layers"}), CORRUPT, "has 2 layers, but its config .* has 0"),
    "a config with unusual digests": (lambda: with_config(rootfs={"diff_ids": ["sha256:1", "md5:2"]}), UNSUPPORTED, "is not a digest"),
    "a layer too few": (lambda: with_entry(Layers=[first_layer(docker(IMAGE))]), CORRUPT, "has 1 layers, but its config .* has 2"),
    "a layer too many": (lambda: with_entry(Layers=[first_layer(docker(IMAGE))] * 3), CORRUPT, "has 3 layers, but its config .* has 2"),
    "a layer that isn't there": (lambda: pack(without(docker(IMAGE, APP), first_layer(docker(IMAGE)))), CORRUPT, "layer.tar', which is not in the"),
    "a gzip layer of other content": (
        lambda: with_layers(lambda data: gzip.compress(flip_bit(data))),
        CORRUPT,
        r"at byte \d+\) should contain the layer",
    ),
    "a gzip layer that is cut": (lambda: with_layers(lambda data: gzip.compress(data)[:-9]), CORRUPT, r"layer.tar \(at byte \d+\) .*ends too early"),
    "a gzip layer that is damaged": (lambda: with_layers(lambda data: gzip.compress(data)[:-8] + bytes(8)), CORRUPT, "layer.tar .*damaged gzip"),
    "a zstd layer that is cut": (lambda: with_layers(lambda data: zstd(data)[:-2]), CORRUPT, "layer.tar .*ends too early"),
    "xz layers": (lambda: with_layers(lzma.compress), UNSUPPORTED, "compressed with xz"),
    "a name that is none": (lambda: with_entry(RepoTags=["UPPER:1"]), CORRUPT, "'UPPER:1', which is not a valid reference"),
    "a name that is a digest": (lambda: with_entry(RepoTags=[DIGEST]), CORRUPT, "is a digest or an ID"),
    "a name with a digest that lies": (lambda: with_entry(RepoTags=[f"app@{DIGEST}"]), CORRUPT, "for an image with another digest"),
    "a name with escapes": (lambda: with_entry(RepoTags=[ESCAPE]), CORRUPT, "not a valid reference"),
    "a name that is no text": (lambda: with_entry(RepoTags=["\udcff"]), CORRUPT, "not a valid reference"),
    "names of the wrong kind": (lambda: with_entry(RepoTags="app:1"), UNSUPPORTED, "RepoTags is not a list"),
    "a member with escapes": (lambda: with_members(3, member(f"../{ESCAPE}")), CORRUPT, "lies outside"),
    "a member that is no text": (lambda: with_members(3, member("../\udcff")), CORRUPT, "lies outside"),
    "a link with escapes": (lambda: with_members(3, member("x", kind=tarfile.SYMTYPE, target=ESCAPE)), CORRUPT, "not a file in the archive"),
    "a cut member with escapes": (lambda: docker_members()[0] + member(f"{ESCAPE}\udcff", b"x" * 999)[:-1], CORRUPT, "in the middle of"),
    "a config with escapes": (lambda: with_unprintable_name(b"{", True), UNSUPPORTED, "not a valid JSON"),
    "a layer with escapes": (lambda: with_unprintable_name(lzma.compress(b""), False), UNSUPPORTED, "compressed with xz"),
    "a missing layer with escapes": (lambda: with_entry(Layers=[ESCAPE + "\udcff"]), CORRUPT, "not in the archive"),
    "one name for two images": (with_one_name_for_two_images, CORRUPT, f"{APP} for two images"),
    "a bad config of five": (lambda: five_images(docker, "config"), UNSUPPORTED, "is not a valid JSON|is not a document"),
}


@pytest.mark.parametrize("compression", ["plain", "gzip"])
@pytest.mark.parametrize("case", BROKEN_DOCKER_ARCHIVES)
def test_a_broken_docker_archive_is_refused_before_anything_is_written(tmp_path: Path, store: Path, case: str, compression: str) -> None:
    make, cause, pattern = BROKEN_DOCKER_ARCHIVES[case]
    check_archive_refused(COMPRESSIONS[compression](make()), tmp_path, store, cause, pattern)


@pytest.mark.parametrize("case", ["a member with escapes", "a config with escapes"])
def test_the_module_reports_a_broken_docker_archive_in_one_sentence(tmp_path: Path, store: Path, case: str) -> None:
    make, cause, pattern = BROKEN_DOCKER_ARCHIVES[case]
    path = tmp_path / "archive"
    path.write_bytes(make())
    check_module_refuses(path, store, cause, pattern)
