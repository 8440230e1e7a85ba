# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as tools have written them since 2013, made from images of `images`, and helpers that build broken archives.

A dialect is a function that takes an image and its names and returns `Files`. `pack` makes a tar of them, `members` the single members. `load` does what
image_load does, in this process.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import Archive, open_archive
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.layout import CONTAINERD_NAME, REF_NAME
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.places.existing import Existing
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from tests.support.images import Image

BLOCK = 512
END = bytes(2 * BLOCK)
HOST = Platform.parse("linux/amd64")


@dataclasses.dataclass(frozen=True)
class Link:
    target: str
    kind: bytes = tarfile.SYMTYPE


Files = dict[str, t.Union[bytes, Link]]


# Tars.


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", form: t.Literal[0, 1, 2] = tarfile.PAX_FORMAT) -> bytes:
    """Return one member of a tar: its header, its content and the padding."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), target
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % BLOCK)


def members(files: Files) -> list[bytes]:
    parts: list[bytes] = []
    for name, content in files.items():
        parts.append(member(name, b"", content.kind, content.target) if isinstance(content, Link) else member(name, content))
    return parts


def pack(files: Files) -> bytes:
    return b"".join(members(files)) + END


def header(size: bytes, kind: bytes = b"0", name: bytes = b"odd") -> bytes:
    """Return a header with a correct checksum, and SIZE unchanged."""
    block = bytearray(member("a"))
    block[:100] = name.ljust(100, b"\0")
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def record(key: bytes, value: bytes) -> bytes:
    """Return a record `LENGTH KEY=VALUE` of a pax header. The length includes its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def extended(records: bytes, kind: bytes = b"x") -> bytes:
    return header(b"%011o" % len(records), kind) + records + bytes(-len(records) % BLOCK)


# docker-archives.


def config_of(image: Image) -> bytes:
    return image.content[image.graph.images[0].manifest.config.digest]


def layers_of(image: Image) -> list[bytes]:
    """Return the layers as uncompressed tars."""
    return [gzip.decompress(image.content[layer.digest]) for layer in image.graph.images[0].manifest.layers]


def hex_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest_entry(config: str, layers: t.Sequence[str], names: t.Sequence[str]) -> dict[str, t.Any]:
    return {"Config": config, "RepoTags": list(names) or None, "Layers": list(layers)}


def manifest_file(*entries: dict[str, t.Any]) -> bytes:
    return json.dumps(entries).encode()


def docker(image: Image, *names: str) -> Files:
    """Write as `docker save` 1.10 to 24: a folder for each layer as in older formats, and manifest.json."""
    files: Files = {}
    paths = []
    for layer in layers_of(image):
        folder = hex_of(b"v1 " + layer)
        files[f"{folder}/VERSION"] = b"1.0"
        files[f"{folder}/json"] = json.dumps({"id": folder}).encode()
        files[f"{folder}/layer.tar"] = layer
        paths.append(f"{folder}/layer.tar")
    config = config_of(image)
    files[f"{hex_of(config)}.json"] = config
    files["manifest.json"] = manifest_file(manifest_entry(f"{hex_of(config)}.json", paths, names))
    files["repositories"] = b"{}"
    return files


def docker_first(image: Image, *names: str) -> Files:
    """Write as `docker`, but with manifest.json first."""
    files = docker(image, *names)
    return {"manifest.json": files.pop("manifest.json"), **files}


def docker_ancient(image: Image, *names: str) -> Files:
    """Write as `docker save` before 1.10: without manifest.json."""
    files = docker(image, *names)
    return {name: content for name, content in files.items() if name.endswith(("VERSION", "/json", "layer.tar", "repositories"))}


def dotted(image: Image, *names: str) -> Files:
    """Write as `tar -C FOLDER .` packs an unpacked archive."""
    return {f"./{name}": content for name, content in docker(image, *names).items()}


def podman(image: Image, *names: str) -> Files:
    """Write as `podman save`: layers named by digest, and symbolic links to them at docker's paths."""
    files: Files = {}
    config = config_of(image)
    layers = layers_of(image)
    for layer in layers:
        files[f"{hex_of(layer)}.tar"] = layer
    for layer in layers:
        folder = hex_of(b"v1 " + layer)
        files[f"{folder}/layer.tar"] = Link(f"../{hex_of(layer)}.tar")
        files[f"{folder}/VERSION"] = b"1.0"
        files[f"{folder}/json"] = b"{}"
    files[f"{hex_of(config)}.json"] = config
    files["repositories"] = b"{}"
    files["manifest.json"] = manifest_file(manifest_entry(f"{hex_of(config)}.json", [f"{hex_of(layer)}.tar" for layer in layers], names))
    return files


