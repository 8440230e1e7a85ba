# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the images of an engine."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ...engine.interfaces import ContentEngine, ExportingEngine, ManagedEngine
from ...errors import CorruptArchive, EngineError, ImageNotFound, LongshoreError, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.graph import read_graph
from ...oci.matching import Digests, find_matching
from ...oci.platform import Platform
from ...oci.reference import Reference
from .images import EngineImages, NamedEngineImage, describe_local_name
from .source import ContentImage, EngineContent, EngineExport, EngineImageSource, ExportedImage


class EngineReader:
    """The images of an engine in one task, for reading. `EngineCatalog` adds their changes, which pulls don't need."""

    def __init__(self, engine: ManagedEngine, host: Platform, images: EngineImages | None = None) -> None:
        """Without IMAGES, those of the engine, they are listed when they are needed first."""
        self.engine = engine
        self.images = images if images is not None else EngineImages(engine, host)
        self._ids: dict[Digest, frozenset[Digest]] = {}
        self._export = EngineExport(engine, self.images.place) if isinstance(engine, ExportingEngine) else None
        self._content = EngineContent(engine, self.images.place) if isinstance(engine, ContentEngine) else None
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        return self.images.place

    @property
    def entries(self) -> t.Sequence[NamedEngineImage]:
        return self.images.entries

    def get_named(self, name: Reference) -> NamedEngineImage | None:
        return self.images.get_named(name)

    def select(self, selector: Reference | Digest) -> list[NamedEngineImage]:
        """Return the images that SELECTOR (a name, `repository@digest`, a digest or an ID) means, one for each of their names.

        Raises EngineError if an image that can't be read may have this ID.
        """
        with self.reading_ids(selector) as image_ids:
            return find_matching(self.images.entries, selector, image_ids, digests_of)

    def get(self, selector: Reference | Digest) -> NamedEngineImage:
        """Return the image that SELECTOR means. Raises ImageNotFound, and EngineError as `select`."""
        found = self.select(selector)
        if not found:
            raise ImageNotFound(f"{selector} is not in {self.images.place}{describe_local_name(selector, self.images.names)}")
        return found[0]

    def find(self, selector: Reference | Digest) -> EngineImageSource:
        """Return an image as a source. Raises ImageNotFound, and EngineError if the engine can't be read. Several threads may call this."""
        with self._lock:
            return self.open(self.get(selector))

    def image_ids(self, entry: NamedEngineImage) -> t.Collection[Digest]:
        """Return the image IDs of all platforms of an image. They are read from its content if the engine doesn't report them.

        Raises EngineError or CorruptArchive if the content can't be read.
        """
        if entry.image.image_id is not None:
            return (entry.image.image_id,)
        if entry.digest not in self._ids:
            image = self.open(entry)
            try:
                graph = read_graph(image.root(), entry.label, image.read_document)
            except UnsupportedFormat:
                graph = None  # it is no image
            self._ids[entry.digest] = frozenset(node.manifest.config.digest for node in graph.images) if graph is not None else frozenset()
        return self._ids[entry.digest]

    @contextlib.contextmanager
    def reading_ids(self, selector: object) -> t.Iterator[Digests[NamedEngineImage]]:
        """Yield a function that returns the IDs of an image. Raise EngineError afterwards if SELECTOR isn't among them and an image can't be read."""
        unread: list[LongshoreError] = []
        is_found = False

        def read_ids(entry: NamedEngineImage) -> t.Collection[Digest]:
            nonlocal is_found
            try:
                ids = self.image_ids(entry)
            except (EngineError, CorruptArchive) as error:
                unread.append(error)
                return ()
            is_found = is_found or selector in ids
            return ids

        yield read_ids
        if unread and not is_found:
            raise EngineError(f"it is unknown whether {selector} is in {self.images.place}, because an image can't be read: {unread[0].message}")

    def open(self, entry: NamedEngineImage) -> EngineImageSource:
        if self._content is not None:
            return ContentImage(entry, self._content)
        if self._export is None:
            raise EngineError(f"images of {self.images.place} can't be read")
        self._export.add(entry)
        return ExportedImage(entry, self._export)


def digests_of(entry: NamedEngineImage) -> t.Collection[Digest]:
    return entry.digests
