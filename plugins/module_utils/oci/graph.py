# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image as a graph of content: an index, its manifests, and their configs and layers."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import DigestMismatch, PlatformMissing, UnsupportedFormat
from ..limits import MAX_DOCUMENTS, MAX_IMAGE_LAYERS, MAX_LEVELS
from .config import ImageConfig
from .digest import Digest
from .document_reader import DocumentReader, Read, document_reader
from .manifest import Descriptor, Index, Manifest, read_manifest
from .platform import Platform, Selection, choose_platform
from .reference import Reference


class Position(t.NamedTuple):
    """Where in an image an index is: its own one is on level 1, those within it are below. READ reads what it lists."""

    level: int
    read: DocumentReader


Choice = t.Callable[[Index, str, Position], t.Sequence[Descriptor]]


@dataclasses.dataclass(frozen=True)
class ImageNode:
    """One manifest of a graph. `platform` is what the index says of it, else its config; None for what is no image."""

    descriptor: Descriptor
    manifest: Manifest
    platform: Platform | None


@dataclasses.dataclass(frozen=True)
class Graph:
    """The part of an image that was asked for: its images in the order of the index, and which children were absent.

    `documents` are manifests and indexes as bytes, each after all that it points at.
    """

    root: Descriptor
    documents: t.Mapping[Descriptor, bytes]
    images: tuple[ImageNode, ...]
    absent: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Return configs and layers, each digest once, in the order of use."""
        unique: dict[Digest, Descriptor] = {}
        for image in self.images:
            for blob in image.manifest.blobs:
                unique.setdefault(blob.digest, blob)
        return tuple(unique.values())

    def blobs_without(self, others: t.Iterable[Descriptor]) -> tuple[Descriptor, ...]:
        """Return the blobs that are not among OTHERS."""
        left_out = {descriptor.digest for descriptor in others}
        return tuple(blob for blob in self.blobs if blob.digest not in left_out)

    @property
    def content(self) -> tuple[Descriptor, ...]:
        """Return all content of the graph, children before their parents, which is the order to publish it in."""
        return self.blobs + tuple(self.documents)

    @property
    def size(self) -> int:
        """Return the size of the content in bytes, each digest counted once."""
        return sum({descriptor.digest: descriptor.size for descriptor in self.content}.values())

    @property
    def platforms(self) -> list[str]:
        """Return the platforms that a host could run, according to the index."""
        return list(dict.fromkeys(str(image.platform) for image in self.images if image.platform is not None and image.platform.is_runnable))

    @property
    def images_by_platform(self) -> list[tuple[Platform | None, ImageNode]]:
        """Return the images with their platforms, in the order in which `choose` is to look at them: those that ask for no os.features first."""
        return [(image.platform, image) for image in sorted(self.images, key=lambda image: bool(image.descriptor.os_features))]


@dataclasses.dataclass(frozen=True)
class NamedGraph:
    """An image and the names that it is to get; without names it is kept by its digest. `selection` is what was asked for of an index.

    With `free`, the names must not belong to another image when they are set.
    """

    graph: Graph
    names: tuple[Reference, ...]
    selection: Selection | None
    free: bool = False


def choose_all(index: Index, unused_what: str, unused_where: Position) -> t.Sequence[Descriptor]:
    return index.manifests


def choose_platforms(selection: Selection) -> Choice:
    """A choice of the children that serve the platforms of SELECTION; it raises PlatformMissing if one is missing.

    An index within another needn't have all of them: it was chosen for those that it has.
    """

    def chosen(index: Index, what: str, where: Position) -> t.Sequence[Descriptor]:
        if selection.everything:
            return index.manifests
        wanted: set[Descriptor] = set()
        for platform in selection.platforms:
            try:
                wanted.add(_serving(platform, index, what, where))
            except PlatformMissing:
                if where.level == 1:
                    raise
        return [entry for entry in index.manifests if entry in wanted]

    return chosen


def _serving(platform: Platform, index: Index, what: str, where: Position) -> Descriptor:
    """The entry for a platform. Where none is listed for it, indexes that say nothing of platforms themselves are looked into."""
    entries = [entry for entry in index.manifests if entry.is_document]
    # An image that asks for features of the operating system may not run here: nothing says that this host has them.
    entries.sort(key=lambda entry: bool(entry.os_features))
    listed = [(entry.platform, entry) for entry in entries]
    fitting = platform.fallbacks()
    if not any(offered in fitting for offered, _entry in listed):
        # The first of several entries for one index stands for all of them.
        unique: dict[tuple[Digest, Platform | None], Descriptor] = {}
        for entry in entries:
            unique.setdefault((entry.digest, entry.platform), entry)
        listed = [(offered, entry) for entry in unique.values() for offered in _offered(entry, where)]
    return choose_platform(platform, listed, what)


def _offered(entry: Descriptor, where: Position) -> t.Iterable[Platform | None]:
    """The platforms that an entry serves; None where that isn't known."""
    if entry.platform is not None or not entry.is_index:
        return (entry.platform,)
    return where.read.list_platforms(entry, MAX_LEVELS - where.level)


