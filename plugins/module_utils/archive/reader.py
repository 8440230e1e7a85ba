# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives as images: OCI layouts and docker-archives of every age, alone or as the hybrids that newer tools write."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import CorruptArchive, DigestMismatch, ImageNotFound, InvalidReference, UnsupportedFormat
from ..limits import MAX_ARCHIVE_LAYERS, MAX_ARCHIVE_NAMES, MAX_ARCHIVE_READS, MAX_DOCUMENT
from ..oci import media_types
from ..oci.config import ImageConfig
from ..oci.digest import Digest, hash_stream
from ..oci.document import Document
from ..oci.document_reader import Budget
from ..oci.layout import BASE_DIGESTS, CONTAINERD_NAME, ELSEWHERE, INDEX_DIGEST, INDEX_FILE, LAYOUT_FILE, REF_NAME
from ..oci.manifest import Descriptor, Manifest, describe_document
from ..oci.reference import Reference
from ..oci.text import sanitise
from .compression import GZIP, ZSTD, ExpansionLimit, decompress, detect_compression
from .container import Container, open_container
from .tar import NotATar
from .tar_container import CompressedContainer

MANIFEST_FILE = "manifest.json"
REPOSITORIES_FILE = "repositories"

_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]{64}|[0-9a-f]{128})")
_LAYER_TYPES = {None: media_types.OCI_LAYER, GZIP: media_types.OCI_LAYER_GZIP, ZSTD: media_types.OCI_LAYER_ZSTD}


@dataclasses.dataclass(frozen=True)
class ArchivedImage:
    """One image of an archive and its names there. `index` is the digest of the index that the image was saved from, where the archive tells.

    `tags` are the bare words by which a layout calls it, that are no names.
    """

    root: Descriptor
    names: tuple[Reference, ...]
    index: Digest | None = None
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _DockerImage:
    """One entry of `manifest.json`: its config, and each layer's file with the digest that the config promises of its content."""

    config: Descriptor
    layers: tuple[tuple[str, Digest], ...]


@dataclasses.dataclass(frozen=True)
class _Layer:
    """A compressed layer, and the digest of what is in it."""

    descriptor: Descriptor
    content: Digest


