# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real images for tests. Their layers are tars with one file, so every tool can read them.

`make_image` and `make_index` create an image in memory, with the same bytes for the same arguments, `make_artifact` a referrer of another image. Such
an `Image` is a `Source` for transfers, has a graph, and is stored by `image.put(store, "docker.io/library/a:1")`. `image.sparse("linux/amd64")` is the
same index with the content of one platform only. `FakeRepository` takes the place of a registry's repository.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import io
import json
import tarfile
import typing as t

from ansible_collections.longshore.images.plugins.module_utils.errors import ImageNotFound
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph, NamedGraph, read_graph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.index import Entry
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store

CREATED = "2026-01-31T12:00:00Z"


@dataclasses.dataclass(frozen=True)
class Image:
    """A manifest or an index with everything that it references. `content` maps digests to bytes."""

    root: Descriptor
    content: t.Mapping[Digest, bytes]

    def read(self, descriptor: Descriptor) -> bytes | None:
        return self.content.get(descriptor.digest)

    def open(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        """Yield the bytes of a blob in three chunks, as from a network."""
        data = self.content[descriptor.digest]
        third = len(data) // 3 + 1
        yield from (data[start : start + third] for start in range(0, len(data), third))

    @functools.cached_property
    def graph(self) -> Graph:
        graph = read_graph(self.root, "the test's image", self.read)
        assert graph is not None
        return graph

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Return the configs and layers."""
        return self.graph.blobs

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Return the layers of all platforms, each once."""
        return tuple(dict.fromkeys(layer for node in self.graph.images for layer in node.manifest.layers))

    @property
    def digests(self) -> set[Digest]:
        return {descriptor.digest for descriptor in self.graph.content}

    def sparse(self, *platforms: str) -> Image:
        """Return this index with the content of PLATFORMS only."""
        kept = {Platform.parse(text) for text in platforms}
        here: set[Digest] = {self.root.digest}
        for node in self.graph.images:
            if node.platform in kept:
                here |= {node.descriptor.digest, *(blob.digest for blob in node.manifest.blobs)}
        return Image(self.root, {digest: data for digest, data in self.content.items() if digest in here})

    def put(self, store: Store, *names: str, platforms: t.Sequence[str] = ()) -> Entry:
        """Store the image under NAMES as a run would, and return the entry of the first name. PLATFORMS are recorded as the requested ones."""
        with store.open_writer(self.digests) as writer:
            for blob in writer.find_missing_blobs(self.graph, self.blobs):
                writer.put_blob(blob, self.open)
            selection = Selection.parse(platforms) if platforms else None
            writer.publish_images([NamedGraph(self.graph, tuple(Reference.parse(name) for name in names), selection)])
        return store.get_entry(Reference.parse(names[0]))


def make_layer(text: str, size: int = 0) -> bytes:
    """Return a gzipped tar with the file `TEXT.txt`, to which SIZE random bytes are added."""
    noise = b"".join(hashlib.sha256(f"{text} {position}".encode()).digest() for position in range(0, size, 32))[:size]
    data = text.encode() + noise
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(f"{text}.txt")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0)


def make_image(
    text: str = "image", layers: int = 2, platform: str = "linux/amd64", size: int = 0, shared: t.Sequence[bytes] = (), created: str | None = CREATED
) -> Image:
    """Return an image for one platform: the layers SHARED first, then LAYERS new ones whose files contain TEXT and SIZE random bytes."""
    data = [*shared, *(make_layer(f"{text}-{number}", size) for number in range(layers))]
    wanted = Platform.parse(platform)
    config = encode_canonical(
        {
            **({"created": created} if created else {}),
            "os": wanted.os,
            "architecture": wanted.architecture,
            **({"variant": wanted.variant} if wanted.variant else {}),
            "config": {"Cmd": ["/bin/true"], "Labels": {"text": text}},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(gzip.decompress(layer))) for layer in data]},
            "history": [{"created": CREATED, "created_by": f"layer {number}"} for number in range(len(data))],
        }
    )
    manifest = Manifest(
        media_types.OCI_MANIFEST,
        _describe(media_types.OCI_CONFIG, config),
        tuple(_describe(media_types.OCI_LAYER_GZIP, layer) for layer in data),
    ).to_bytes()
    return Image(_describe(media_types.OCI_MANIFEST, manifest, wanted), {Digest.of(item): item for item in (*data, config, manifest)})


def make_index(
    text: str = "index",
    platforms: t.Sequence[str] = ("linux/amd64", "linux/arm64"),
    layers: int = 2,
    size: int = 0,
    shared: t.Sequence[bytes] = (),
) -> Image:
    """Return an index of several platforms, with an image of `make_image` for each."""
    return list_in_index(*(make_image(f"{text}-{platform.replace('/', '-')}", layers, platform, size, shared) for platform in platforms))


def list_in_index(*images: Image) -> Image:
    """Return an index of these images, which may be indexes themselves."""
    index = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [image.root.to_dict() for image in images]})
    content = {digest: data for image in images for digest, data in image.content.items()}
    return Image(_describe(media_types.OCI_INDEX, index), {**content, Digest.of(index): index})