def choose_promised(selection: Selection | None, index: Index, what: str, where: Position) -> t.Sequence[Descriptor]:
    """The children by which an image keeps its promise to be here for SELECTION."""
    try:
        return choose_platforms(selection)(index, what, where) if selection is not None else ()
    except PlatformMissing:
        return ()


def read_graph(root: Descriptor, what: str, read: Read, choice: Choice = choose_all) -> Graph | None:
    """Reads documents from ROOT down, each once. READ returns a document's bytes, or None where it isn't there; None for ROOT gives None.

    WHAT names the image in messages. Entries of an index that are of no type that we know are passed over, as the specification demands.
    Raises UnsupportedFormat for documents that are odd, too many or nested too deep, and for a manifest that leaves out all layers of its config,
    DigestMismatch for one of another size than its descriptor says.
    """
    reader = document_reader(read, what)
    documents: dict[Descriptor, bytes] = {}
    seen: set[Digest] = set()
    layers = 0
    images: list[ImageNode] = []
    absent: list[Descriptor] = []

    def visit(descriptor: Descriptor, level: int) -> None:
        nonlocal layers
        if descriptor.digest in seen or (level > 1 and not descriptor.is_document):
            return
        seen.add(descriptor.digest)
        if level > MAX_LEVELS or len(seen) > MAX_DOCUMENTS:
            raise UnsupportedFormat(f"{what} nests indexes more than {MAX_LEVELS} levels deep or has more than {MAX_DOCUMENTS} manifests")
        data = reader(descriptor)
        if data is None:
            absent.append(descriptor)
            return
        name = what if level == 1 else f"{what}, {descriptor.digest}"
        if len(data) != descriptor.size:
            raise DigestMismatch(f"{name} has {len(data)} bytes, but its descriptor says {descriptor.size}", digest=descriptor.digest)
        parsed = read_manifest(data, descriptor.media_type, name)
        if isinstance(parsed, Index):
            for child in choice(parsed, what, Position(level, reader)):
                visit(child, level + 1)
        else:
            _check_layers(parsed, name, reader)
            layers += len(parsed.layers)
            if layers > MAX_IMAGE_LAYERS:
                raise UnsupportedFormat(f"{what} has more than the {MAX_IMAGE_LAYERS} layers that are allowed in all its images")
            images.append(ImageNode(descriptor, parsed, descriptor.platform or _platform_of_config(parsed, name, reader)))
        documents[descriptor] = data

    visit(root, 1)
    return Graph(root, documents, tuple(images), tuple(absent)) if documents else None


def _check_layers(manifest: Manifest, what: str, read: Read) -> None:
    """Raises UnsupportedFormat for `layers: null` and the like beside a config that has layers: each client would see another image."""
    data = read(manifest.config) if manifest.is_image and not manifest.layers else None
    count = len(ImageConfig.read(data, f"{what}, config {manifest.config.digest}").diff_ids) if data is not None else 0
    if count:
        raise UnsupportedFormat(f"{what} has no layers, but its config {manifest.config.digest} has {count}")


def _platform_of_config(manifest: Manifest, what: str, read: Read) -> Platform | None:
    data = read(manifest.config) if manifest.is_image else None
    return ImageConfig.read(data, f"{what}, config {manifest.config.digest}").platform if data is not None else None
