# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the images of an archive: an OCI layout, a docker-archive of any version since 2015, or both in one file as newer tools write."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import CorruptArchive, ImageNotFound, InvalidReference, UnsupportedFormat
from ..limits import MAX_ARCHIVE_LAYERS, MAX_ARCHIVE_NAMES, MAX_ARCHIVE_READS, MAX_DOCUMENT, MAX_TOGETHER, MAX_VALUES
from ..oci import media_types
from ..oci.config import ImageConfig
from ..oci.digest import Digest, DigestMismatch, hash_stream
from ..oci.document import Document
from ..oci.document_reader import Budget
from ..oci.layout import BASE_DIGESTS, CONTAINERD_NAME, ELSEWHERE, INDEX_DIGEST, INDEX_FILE, LAYOUT_FILE, REF_NAME, REFERRER_NAME
from ..oci.manifest import Descriptor, Manifest, describe_document
from ..oci.reference import Reference
from ..oci.text import sanitise
from .compression import GZIP, ZSTD, ExpansionLimit, decompress, detect_compression
from .container import Container, open_container
from .tar import NotATar
from .tar_container import StreamContainer

MANIFEST_FILE = "manifest.json"
REPOSITORIES_FILE = "repositories"

_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]{64}|[0-9a-f]{128})")
_LAYER_TYPES = {None: media_types.OCI_LAYER, GZIP: media_types.OCI_LAYER_GZIP, ZSTD: media_types.OCI_LAYER_ZSTD}


@dataclasses.dataclass(frozen=True)
class ArchivedImage:
    """One image of an archive and its names. `index` is the digest of the index that the image was saved from, if the archive contains it.

    `tags` are the values of `ref.name` in a layout that are tags without a repository.
    """

    root: Descriptor
    names: tuple[Reference, ...]
    index: Digest | None = None
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _DockerImage:
    """One entry of `manifest.json`: its config, and each layer file with the diff_id that the config has for it."""

    config: Descriptor
    layers: tuple[tuple[str, Digest], ...]


@dataclasses.dataclass(frozen=True)
class _CompressedLayer:
    """A compressed layer, and the digest of its uncompressed content."""

    descriptor: Descriptor
    content: Digest