class Archive:
    """The images of an archive, as a place that can be read. Content is found by digest; the reader of a blob verifies it."""

    def __init__(self, container: Container) -> None:
        """Raises CorruptArchive, UnsupportedFormat for what is no archive of images."""
        self.path = container.path
        self._container = container
        self._names: dict[Digest, str] = {}
        self._made: dict[Digest, bytes] = {}
        self.base_digests: frozenset[Digest] = frozenset()
        self.elsewhere: frozenset[Digest] = frozenset()
        self._budget = Budget(self.path, MAX_ARCHIVE_READS)
        self._configs: dict[t.Hashable, tuple[Descriptor, tuple[Digest, ...]]] = {}
        self._indexes: dict[Digest, Descriptor | None] = {}
        self._index_blobs()
        self.images = tuple(self._read_images())
        self._refuse_ambiguous_names()

    def _index_blobs(self) -> None:
        for name in self._container.names():
            match = _BLOB.fullmatch(name)
            if match is not None and (match.group(1) == "sha256") == (len(match.group(2)) == 64):
                self._names[Digest(match.group(1), match.group(2))] = name

    # As a place.

    def has_blob(self, digest: Digest) -> bool:
        """Whether the content is here; for the summary of an archive, whether the archive itself has it."""
        return digest in self._names or digest in self._made or digest in self.elsewhere

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """The bytes of a document, hashed; None where the archive doesn't have it. Raises DigestMismatch."""
        made = self._made.get(descriptor.digest)
        if made is not None:
            return made
        name = self._names.get(descriptor.digest)
        if name is None or self._container.size(name) > MAX_DOCUMENT:
            return None
        return descriptor.digest.check(self._container.read(name), self._container.place(name))

    def saved_root(self, image: ArchivedImage) -> Descriptor:
        """The index that the image was saved from, where the archive carries it along; else what the archive lists."""
        if image.index is None:
            return image.root
        if image.index not in self._indexes:
            data = self.read_document(Descriptor("", image.index, 0))
            self._budget.spend(data)
            self._indexes[image.index] = describe_document(data, self.describe_blob(image.index)) if data is not None else None
        return self._indexes[image.index] or image.root

    def check_blob(self, descriptor: Descriptor) -> None:
        """Raises DigestMismatch for a blob of which is known without reading it that it isn't what its descriptor says."""
        name = self._names.get(descriptor.digest)
        if name is not None and self._container.size(name) != descriptor.size:
            raise DigestMismatch(
                f"{self._container.place(name)} has {self._container.size(name)} bytes, but its descriptor says {descriptor.size}",
                digest=descriptor.digest,
            )

    def describe_blob(self, digest: Digest) -> str:
        """Where a blob is in the archive, in words for a message."""
        name = self._names.get(digest)
        return self._container.place(name) if name is not None else f"{self.path}: {digest}"

    def read_blob(self, descriptor: Descriptor) -> t.Iterable[bytes | memoryview]:
        made = self._made.get(descriptor.digest)
        return (made,) if made is not None else self._container.open(self._name_of(descriptor.digest))

    def _name_of(self, digest: Digest) -> str:
        """Raises ImageNotFound for content of a base, which another run may have removed since this one looked for it, CorruptArchive for other."""
        name = self._names.get(digest)
        if name is None:
            raise (ImageNotFound if digest in self.base_digests else CorruptArchive)(f"{self.path} doesn't hold {digest}")
        return name

    # The images.

    def _read_images(self) -> list[ArchivedImage]:
        layout = self._layout_images() if INDEX_FILE in self._container else None
        docker = self._docker_entries() if MANIFEST_FILE in self._container else None
        if layout is not None and (docker is None or _agree(layout, docker)):
            return layout
        if docker is not None:
            return self._docker_images(docker)
        if REPOSITORIES_FILE in self._container:
            raise UnsupportedFormat(
                f"{self.path} is in docker's format of before 2015 (only a file 'repositories'); save it again with a newer docker"
            )
        raise UnsupportedFormat(f"{self.path} holds neither an OCI layout (index.json) nor a docker archive (manifest.json)")

    def _refuse_ambiguous_names(self) -> None:
        digests: dict[Reference, Digest] = {}
        for image in self.images:
            for name in image.names:
                if digests.setdefault(name, image.root.digest) != image.root.digest:
                    raise CorruptArchive(f"{self.path} has the name {name} for two images, {digests[name]} and {image.root.digest}")

    # OCI layouts.

    def _layout_images(self) -> list[ArchivedImage]:
        self._check_layout_version()
        index = Document.parse(self._container.read(INDEX_FILE), f"{self.path}: {INDEX_FILE}")
        self.base_digests = self._read_digests(index, BASE_DIGESTS)
        self.elsewhere = self._read_digests(index, ELSEWHERE)
        images: dict[tuple[Digest, Digest | None], ArchivedImage] = {}
        for entry in index.children("manifests"):
            descriptor = Descriptor.read(entry)
            if not descriptor.is_document:
                continue  # as the specification demands of entries of other types
            listed = descriptor.annotations.get(INDEX_DIGEST)
            saved_from = self._digest(listed, entry.what) if listed is not None else None
            names = self._layout_names(descriptor)
            root = dataclasses.replace(descriptor, annotations={}, platform=None)
            tags = [descriptor.annotations[REF_NAME]] if not names and REF_NAME in descriptor.annotations else []
            known = images.get((root.digest, saved_from), ArchivedImage(root, ()))
            images[root.digest, saved_from] = ArchivedImage(
                root, tuple(dict.fromkeys((*known.names, *names))), saved_from, tuple(dict.fromkeys((*known.tags, *tags)))
            )
        return list(images.values())

    def _check_layout_version(self) -> None:
        if LAYOUT_FILE not in self._container:
            raise CorruptArchive(f"{self.path} has an index.json, but no file oci-layout beside it")
        version = Document.parse(self._container.read(LAYOUT_FILE), f"{self.path}: {LAYOUT_FILE}").required_text("imageLayoutVersion")
        if not version.startswith("1."):
            raise UnsupportedFormat(f"{self.path} is an image layout of version {sanitise(version, 40)}; only version 1 is supported")

    def _read_digests(self, index: Document, annotation: str) -> frozenset[Digest]:
        texts = index.text_map("annotations").get(annotation, "")
        return frozenset(self._digest(text, index.what) for text in texts.split(",") if text)

    def _digest(self, text: str, what: str) -> Digest:
        try:
            return Digest.parse(text)
        except InvalidReference as error:
            raise CorruptArchive(f"{what}: {sanitise(str(error))}") from error

    def _layout_names(self, descriptor: Descriptor) -> list[Reference]:
        """containerd's name comes first; a `ref.name` is a whole name only if it could be no tag."""
        full = descriptor.annotations.get(CONTAINERD_NAME)
        short = descriptor.annotations.get(REF_NAME, "")
        if full is None and "/" not in short and ":" not in short:
            return []
        return [self._name(full or short)]

    def _name(self, text: str) -> Reference:
        try:
            return Reference.parse(text).name
        except InvalidReference as error:
            raise CorruptArchive(f"{self.path} names an image {sanitise(text, 300)!r}, which is no reference: {sanitise(str(error))}") from error

    # docker-archives.

    def _docker_entries(self) -> list[tuple[Document, tuple[Reference, ...]]]:
        """Return the images that `manifest.json` lists, each with its names."""
        entries = Document.parse_list(self._container.read(MANIFEST_FILE), f"{self.path}: {MANIFEST_FILE}")
        counts = [(len(entry.texts("Layers")), len(entry.texts("RepoTags"))) for entry in entries]
        if sum(names for _layers, names in counts) > MAX_ARCHIVE_NAMES:
            raise UnsupportedFormat(f"{self.path}: {MANIFEST_FILE} tells of more than {MAX_ARCHIVE_NAMES} names in all")
        if sum(layers * max(1, names) for layers, names in counts) > MAX_ARCHIVE_LAYERS:
            raise UnsupportedFormat(f"{self.path}: {MANIFEST_FILE} tells of more than {MAX_ARCHIVE_LAYERS} layers in all, once for each name")
        return [(entry, tuple(dict.fromkeys(self._name(tag) for tag in entry.texts("RepoTags")))) for entry in entries]

    def _docker_images(self, entries: t.Sequence[tuple[Document, tuple[Reference, ...]]]) -> list[ArchivedImage]:
        """The images over the configs and layers of a docker-archive as they are. All its compressed layers are read once, whichever images have them."""
        images = [self._docker_image(entry) for entry, _names in entries]
        layers = self._layers({name: diff_id for image in images for name, diff_id in image.layers})
        return [ArchivedImage(self._make_manifest(image, layers), names) for image, (_entry, names) in zip(images, entries)]

    def _docker_image(self, entry: Document) -> _DockerImage:
        """The image's ID is the digest of the config's bytes, as for every engine, even if the file is called after another digest."""
        config_name = self._existing(entry.required_text("Config"), entry.what)
        place = self._container.place(config_name)
        config, diff_ids = self._config(config_name)
        names = [self._existing(name, entry.what) for name in entry.texts("Layers")]
        if len(names) != len(diff_ids):
            raise CorruptArchive(f"{entry.what} has {len(names)} layers, but its config {place} has {len(diff_ids)}")
        self._names[config.digest] = config_name
        return _DockerImage(config, tuple(zip(names, diff_ids)))

    def _config(self, name: str) -> tuple[Descriptor, tuple[Digest, ...]]:
        """Return the descriptor of a config and its diff_ids. A thousand images may have one config, which is parsed once."""
        key = self._container.identity(name)
        if key not in self._configs:
            data = self._container.read(name)
            self._budget.spend(data)
            config = ImageConfig.read(data, self._container.place(name))
            self._configs[key] = (Descriptor(media_types.OCI_CONFIG, Digest.of(data), len(data)), config.diff_ids)
        return self._configs[key]

    def _make_manifest(self, image: _DockerImage, layers: t.Mapping[str, _Layer]) -> Descriptor:
        """Always the same manifest for the same content. Raises CorruptArchive for a layer that has other content than the config promises."""
        descriptors = tuple(self._layer(name, diff_id, layers) for name, diff_id in image.layers)
        data = Manifest(media_types.OCI_MANIFEST, image.config, descriptors).to_bytes()
        root = Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data))
        self._made[root.digest] = data
        return root

    def _existing(self, name: str, what: str) -> str:
        plain = "/".join(part for part in name.split("/") if part not in ("", "."))
        if plain not in self._container:
            raise CorruptArchive(f"{what} names {sanitise(name, 200)!r}, which is not in the archive")
        return plain

    def _layers(self, diff_ids: t.Mapping[str, Digest]) -> dict[str, _Layer]:
        """The compressed ones of these layer files."""
        kinds = {name: detect_compression(self._container.beginning(name)) for name in diff_ids}
        for name, kind in kinds.items():
            if kind not in _LAYER_TYPES:
                raise UnsupportedFormat(
                    f"{self._container.place(name)} is a layer compressed with {kind}; only gzip and zstd are layers' compressions"
                )
        # Links are names of one file, which is expanded once for all of them.
        same: dict[tuple[t.Hashable, str], list[str]] = {}
        for name, kind in kinds.items():
            if kind is not None:
                same.setdefault((self._container.identity(name), diff_ids[name].algorithm), []).append(name)
        names = {first: (first, *others) for first, *others in same.values()}
        limit = ExpansionLimit(f"{self.path}: a compressed layer", self._container.disk_size(names))
        layers: dict[str, _Layer] = {}
        for name, chunks in self._container.stream(list(names)):
            kind = str(kinds[name])
            content, _size = hash_stream(decompress(_as_bytes(chunks), kind, self._container.place(name), limit), diff_ids[name].algorithm)
            digest = self._container.digest(name)
            self._names[digest] = name
            layer = _Layer(Descriptor(_LAYER_TYPES[kind], digest, self._container.size(name)), content)
            layers.update(dict.fromkeys(names[name], layer))
        return layers

    def _layer(self, name: str, diff_id: Digest, compressed: t.Mapping[str, _Layer]) -> Descriptor:
        """A plain tar must have the digest that the config promises, and is checked when it is taken in; a compressed one was read before."""
        if name not in compressed:
            self._names[diff_id] = name
            return Descriptor(media_types.OCI_LAYER, diff_id, self._container.size(name))
        if compressed[name].content != diff_id:
            raise CorruptArchive(f"{self._container.place(name)} should hold a layer {diff_id}, but holds {compressed[name].content}")
        return compressed[name].descriptor


