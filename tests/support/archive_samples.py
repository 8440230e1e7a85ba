# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sample images, the archive formats that tools write, and broken variants of these archives."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import typing as t

import zstandard

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from tests.support import archives
from tests.support.archives import (
    END,
    Files,
    blob,
    changed,
    config_of,
    docker,
    hex_of,
    hybrid,
    index_file,
    manifest_file,
    members,
    oci,
    pack,
)
from tests.support.images import make_image

APP = "docker.io/library/app:1"
IMAGE = make_image("app")
FIVE_IMAGES = [make_image(f"five-{number}", 1) for number in range(5)]
ESCAPE = "\x1b]0;owned\x07\x9b31m"
DIGEST = f"sha256:{'0' * 64}"
OCI_LAYER = blob(IMAGE.layers[0].digest)
CORRUPT, UNSUPPORTED, MISMATCH = "corrupt_archive", "unsupported_format", "digest_mismatch"


def gzip_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(b"") + gzip.compress(data[half:])


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


COMPRESSIONS: dict[str, t.Callable[[bytes], bytes]] = {
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
FORMATS: dict[str, t.Callable[..., Files]] = {
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


def first_layer(files: Files) -> str:
    return next(name for name in files if name.endswith("layer.tar"))


def flip_bit(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def drop_opening_bracket(data: bytes) -> bytes:
    return b" " + data[1:]


def docker_members(files: Files | None = None) -> list[bytes]:
    return members(files if files is not None else docker(IMAGE, APP))


def with_members(position: int, *new: bytes) -> bytes:
    """Return a good archive with NEW members inserted at POSITION."""
    good = docker_members()
    return b"".join([*good[:position], *new, *good[position:]]) + END


def with_entry(**changes: t.Any) -> bytes:
    """Return a docker-archive with CHANGES in the entry of manifest.json."""
    return pack(changed(docker(IMAGE, APP), "manifest.json", lambda data: manifest_file({**json.loads(data)[0], **changes})))


def five_images(dialect: t.Callable[..., Files], bad: str) -> bytes:
    """Return an archive of five images. BAD names the damaged file of the last one."""
    files: Files = {}
    entries: list[dict[str, t.Any]] = []
    for number, image in enumerate(FIVE_IMAGES):
        one = dialect(image, f"five:{number}")
        if dialect is docker:
            entries += json.loads(t.cast(bytes, one["manifest.json"]))
            files.update(one, **{"manifest.json": manifest_file(*entries)})
        else:
            entries += json.loads(t.cast(bytes, one["index.json"]))["manifests"]
            files.update(one, **{"index.json": index_file(*entries)})
    last = {
        "layer": first_layer(docker(FIVE_IMAGES[4])) if dialect is docker else blob(FIVE_IMAGES[4].layers[0].digest),
        "config": f"{hex_of(config_of(FIVE_IMAGES[4]))}.json" if dialect is docker else blob(Digest.of(config_of(FIVE_IMAGES[4]))),
        "manifest": blob(FIVE_IMAGES[4].root.digest),
    }[bad]
    # A docker-archive has no digest for a config: only an unreadable config is detected.
    return pack(changed(files, last, drop_opening_bracket if dialect is docker and bad == "config" else flip_bit))