class Archive:
    """The images of an archive, as a place to read from. Content is found by digest; the caller must verify the blobs that it reads."""

    def __init__(self, container: Container) -> None:
        """Read the names and documents. Raises CorruptArchive, or UnsupportedFormat if it is not an archive of images."""
        self.path = container.path
        self._container = container
        self._names: dict[Digest, str] = {}
        self._created: dict[Digest, bytes] = {}
        self.base_digests: frozenset[Digest] = frozenset()
        self.elsewhere: frozenset[Digest] = frozenset()
        self._budget = Budget(self.path, MAX_ARCHIVE_READS, MAX_TOGETHER, MAX_VALUES)
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

    # The archive as a place.

    def has_blob(self, digest: Digest) -> bool:
        """Return True if the archive has the blob. For the summary of an archive: if the archive itself has it."""
        return digest in self._names or digest in self._created or digest in self.elsewhere

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """Return the verified bytes of a document, or None if the archive doesn't have it. Raises DigestMismatch."""
        created = self._created.get(descriptor.digest)
        if created is not None:
            return created
        name = self._names.get(descriptor.digest)
        if name is None or self._container.size(name) > MAX_DOCUMENT:
            return None
        return descriptor.digest.check(self._container.read(name), self._container.locate(name))

    def saved_root(self, image: ArchivedImage) -> Descriptor:
        """Return the index that the image was saved from if the archive contains it, else the root that the archive lists."""
        if image.index is None:
            return image.root
        if image.index not in self._indexes:
            data = self.read_document(Descriptor("", image.index, 0))
            self._budget.spend(data)
            self._indexes[image.index] = describe_document(data, self.describe_blob(image.index)) if data is not None else None
        return self._indexes[image.index] or image.root

    def check_blob(self, descriptor: Descriptor) -> None:
        """Raise DigestMismatch if the blob doesn't match its descriptor, as far as that is known without reading the blob."""
        name = self._names.get(descriptor.digest)
        if name is not None and self._container.size(name) != descriptor.size:
            raise DigestMismatch(
                f"{self._container.locate(name)} has {self._container.size(name)} bytes, but its descriptor says {descriptor.size}",
                digest=descriptor.digest,
            )

    def describe_blob(self, digest: Digest) -> str:
        """Return a text for messages that says where a blob is in the archive."""
        name = self._names.get(digest)
        return self._container.locate(name) if name is not None else f"{self.path}: {digest}"

    def read_blob(self, descriptor: Descriptor) -> t.Iterable[bytes | memoryview]:
        """Return the bytes of a blob in pieces, not verified. Raises CorruptArchive or ImageNotFound if it is missing."""
        created = self._created.get(descriptor.digest)
        return (created,) if created is not None else self._container.open(self._name_of(descriptor.digest))

    def _name_of(self, digest: Digest) -> str:
        """Return the name of the file of a blob.

        Raises ImageNotFound if a blob of a base is missing, because another run may have deleted it since, and CorruptArchive for any other blob.
        """
        name = self._names.get(digest)
        if name is None:
            raise (ImageNotFound if digest in self.base_digests else CorruptArchive)(f"{self.path} doesn't contain {digest}")
        return name

    # The images.

    def _read_images(self) -> list[ArchivedImage]:
        layout = self._read_layout() if INDEX_FILE in self._container else None
        docker = self._read_docker_entries() if MANIFEST_FILE in self._container else None
        if layout is not None and (docker is None or _layout_has_all(layout, docker)):
            return layout
        if docker is not None:
            return self._build_docker_images(docker)
        if REPOSITORIES_FILE in self._container:
            raise UnsupportedFormat(
                f"{self.path} is in docker's format of before 2015 (only a file 'repositories'); save it again with a newer docker"
            )
        raise UnsupportedFormat(f"{self.path} contains neither an OCI layout (index.json) nor a docker archive (manifest.json)")

    def _refuse_ambiguous_names(self) -> None:
        digests: dict[Reference, Digest] = {}
        for image in self.images:
            for name in image.names:
                if digests.setdefault(name, image.root.digest) != image.root.digest:
                    raise CorruptArchive(f"{self.path} has the name {name} for two images, {digests[name]} and {image.root.digest}")

    # OCI layouts.

    def _read_layout(self) -> list[ArchivedImage]:
        self._check_layout_version()
        index = Document.parse(self._container.read(INDEX_FILE), f"{self.path}: {INDEX_FILE}")
        self.base_digests = self._read_digests(index, BASE_DIGESTS)
        self.elsewhere = self._read_digests(index, ELSEWHERE)
        images: dict[tuple[Digest, Digest | None], ArchivedImage] = {}
        for entry in index.children("manifests"):
            descriptor = Descriptor.read(entry)
            if not descriptor.is_document:
                continue  # the specification requires to ignore entries of other types
            listed = descriptor.annotations.get(INDEX_DIGEST)
            saved_from = self._parse_digest(listed, entry.what) if listed is not None else None
            names = self._find_layout_names(descriptor)
            root = dataclasses.replace(descriptor, annotations={}, platform=None)
            tags = [descriptor.annotations[REF_NAME]] if not names and REF_NAME in descriptor.annotations else []
            image = images.get((root.digest, saved_from), ArchivedImage(root, ()))
            images[root.digest, saved_from] = ArchivedImage(
                root, tuple(dict.fromkeys((*image.names, *names))), saved_from, tuple(dict.fromkeys((*image.tags, *tags)))
            )
        return list(images.values())

    def _check_layout_version(self) -> None:
        if LAYOUT_FILE not in self._container:
            raise CorruptArchive(f"{self.path} has an index.json, but no file oci-layout next to it")
        version = Document.parse(self._container.read(LAYOUT_FILE), f"{self.path}: {LAYOUT_FILE}").required_text("imageLayoutVersion")
        if not version.startswith("1."):
            raise UnsupportedFormat(f"{self.path} is an image layout of version {sanitise(version, 40)}; only version 1 is supported")

    def _read_digests(self, index: Document, annotation: str) -> frozenset[Digest]:
        texts = index.text_map("annotations").get(annotation, "")
        return frozenset(self._parse_digest(text, index.what) for text in texts.split(",") if text)

    def _parse_digest(self, text: str, what: str) -> Digest:
        try:
            return Digest.parse(text)
        except InvalidReference as error:
            raise CorruptArchive(f"{what}: {sanitise(str(error))}") from error

    def _find_layout_names(self, descriptor: Descriptor) -> list[Reference]:
        """Return the name in the annotation of containerd or in that for referrers, else `ref.name` if it is a full name and not just a tag."""
        full = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(REFERRER_NAME)
        short = descriptor.annotations.get(REF_NAME, "")
        if full is None and "/" not in short and ":" not in short:
            return []
        return [self._parse_name(full or short)]

    def _parse_name(self, text: str) -> Reference:
        try:
            return Reference.parse(text).name
        except InvalidReference as error:
            raise CorruptArchive(
                f"{self.path} names an image {sanitise(text, 300)!r}, which is not a valid reference: {sanitise(str(error))}"
            ) from error

    # docker-archives.

    def _read_docker_entries(self) -> list[tuple[Document, tuple[Reference, ...]]]:
        """Return the images that `manifest.json` lists, each with its names."""
        entries = Document.parse_list(self._container.read(MANIFEST_FILE), f"{self.path}: {MANIFEST_FILE}")
        counts = [(len(entry.texts("Layers")), len(entry.texts("RepoTags"))) for entry in entries]
        if sum(names for _layers, names in counts) > MAX_ARCHIVE_NAMES:
            raise UnsupportedFormat(f"{self.path}: {MANIFEST_FILE} lists more than {MAX_ARCHIVE_NAMES} names in total")
        if sum(layers * max(1, names) for layers, names in counts) > MAX_ARCHIVE_LAYERS:
            raise UnsupportedFormat(f"{self.path}: {MANIFEST_FILE} lists more than {MAX_ARCHIVE_LAYERS} layers in total, counted once for each name")
        return [(entry, tuple(dict.fromkeys(self._parse_name(tag) for tag in entry.texts("RepoTags")))) for entry in entries]

    def _build_docker_images(self, entries: t.Sequence[tuple[Document, tuple[Reference, ...]]]) -> list[ArchivedImage]:
        """Return the images of a docker-archive with its configs and layers unchanged. Each compressed layer is read only once, even if images share it."""
        images = [self._read_docker_entry(entry) for entry, _names in entries]
        layers = self._read_compressed_layers({name: diff_id for image in images for name, diff_id in image.layers})
        return [ArchivedImage(self._make_manifest(image, layers), names) for image, (_entry, names) in zip(images, entries)]

    def _read_docker_entry(self, entry: Document) -> _DockerImage:
        """Return one entry with its config and layers.

        The image ID is the digest of the bytes of the config, as in every engine, even if the name of the file contains another digest.
        """
        config_name = self._require_file(entry.required_text("Config"), entry.what)
        place = self._container.locate(config_name)
        config, diff_ids = self._read_config(config_name)
        names = [self._require_file(name, entry.what) for name in entry.texts("Layers")]
        if len(names) != len(diff_ids):
            raise CorruptArchive(f"{entry.what} has {len(names)} layers, but its config {place} has {len(diff_ids)}")
        self._names[config.digest] = config_name
        return _DockerImage(config, tuple(zip(names, diff_ids)))

    def _read_config(self, name: str) -> tuple[Descriptor, tuple[Digest, ...]]:
        """Return the descriptor of a config and its diff_ids. Many images may share one config, which is parsed only once."""
        key = self._container.identity(name)
        if key not in self._configs:
            data = self._container.read(name)
            self._budget.spend(data)
            config = ImageConfig.read(data, self._container.locate(name))
            self._configs[key] = (Descriptor.of(media_types.OCI_CONFIG, data), config.diff_ids)
        return self._configs[key]

    def _make_manifest(self, image: _DockerImage, layers: t.Mapping[str, _CompressedLayer]) -> Descriptor:
        """Create a manifest, always the same for the same content, and return its descriptor.

        Raises CorruptArchive if the content of a layer doesn't match its diff_id in the config.
        """
        descriptors = tuple(self._describe_layer(name, diff_id, layers) for name, diff_id in image.layers)
        data = Manifest(media_types.OCI_MANIFEST, image.config, descriptors).to_bytes()
        root = Descriptor.of(media_types.OCI_MANIFEST, data)
        self._created[root.digest] = data
        return root

    def _require_file(self, name: str, what: str) -> str:
        plain = "/".join(part for part in name.split("/") if part not in ("", "."))
        if plain not in self._container:
            raise CorruptArchive(f"{what} names {sanitise(name, 200)!r}, which is not in the archive")
        return plain

    def _read_compressed_layers(self, diff_ids: t.Mapping[str, Digest]) -> dict[str, _CompressedLayer]:
        """Return the compressed layers among these layer files, by name."""
        kinds = {name: detect_compression(self._container.first_bytes(name)) for name in diff_ids}
        for name, kind in kinds.items():
            if kind not in _LAYER_TYPES:
                raise UnsupportedFormat(
                    f"{self._container.locate(name)} is a layer compressed with {kind}; only gzip and zstd are supported for layers"
                )
        # Links are other names of one file, which is decompressed only once.
        same: dict[tuple[t.Hashable, str], list[str]] = {}
        for name, kind in kinds.items():
            if kind is not None:
                same.setdefault((self._container.identity(name), diff_ids[name].algorithm), []).append(name)
        names = {first: (first, *others) for first, *others in same.values()}
        limit = ExpansionLimit(f"{self.path}: a compressed layer", self._container.disk_size(names))
        layers: dict[str, _CompressedLayer] = {}
        for name, chunks in self._container.stream(list(names)):
            kind = str(kinds[name])
            content, _size = hash_stream(decompress(_as_bytes(chunks), kind, self._container.locate(name), limit), diff_ids[name].algorithm)
            digest = self._container.digest(name)
            self._names[digest] = name
            layer = _CompressedLayer(Descriptor(_LAYER_TYPES[kind], digest, self._container.size(name)), content)
            layers.update(dict.fromkeys(names[name], layer))
        return layers

    def _describe_layer(self, name: str, diff_id: Digest, compressed: t.Mapping[str, _CompressedLayer]) -> Descriptor:
        """Return the descriptor of a layer.

        An uncompressed tar must have the digest DIFF_ID, and the reader of the blob verifies it. A compressed layer was read and hashed before.
        """
        if name not in compressed:
            self._names[diff_id] = name
            return Descriptor(media_types.OCI_LAYER, diff_id, self._container.size(name))
        if compressed[name].content != diff_id:
            raise CorruptArchive(f"{self._container.locate(name)} should contain the layer {diff_id}, but contains {compressed[name].content}")
        return compressed[name].descriptor


