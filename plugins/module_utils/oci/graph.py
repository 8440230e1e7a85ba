# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image as a graph of content: an index, its manifests, and their configs and layers."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import PlatformMissing, UnsupportedFormat
from ..limits import MAX_DOCUMENTS, MAX_IMAGE_LAYERS, MAX_LEVELS
from .config import ImageConfig
from .digest import Digest, DigestMismatch
from .document_reader import DocumentReader, Read, document_reader
from .manifest import Descriptor, Index, Manifest, read_manifest
from .platform import Platform, Selection, choose_platform
from .reference import Reference


class IndexPosition(t.NamedTuple):
    """The nesting level of an index in an image (its root is level 1), and the reader for the documents that the index lists."""

    level: int
    read: DocumentReader


# Return the entries of an index to follow. The text names the image in messages.
ChooseEntries = t.Callable[[Index, str, IndexPosition], t.Sequence[Descriptor]]


@dataclasses.dataclass(frozen=True)
class ImageNode:
    """One manifest of a graph. Its platform comes from the index, else from its config. It is None for an artifact that is not an image."""

    descriptor: Descriptor
    manifest: Manifest
    platform: Platform | None


@dataclasses.dataclass(frozen=True)
class Graph:
    """The selected part of an image: its manifests in the order of the index, and the entries whose documents are absent.

    `documents` has the bytes of manifests and indexes, each after the documents that it lists.
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
        return exclude_blobs(self.blobs, others)

    @property
    def content(self) -> tuple[Descriptor, ...]:
        """Return all content of the graph, children before their parents, which is the order to publish it in."""
        return self.blobs + tuple(self.documents)

    @property
    def document_digests(self) -> list[Digest]:
        """Return the digests of manifests and indexes: the possible subjects of referrers."""
        return [descriptor.digest for descriptor in self.documents]

    @property
    def size(self) -> int:
        """Return the size of the content in bytes, each digest counted once."""
        return sum({descriptor.digest: descriptor.size for descriptor in self.content}.values())

    @property
    def platforms(self) -> list[str]:
        """Return the platforms of the images that a host could run."""
        return list(dict.fromkeys(str(image.platform) for image in self.images if image.platform is not None and image.platform.is_runnable))

    @property
    def images_by_platform(self) -> list[tuple[Platform | None, ImageNode]]:
        """Return the images with their platforms, in the order for `choose_platform`: images without required os.features first."""
        return [(image.platform, image) for image in sorted(self.images, key=lambda image: bool(image.descriptor.os_features))]


@dataclasses.dataclass(frozen=True)
class NamedGraph:
    """An image and its new names, or no names to keep it by digest only. `selection` are the selected platforms if it is an index.

    With `free`, setting a name fails if it belongs to another image at that time.
    """

    graph: Graph
    names: tuple[Reference, ...]
    selection: Selection | None
    free: bool = False


def exclude_blobs(blobs: t.Iterable[Descriptor], others: t.Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """Return those of BLOBS that are not among OTHERS."""
    excluded = {descriptor.digest for descriptor in others}
    return tuple(blob for blob in blobs if blob.digest not in excluded)


def choose_all(index: Index, _what: str, _position: IndexPosition) -> t.Sequence[Descriptor]:
    """Choose all entries of an index."""
    return index.manifests


def choose_platforms(selection: Selection) -> ChooseEntries:
    """Return a choice of the entries for the platforms of SELECTION. The choice raises PlatformMissing if the root index has none for one of them.

    An index within another may have only some of the platforms, because the choice in its parent selected it for those.
    """

    def choose(index: Index, what: str, position: IndexPosition) -> t.Sequence[Descriptor]:
        if selection.everything:
            return index.manifests
        wanted: set[Descriptor] = set()
        for platform in selection.platforms:
            try:
                wanted.add(_find_entry(platform, index, what, position))
            except PlatformMissing:
                if position.level == 1:
                    raise
        return [entry for entry in index.manifests if entry in wanted]

    return choose


def _find_entry(platform: Platform, index: Index, what: str, position: IndexPosition) -> Descriptor:
    """Return the entry for a platform. If no entry lists the platform, read the indexes among the entries that list none."""
    entries = [entry for entry in index.manifests if entry.is_document]
    # An image that requires os.features may not run on this host, since we can't know the host's features. So it is the last choice.
    entries.sort(key=lambda entry: bool(entry.os_features))
    listed = [(entry.platform, entry) for entry in entries]
    fallbacks = platform.fallbacks()
    if not any(offered in fallbacks for offered, _entry in listed):
        # Several entries may list one index. Only the first of them counts.
        unique: dict[tuple[Digest, Platform | None], Descriptor] = {}
        for entry in entries:
            unique.setdefault((entry.digest, entry.platform), entry)
        listed = [(offered, entry) for entry in unique.values() for offered in _list_platforms(entry, position)]
    return choose_platform(platform, listed, what)


def _list_platforms(entry: Descriptor, position: IndexPosition) -> t.Iterable[Platform | None]:
    """Return the platforms of an entry. None stands for an unknown platform."""
    if entry.platform is not None or not entry.is_index:
        return (entry.platform,)
    return position.read.list_platforms(entry, MAX_LEVELS - position.level)


def choose_required(selection: Selection | None, index: Index, what: str, position: IndexPosition) -> t.Sequence[Descriptor]:
    """Return the entries that a stored image must have for SELECTION: none without a selection, or if the index has not all of its platforms."""
    try:
        return choose_platforms(selection)(index, what, position) if selection is not None else ()
    except PlatformMissing:
        return ()


def read_graph(root: Descriptor, what: str, read: Read, choice: ChooseEntries = choose_all) -> Graph | None:
    """Read the documents of an image, each once, from ROOT down. WHAT names the image in messages.

    READ returns the bytes of a document, None if it is absent. The result is None if ROOT is absent. Entries of an index with an unknown type are
    skipped, as the specification demands (image-index.md).
    Raises UnsupportedFormat for invalid documents, for too many documents, levels or layers, and for a manifest without layers whose config has some;
    DigestMismatch for a document whose size differs from its descriptor.
    """
    walk = _GraphWalk(what, document_reader(read, what), choice)
    walk.visit(root, 1)
    return Graph(root, walk.documents, tuple(walk.images), tuple(walk.absent)) if walk.documents else None


class _GraphWalk:
    """Reads an image recursively. It is a class because a recursive inner function would refer to itself: its reader, with an open store, would stay
    alive until the next garbage collection.
    """

    def __init__(self, what: str, reader: DocumentReader, choice: ChooseEntries) -> None:
        self._what = what
        self._reader = reader
        self._choice = choice
        self._seen: set[Digest] = set()
        self._layers = 0
        self.documents: dict[Descriptor, bytes] = {}
        self.images: list[ImageNode] = []
        self.absent: list[Descriptor] = []

    def visit(self, descriptor: Descriptor, level: int) -> None:
        """Read a document and all that it lists, unless it was read before."""
        if descriptor.digest in self._seen or (level > 1 and not descriptor.is_document):
            return
        self._seen.add(descriptor.digest)
        if level > MAX_LEVELS or len(self._seen) > MAX_DOCUMENTS:
            raise UnsupportedFormat(f"{self._what} nests indexes more than {MAX_LEVELS} levels deep or has more than {MAX_DOCUMENTS} manifests")
        data = self._reader(descriptor)
        if data is None:
            self.absent.append(descriptor)
            return
        label = self._what if level == 1 else f"{self._what}, {descriptor.digest}"
        if len(data) != descriptor.size:
            raise DigestMismatch(f"{label} has {len(data)} bytes, but its descriptor says {descriptor.size}", digest=descriptor.digest)
        parsed = read_manifest(data, descriptor.media_type, label)
        if isinstance(parsed, Index):
            for child in self._choice(parsed, self._what, IndexPosition(level, self._reader)):
                self.visit(child, level + 1)
        else:
            self._add_image(descriptor, parsed, label)
        self.documents[descriptor] = data

    def _add_image(self, descriptor: Descriptor, manifest: Manifest, label: str) -> None:
        _check_layers(manifest, label, self._reader)
        self._layers += len(manifest.layers)
        if self._layers > MAX_IMAGE_LAYERS:
            raise UnsupportedFormat(f"{self._what} has more than the {MAX_IMAGE_LAYERS} layers that are allowed in all its images")
        self.images.append(ImageNode(descriptor, manifest, descriptor.platform or _platform_of_config(manifest, label, self._reader)))


def _check_layers(manifest: Manifest, what: str, read: Read) -> None:
    """Raise UnsupportedFormat for a manifest without layers, such as `layers: null`, whose config has layers. Clients would read different images."""
    data = read(manifest.config) if manifest.is_image and not manifest.layers else None
    count = len(ImageConfig.read(data, f"{what}, config {manifest.config.digest}").diff_ids) if data is not None else 0
    if count:
        raise UnsupportedFormat(f"{what} has no layers, but its config {manifest.config.digest} has {count}")


def _platform_of_config(manifest: Manifest, what: str, read: Read) -> Platform | None:
    data = read(manifest.config) if manifest.is_image else None
    return ImageConfig.read(data, f"{what}, config {manifest.config.digest}").platform if data is not None else None