def make_artifact(text: str, subject: Descriptor | None, *, artifact_type: str | None = None, layers: t.Sequence[bytes] | None = None) -> Image:
    """Return an artifact that refers to SUBJECT, such as a signature. Its LAYERS are by default one blob with TEXT."""
    config = b"{}"
    blobs = [text.encode()] if layers is None else list(layers)
    manifest = encode_canonical(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            **({"artifactType": artifact_type} if artifact_type else {}),
            "config": _describe("application/vnd.oci.empty.v1+json", config).to_dict(),
            "layers": [_describe("application/vnd.test", blob).to_dict() for blob in blobs],
            **({"subject": dataclasses.replace(subject, platform=None).to_dict()} if subject is not None else {}),
            "annotations": {"text": text},
        }
    )
    return Image(_describe(media_types.OCI_MANIFEST, manifest), {Digest.of(item): item for item in (config, *blobs, manifest)})


def make_files(
    files: t.Sequence[tuple[str | None, bytes]],
    *,
    media_type: str = "application/octet-stream",
    config_type: str = "application/vnd.oci.empty.v1+json",
    config: bytes = b"{}",
    annotations: t.Mapping[str, str] | None = None,
    layer_annotations: t.Mapping[str, str] | None = None,
) -> Image:
    """Return an artifact of files with titles, as oras makes it; a file without a title has none. LAYER_ANNOTATIONS are added to each layer."""
    layers = []
    for title, data in files:
        own = {**({"org.opencontainers.image.title": title} if title is not None else {}), **(layer_annotations or {})}
        layers.append({**_describe(media_type, data).to_dict(), **({"annotations": own} if own else {})})
    members = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": _describe(config_type, config).to_dict(), "layers": layers}
    manifest = json.dumps({**members, **({"annotations": annotations} if annotations else {})}).encode()
    return Image(
        _describe(media_types.OCI_MANIFEST, manifest), {Digest.of(item): item for item in (config, *(data for _title, data in files), manifest)}
    )


def make_attested_index(text: str, platforms: t.Sequence[str]) -> Image:
    """Return an index as BuildKit makes it: an image for each platform, and for each image a manifest that attests it."""
    images = [make_image(f"{text}-{platform.replace('/', '-')}", 1, platform) for platform in platforms]
    entries = [image.root.to_dict() for image in images]
    content = {digest: data for image in images for digest, data in image.content.items()}
    for image in images:
        layer, config = f'{{"attests":"{image.root.digest}"}}'.encode(), b'{"architecture":"unknown","os":"unknown"}'
        layers = (_describe("application/vnd.in-toto+json", layer),)
        manifest = Manifest(media_types.OCI_MANIFEST, _describe(media_types.OCI_CONFIG, config), layers).to_bytes()
        annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": str(image.root.digest)}
        attested = dataclasses.replace(_describe(media_types.OCI_MANIFEST, manifest, Platform("unknown", "unknown")), annotations=annotations)
        entries.append(attested.to_dict())
        content.update({Digest.of(data): data for data in (layer, config, manifest)})
    index = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries})
    return Image(_describe(media_types.OCI_INDEX, index), {**content, Digest.of(index): index})


def _describe(media_type: str, data: bytes, platform: Platform | None = None) -> Descriptor:
    return Descriptor(media_type, Digest.of(data), len(data), platform)


@dataclasses.dataclass(frozen=True)
class _FakeEndpoint:
    url: str = "https://registry.test"


class FakeRepository:
    """A repository of a registry in memory, for a `Puller`. IMAGES maps full names to images."""

    endpoint = _FakeEndpoint()
    answered_by = _FakeEndpoint.url

    def __init__(self, images: t.Mapping[str, Image]) -> None:
        self.images = images

    def probe(self, reference: Reference) -> Descriptor | None:
        image = self.images.get(str(reference.name))
        return dataclasses.replace(image.root, platform=None) if image is not None else None

    def fetch_manifest(self, reference: Reference) -> Descriptor:
        found = self.probe(reference)
        if found is None:
            raise ImageNotFound(f"{reference} is not there", status=404)
        return found

    def has_blob(self, descriptor: Descriptor) -> bool:
        return any(descriptor.digest in image.content for image in self.images.values())

    def read_document(self, descriptor: Descriptor) -> bytes:
        return next(image.content[descriptor.digest] for image in self.images.values() if descriptor.digest in image.content)

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        image = next(image for image in self.images.values() if descriptor.digest in image.content)
        return image.open(descriptor)


class RemoteRepository(FakeRepository):
    """A repository that serves ranges of blobs. `network` is called before every chunk of 1,000 bytes, and may fail."""

    def __init__(self, images: t.Mapping[str, Image], network: t.Callable[[], object] = lambda: None) -> None:
        super().__init__(images)
        self.network = network

    def read_blob(self, descriptor: Descriptor, offset: int = 0) -> t.Iterator[bytes]:
        return self.read_range(descriptor, offset, descriptor.size)[1]

    def read_range(self, descriptor: Descriptor, start: int, stop: int) -> tuple[bool, t.Generator[bytes, None, None]]:
        return False, self._pieces(b"".join(super().read_blob(descriptor))[start:stop])

    def _pieces(self, data: bytes) -> t.Generator[bytes, None, None]:
        for start in range(0, len(data), 1000):
            self.network()
            yield data[start : start + 1000]