class StreamedArchive(Archive):
    """An archive that must be read from its beginning, such as a compressed one. `read_in_order` reads several blobs in one pass."""

    def __init__(self, container: StreamContainer) -> None:
        super().__init__(container)
        self._stream = container.stream

    def check_blob(self, descriptor: Descriptor) -> None:
        """Raise DigestMismatch if the blob doesn't match its descriptor: all blobs were hashed in the first pass."""
        super().check_blob(descriptor)
        name = self._names.get(descriptor.digest)
        if name is not None and descriptor.digest.algorithm == "sha256" and self._container.digest(name) != descriptor.digest:
            found = self._container.digest(name)
            raise DigestMismatch(
                f"{self._container.locate(name)} should have the digest {descriptor.digest}, but its bytes have {found}", digest=descriptor.digest
            )

    def sort_blobs(self, wanted: t.Iterable[Descriptor]) -> list[Descriptor]:
        """Return the blobs WANTED in the order in which `read_in_order` yields them."""

        def position(descriptor: Descriptor) -> int:
            name = self._names.get(descriptor.digest) if descriptor.digest not in self._created else None
            return t.cast(int, self._container.identity(name)) if name is not None else -1

        return sorted(wanted, key=position)

    def read_in_order(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, t.Iterable[bytes]]]:
        """Yield the blobs WANTED in the order of the archive. Read each one before you request the next."""
        by_name: dict[str, list[Descriptor]] = {}
        for descriptor in wanted:
            created = self._created.get(descriptor.digest)
            if created is not None:
                yield descriptor, (created,)
            else:
                by_name.setdefault(self._name_of(descriptor.digest), []).append(descriptor)
        while by_name:
            for name, chunks in self._stream(list(by_name)):
                yield by_name[name].pop(), chunks
            by_name = {name: others for name, others in by_name.items() if others}