class CompressedArchive(Archive):
    """An archive that can only be read from front to back: several blobs are taken out of it in one reading."""

    def __init__(self, container: CompressedContainer) -> None:
        super().__init__(container)
        self._stream = container.stream

    def check_blob(self, descriptor: Descriptor) -> None:
        """All was hashed when the archive was read first."""
        super().check_blob(descriptor)
        name = self._names.get(descriptor.digest)
        if name is not None and descriptor.digest.algorithm == "sha256" and self._container.digest(name) != descriptor.digest:
            found = self._container.digest(name)
            raise DigestMismatch(
                f"{self._container.place(name)} should have the digest {descriptor.digest}, but its bytes have {found}", digest=descriptor.digest
            )

    def read_in_order(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, t.Iterable[bytes]]]:
        """The blobs WANTED in the order of the archive, each to be read before the next is asked for."""
        by_name: dict[str, list[Descriptor]] = {}
        for descriptor in wanted:
            made = self._made.get(descriptor.digest)
            if made is not None:
                yield descriptor, (made,)
            else:
                by_name.setdefault(self._name_of(descriptor.digest), []).append(descriptor)
        while by_name:
            for name, chunks in self._stream(list(by_name)):
                yield by_name[name].pop(), chunks
            by_name = {name: others for name, others in by_name.items() if others}


def _agree(layout: t.Sequence[ArchivedImage], docker: t.Sequence[tuple[Document, tuple[Reference, ...]]]) -> bool:
    """Whether the OCI side has all that docker's side has, by name: then its digests are the better ones, since they are the registry's.

    Entries with the same files are one image under several names.
    """
    named = {name for image in layout for name in image.names}
    images = {(entry.required_text("Config"), tuple(entry.texts("Layers"))) for entry, _names in docker}
    return {name for _entry, names in docker for name in names} <= named and len(layout) >= len(images)


def open_archive(path: str) -> Archive:
    """The archive at PATH: a tar, a compressed tar or a folder. Raises CorruptArchive, UnsupportedFormat, DigestMismatch, InputOutputError."""
    try:
        container = open_container(path)
    except NotATar as error:
        kinds = "a tar, plain or compressed with gzip, bzip2, xz or zstd, or a folder with an OCI layout"
        raise CorruptArchive(f"{error.message}; an archive of images is {kinds}") from error
    return CompressedArchive(container) if isinstance(container, CompressedContainer) else Archive(container)


def _as_bytes(chunks: t.Iterable[bytes | memoryview]) -> t.Iterator[bytes]:
    return (bytes(chunk) for chunk in chunks)