def podman_linked(image: Image, *names: str) -> Files:
    """Write as `podman`, but with a manifest.json that names the links."""
    files = podman(image, *names)
    paths = [name for name, content in files.items() if isinstance(content, Link)]
    files["manifest.json"] = manifest_file(manifest_entry(f"{hex_of(config_of(image))}.json", paths, names))
    return files


def hard_linked(image: Image, *names: str) -> Files:
    files = podman_linked(image, *names)
    targets = {f"{hex_of(b'v1 ' + layer)}/layer.tar": f"{hex_of(layer)}.tar" for layer in layers_of(image)}
    return {name: Link(targets[name], tarfile.LNKTYPE) if isinstance(content, Link) else content for name, content in files.items()}


def crane(image: Image, *names: str) -> Files:
    """Write as crane and kaniko: compressed layers named by their own digests, and a config named by its full digest."""
    config = config_of(image)
    layers = [image.content[layer.digest] for layer in image.graph.images[0].manifest.layers]
    files: Files = {f"sha256:{hex_of(config)}": config}
    files.update({f"{hex_of(layer)}.tar.gz": layer for layer in layers})
    files["manifest.json"] = manifest_file(manifest_entry(f"sha256:{hex_of(config)}", [f"{hex_of(layer)}.tar.gz" for layer in layers], names))
    return files


def compressed_layers(image: Image, names: t.Sequence[str], compress: t.Callable[[bytes], bytes]) -> Files:
    files = docker(image, *names)
    return {name: compress(content) if name.endswith("layer.tar") and isinstance(content, bytes) else content for name, content in files.items()}


# OCI layouts.


def index_entry(image: Image, name: str | None = None, **members: t.Any) -> dict[str, t.Any]:
    named = {"annotations": {CONTAINERD_NAME: name, REF_NAME: name.rpartition(":")[2]}} if name is not None else {}
    return {**dataclasses.replace(image.root, platform=None).to_dict(), **named, **members}


def index_file(*entries: t.Mapping[str, t.Any], **members: t.Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": list(entries), **members}).encode()


def layout(index: bytes, *images: Image, version: str = "1.0.0") -> Files:
    files: Files = {"oci-layout": json.dumps({"imageLayoutVersion": version}).encode(), "index.json": index}
    for image in images:
        files.update({f"blobs/{digest.algorithm}/{digest.hex}": data for digest, data in image.content.items()})
    return files


def oci(image: Image, *names: str) -> Files:
    """Write as BuildKit and `ctr image export`."""
    return layout(index_file(*[index_entry(image, name) for name in names] or [index_entry(image)]), image)


def hybrid(image: Image, *names: str) -> Files:
    """Write as `docker save` since 25: an OCI layout, and manifest.json that names the same blobs."""
    node = image.graph.images[0]
    paths = [f"blobs/sha256/{layer.digest.hex}" for layer in node.manifest.layers]
    return {
        **oci(image, *names),
        "manifest.json": manifest_file(manifest_entry(f"blobs/sha256/{node.manifest.config.digest.hex}", paths, names)),
        "repositories": b"{}",
    }


def without(files: Files, name: str) -> Files:
    return {other: content for other, content in files.items() if other != name}


def changed(files: Files, name: str, change: t.Callable[[bytes], bytes]) -> Files:
    """Return FILES with the content of one file replaced by the result of CHANGE."""
    content = files[name]
    assert isinstance(content, bytes)
    return {**files, name: change(content)}


def blob(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def unpack(files: Files, folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).symlink_to(content.target)
    return folder


# Loading.


def load(path: Path, store: Path, existing: Existing = Existing.OVERWRITE) -> Plan:
    """Load a whole archive, and raise the first error."""
    with Workers(2) as workers:
        options = LoadOptions(HOST, existing=existing)
        plan = plan_load(StoreLoading(Store(str(store), lock_timeout=5)), open_archive(str(path)), options).apply(workers)
    for error in plan.errors:
        raise error
    return plan


def archive_at(path: Path) -> Archive:
    return open_archive(str(path))