def _layout_has_all(layout: t.Sequence[ArchivedImage], docker: t.Sequence[tuple[Document, tuple[Reference, ...]]]) -> bool:
    """Return True if the layout has all images of the docker-archive, by name. Then use the layout, because its digests are those of the registry.

    Entries with the same files are one image under several names.
    """
    named = {name for image in layout for name in image.names}
    images = {(entry.required_text("Config"), tuple(entry.texts("Layers"))) for entry, _names in docker}
    return {name for _entry, names in docker for name in names} <= named and len(layout) >= len(images)


def open_archive(path: str) -> Archive:
    """Open the archive at PATH: a tar, a compressed tar or a folder.

    Raises CorruptArchive, UnsupportedFormat, DigestMismatch or InputOutputError.
    """
    try:
        container = open_container(path)
    except NotATar as error:
        kinds = "a tar, plain or compressed with gzip, bzip2, xz or zstd, or a folder with an OCI layout"
        raise CorruptArchive(f"{error.message}; an archive of images is {kinds}") from error
    return StreamedArchive(container) if isinstance(container, StreamContainer) else Archive(container)


def read_archive_stream(name: str, open_stream: t.Callable[[], t.Iterator[bytes]]) -> StreamedArchive:
    """Read the images of a tar archive that OPEN_STREAM returns, from its beginning, each time it is called. NAME is its name in messages.

    Raises CorruptArchive, UnsupportedFormat, DigestMismatch, and the errors of the stream.
    """
    try:
        return StreamedArchive(StreamContainer(name, open_stream))
    except NotATar as error:
        raise CorruptArchive(f"{error.message}; it should be a tar archive of images") from error


def _as_bytes(chunks: t.Iterable[bytes | memoryview]) -> t.Iterator[bytes]:
    return (bytes(chunk) for chunk in chunks)
