# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the files and packages of two images from their layers. Layers that both have at the bottom are read once."""

from __future__ import annotations

import collections
import hashlib
import typing as t

from ..archive.image_tree import FolderNode, ImageTree, LinkNode, Node, Origin, Parts
from ..archive.metadata import Metadata, read_metadata
from ..archive.tar import FILE, OTHER, TarMember
from ..comparison.files import FileValue
from ..contents.collector import ImagePackages, PackageCollector
from ..contents.package import TYPES
from ..errors import UnsupportedFormat
from ..limits import MAX_TREE_ENTRIES, MAX_TREE_TEXT
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from ..transfer.interfaces import Source
from .image_packages import collect_packages, list_origins
from .layers import LayerStream, apply_layers

_XATTR = "SCHILY.xattr."

# Where layers are read, and the name of their image in messages.
LayerPlace = tuple[Source, str]


class SharedLayers(t.NamedTuple):
    """The layers at the bottom of two images, and what each has on top of them."""

    bottom: t.Sequence[Descriptor]
    before: t.Sequence[Descriptor]
    after: t.Sequence[Descriptor]


class LayeredFiles:
    """The files of an image while its layers are applied, the lowest first. Contents are hashed and not kept."""

    def __init__(self, below: LayeredFiles | None = None, collector: PackageCollector | None = None) -> None:
        """With BELOW, begin with the files of that image, which doesn't change. COLLECTOR gets each file that may describe packages."""
        self._collector = collector
        self._tree: ImageTree = ImageTree(remember=True) if below is None else below._tree.copy()
        self._values: t.MutableMapping[Origin, FileValue] = {} if below is None else collections.ChainMap({}, below._values)
        self._layers: int = 0 if below is None else below._layers
        self._entries: int = 0 if below is None else below._entries
        self._text: int = 0 if below is None else below._text

    def apply(self, place: LayerPlace, layers: t.Sequence[Descriptor]) -> None:
        """Apply LAYERS. Raises the errors of `apply_layers`."""
        source, label = place
        apply_layers(self._tree, source, layers, label, self._hash_files, self._layers)
        self._layers += len(layers)

    def _hash_files(self, stream: LayerStream, numbers: t.Sequence[int]) -> t.Iterator[TarMember]:
        """Yield the members of the layer that has these NUMBERS in the image, and record the values of its files."""
        for position, member in enumerate(stream):
            metadata = read_metadata(member)
            self._count(member, metadata, stream.what)
            if member.kind not in (FILE, OTHER):
                yield member
                continue
            if member.kind == FILE:
                digest = self._read_content(member, [(number, position) for number in numbers], stream.content())
                value = _value("file", metadata, member.size, str(digest))
            else:
                value = _value("device", metadata)
            for number in numbers:
                self._values[number, position] = value
            yield member

    def _read_content(self, member: TarMember, origins: t.Sequence[Origin], content: t.Iterator[bytes]) -> Digest:
        """Return the digest of a file, whose packages are collected while it is hashed."""
        if self._collector is None or not member.size:
            return hash_stream(content)[0]
        hasher = hashlib.sha256()

        def hashed() -> t.Iterator[bytes]:
            for piece in content:
                hasher.update(piece)
                yield piece

        pieces = hashed()
        collect_packages(self._collector, member, origins, pieces)
        for _rest in pieces:
            pass
        return Digest("sha256", hasher.hexdigest())

    @property
    def packages(self) -> ImagePackages:
        """Return the packages that the files describe. Raises UnsupportedFormat if too many of them can't be read."""
        return self._collector.finish(list_origins(self._tree)) if self._collector is not None else ImagePackages((), ())

    def _count(self, member: TarMember, metadata: Metadata, what: str) -> None:
        """Raise UnsupportedFormat beyond the limits of one image. The tree counts only what is applied to it."""
        self._entries += 1
        self._text += len(member.name) + len(member.target) + metadata.text_size
        if self._entries > MAX_TREE_ENTRIES or self._text > MAX_TREE_TEXT:
            raise UnsupportedFormat(
                f"{what}: the image has more than {MAX_TREE_ENTRIES} files in its layers, or more than {MAX_TREE_TEXT} characters in their names and attributes"
            )

    def entries(self) -> t.Iterator[tuple[Parts, FileValue]]:
        """Yield all files, links and folders but the root, sorted by their paths."""
        pending: list[tuple[Parts, Node]] = [((), self._tree.root)]
        while pending:
            parts, node = pending.pop()
            if parts:
                yield parts, self._describe(node)
            if isinstance(node, FolderNode):
                pending += [((*parts, name), node.children[name]) for name in sorted(node.children, reverse=True)]

    def _describe(self, node: Node) -> FileValue:
        if isinstance(node, FolderNode):
            return _value("folder", node.metadata)
        if isinstance(node, LinkNode):
            return _value("link", node.metadata or Metadata(0o777), target=node.target)
        # A hard link to a file that the image doesn't have has no origin. Engines refuse such an image.
        return self._values[node.origin] if node.origin is not None else _value("file", Metadata(0))


def _value(kind: str, metadata: Metadata, size: int = 0, digest: str | None = None, target: str | None = None) -> FileValue:
    attributes = tuple((key.removeprefix(_XATTR), value) for key, value in metadata.extended if key.startswith(_XATTR))
    return FileValue(kind, metadata.mode, metadata.owner, metadata.group, size, digest, target, attributes)


def read_both(before: LayerPlace, after: LayerPlace, shared: LayerPlace, layers: SharedLayers) -> tuple[LayeredFiles, LayeredFiles]:
    """Return the files and packages of two images. SHARED is the place from which the layers at the bottom of both are read."""
    collector = PackageCollector([layer.digest for layer in layers.bottom], TYPES, shared[1])
    bottom = LayeredFiles(None, collector)
    bottom.apply(shared, layers.bottom)

    def read(place: LayerPlace, upper: t.Sequence[Descriptor]) -> LayeredFiles:
        files = LayeredFiles(bottom, collector.copy_for([layer.digest for layer in (*layers.bottom, *upper)], place[1]))
        files.apply(place, upper)
        return files

    return read(before, layers.before), read(after, layers.after)
