# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read base images, from a store or of the same run: their configs, and the file trees that their layers make."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.compression import GZIP, ZSTD, ExpansionLimit
from ..archive.image_tree import ImageTree
from ..archive.layer import read_layer
from ..errors import ImageNotFound, InvalidOption, PlatformMissing, StoreDamaged, UnsupportedFormat
from ..oci import media_types
from ..oci.compose import Base
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.graph import Graph, ImageNode, choose_platforms, read_graph
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.text import sanitise
from ..places.facts import complete_graph
from ..transfer.interfaces import Source

if t.TYPE_CHECKING:
    from ..oci.manifest import Descriptor
    from ..store.index import Entry
    from ..store.store import Store
    from .made import MadeContent

_COMPRESSIONS = {
    media_types.OCI_LAYER: None,
    media_types.DOCKER_LAYER: None,
    media_types.OCI_LAYER_GZIP: GZIP,
    media_types.DOCKER_LAYER_GZIP: GZIP,
    media_types.OCI_LAYER_ZSTD: ZSTD,
}


class BaseImage(t.Protocol):
    """A complete image to make another image from."""

    @property
    def content(self) -> Source:
        """Where its blobs can be read."""

    def read(self, platform: Platform, *, exactly: bool) -> Base:
        """Return the image for PLATFORM or an older variant of it. Accept an image without a platform, and one for another platform unless EXACTLY.

        Raises PlatformMissing, InvalidOption for an artifact, and StoreDamaged if the platform has been lost.
        """

    def list_platforms(self) -> list[Platform]:
        """Return the platforms whose images are complete, in the order of the index."""


@dataclasses.dataclass(frozen=True)
class StoredBase:
    """A complete image of a store, to make another image from."""

    store: Store
    entry: Entry

    @classmethod
    def find(cls, store: Store, selector: Reference | Digest) -> StoredBase:
        """Return the complete image that SELECTOR names. Raises ImageNotFound, StoreDamaged."""
        try:
            return cls(store, store.get_complete_entry(selector))
        except ImageNotFound as error:
            raise ImageNotFound(f"{error.message}; pull it first") from error

    @property
    def content(self) -> Store:
        return self.store

    def read(self, platform: Platform, *, exactly: bool) -> Base:
        graph = self.store.read_graph(self.entry, choose_platforms(Selection((platform,))))
        if graph is None or not graph.images:
            self.store.check_complete(self.entry)
            raise PlatformMissing(f"{self.entry.label} is not in {self.store.path} for {platform}; pull it for this platform first")
        return self._read_image(_first_image(graph, platform, self.entry.label, exactly=exactly))

    def list_platforms(self) -> list[Platform]:
        graph = complete_graph(self.store, self.entry)
        self.store.require_named(self.entry)  # a removal in this moment would take away platforms
        return _list_platforms(graph)

    def index_annotations(self) -> t.Mapping[str, str]:
        """Return the annotations of the image's index; none if it has no index."""
        data = self.store.read_document(self.entry.root) if self.entry.descriptor.is_index else None
        return Document.parse(data, self.entry.label).text_map("annotations") if data is not None else {}

    def _read_image(self, image: ImageNode) -> Base:
        if not image.manifest.is_image:
            kind = sanitise(image.manifest.config.media_type, 100)
            raise InvalidOption(f"{self.entry.label} holds no image but something of type {kind}, and can't be a base")
        data = self.store.read_document(image.manifest.config)
        if data is None:
            raise StoreDamaged(f"{self.entry.label} is damaged in {self.store.path}: its config {image.manifest.config.digest} can't be read")
        config = ImageConfig.read(data, f"{self.entry.label}, config {image.manifest.config.digest}")
        name = str(self.entry.name) if self.entry.name is not None else None
        return Base(name, self.entry.digest, image.manifest, config)


@dataclasses.dataclass(frozen=True)
class MadeBase:
    """An image that the same run makes earlier, so it may not be in the store yet."""

    name: Reference
    graph: Graph
    content: MadeContent

    def read(self, platform: Platform, *, exactly: bool) -> Base:
        label = str(self.name)
        graph = read_graph(self.graph.root, label, self._read_document, choose_platforms(Selection((platform,))))
        image = _first_image(graph or self.graph, platform, label, exactly=exactly)
        config = ImageConfig.read(self.content.documents[image.manifest.config.digest], label)
        return Base(label, self.graph.root.digest, image.manifest, config)

    def list_platforms(self) -> list[Platform]:
        return _list_platforms(self.graph)

    def _read_document(self, descriptor: Descriptor) -> bytes | None:
        documents = {document.digest: data for document, data in self.graph.documents.items()}
        return documents.get(descriptor.digest) or self.content.documents.get(descriptor.digest)


def _first_image(graph: Graph, platform: Platform, label: str, *, exactly: bool) -> ImageNode:
    image = graph.images[0]
    if exactly and image.platform is not None and image.platform not in platform.fallbacks():
        raise PlatformMissing(f"{label} is an image for {image.platform} only, not for {platform}")
    return image


def _list_platforms(graph: Graph | None) -> list[Platform]:
    images: tuple[ImageNode, ...] = graph.images if graph is not None else ()
    return list(dict.fromkeys(image.platform for image in images if image.platform is not None and image.platform.is_runnable))


def read_tree(content: Source, base: Base) -> ImageTree:
    """Return the files of a base image. All its layers are read from CONTENT.

    Raises UnsupportedFormat or CorruptArchive for a layer that can't be unpacked.
    """
    tree = ImageTree()
    for layer in base.manifest.layers:
        what = f"{base.name or base.digest}, layer {layer.digest}"
        if layer.media_type not in _COMPRESSIONS:
            raise UnsupportedFormat(f"{what} is of type {sanitise(layer.media_type, 100)}, which can't be unpacked to put files on it")
        kind = _COMPRESSIONS[layer.media_type]
        limit = ExpansionLimit(what, layer.size)
        tree.apply_layer(read_layer(map(bytes, content.read_blob(layer)), kind, what, limit), what)
    return tree
