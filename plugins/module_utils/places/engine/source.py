# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of engines as sources of copies. An engine that only exports images as an archive is read once for all images of a task."""

from __future__ import annotations

import functools
import typing as t

from ...engine.interfaces import ContentEngine, ExportingEngine
from ...errors import EngineError, EngineRefused, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.document_reader import Read
from ...oci.graph import Graph, read_graph
from ...oci.manifest import Descriptor, Manifest, describe_document, read_manifest
from ...oci.reference import Reference
from ...transfer.interfaces import Chunks, Source
from .images import NamedEngineImage

if t.TYPE_CHECKING:
    from ...archive.reader import ArchivedImage, StreamedArchive


class EngineImageSource(t.Protocol):
    """An image of an engine. `image_id` is set if the engine identifies the image by its ID, and may have lost the digest of its manifest."""

    name: Reference | None
    image_id: Digest | None

    @property
    def judged_names(self) -> t.Sequence[Reference | None]:
        """Return the names that trust must accept."""

    @property
    def source(self) -> Source: ...

    @property
    def costs_requests(self) -> bool: ...

    def digest(self) -> Digest: ...

    def root(self) -> Descriptor: ...

    def read_document(self, descriptor: Descriptor) -> bytes | None: ...

    def check_blobs(self, graph: Graph) -> None: ...

    def referrer_place(self, unused_name: Reference | None) -> None:
        """Return None: engines hold no referrers."""


class EngineExport:
    """The archive of the wanted images that an engine exports. It is streamed, once to read the documents and once more for the blobs."""

    def __init__(self, engine: ExportingEngine, place: str) -> None:
        self.place = place
        self._engine = engine
        self._wanted: dict[Digest, NamedEngineImage] = {}
        self._archives: dict[Digest, StreamedArchive] = {}

    def add(self, entry: NamedEngineImage) -> None:
        """Add an image to those that will be exported."""
        self._wanted.setdefault(entry.digest, entry)

    def archive(self, entry: NamedEngineImage) -> StreamedArchive:
        """Return the archive with an image. Raises EngineError if the engine doesn't export it, CorruptArchive if it breaks off."""
        if entry.digest not in self._archives:
            pending = [wanted for digest, wanted in self._wanted.items() if digest not in self._archives]
            try:
                self._read(pending)
            except EngineRefused:
                if pending == [entry]:
                    raise
                # An image that can't be exported must not stop the others.
                self._read([entry])
        return self._archives[entry.digest]

    def _read(self, entries: t.Sequence[NamedEngineImage]) -> None:
        from ...archive.reader import read_archive_stream

        names = [entry.engine_name for entry in entries]
        archive = read_archive_stream(self.place, lambda: self._engine.export(names))
        self._archives.update((entry.digest, archive) for entry in entries)

    # The export as a source of transfers.

    def _archive_with(self, digest: Digest) -> StreamedArchive:
        for archive in self._archives.values():
            if archive.has_blob(digest):
                return archive
        raise EngineError(f"{self.place} doesn't have {digest}")

    def _by_archive(self, wanted: t.Iterable[Descriptor]) -> list[tuple[StreamedArchive, list[Descriptor]]]:
        groups: dict[int, tuple[StreamedArchive, list[Descriptor]]] = {}
        for descriptor in wanted:
            archive = self._archive_with(descriptor.digest)
            groups.setdefault(id(archive), (archive, []))[1].append(descriptor)
        return list(groups.values())

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self._archive_with(descriptor.digest).read_blob(descriptor)

    def read_in_order(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, Chunks]]:
        for archive, descriptors in self._by_archive(wanted):
            yield from archive.read_in_order(descriptors)

    def sort_blobs(self, wanted: t.Collection[Descriptor]) -> list[Descriptor]:
        """Return WANTED in the order of `read_in_order`."""
        return [descriptor for archive, descriptors in self._by_archive(wanted) for descriptor in archive.sort_blobs(descriptors)]

    def describe_blob(self, digest: Digest) -> str:
        return self._archive_with(digest).describe_blob(digest)


class ExportedImage:
    """An image of an engine that gives images only as an archive."""

    costs_requests = True

    def __init__(self, entry: NamedEngineImage, export: EngineExport) -> None:
        self.name = entry.name
        self.judged_names = (entry.name,)
        self.image_id = entry.image.image_id
        self.source: Source = export
        self._entry = entry
        self._export = export

    def digest(self) -> Digest:
        """Return the digest. An engine that identifies images by ID exports other manifests than those it loaded."""
        return self._entry.digest if self.image_id is None else self.root().digest

    def root(self) -> Descriptor:
        return self._archived.root

    @functools.cached_property
    def _archived(self) -> ArchivedImage:
        archive = self._export.archive(self._entry)
        for image in archive.images:
            if image.root.digest == self._entry.digest or self._has_id(archive, image):
                return image
        raise EngineError(f"{self._export.place} exported {self._entry.label} without the image {self._entry.digest}")

    def _has_id(self, archive: StreamedArchive, image: ArchivedImage) -> bool:
        if self.image_id is None:
            return False
        graph = read_graph(image.root, f"{self._export.place}: {image.root.digest}", archive.read_document)
        return graph is not None and any(node.manifest.config.digest == self.image_id for node in graph.images)

    @functools.cached_property
    def _documents(self) -> Read:
        archive = self._export.archive(self._entry)
        return only_complete(archive.read_document, archive.has_blob, self.root())

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._documents(descriptor)

    def check_blobs(self, graph: Graph) -> None:
        archive = self._export.archive(self._entry)
        _require_blobs(graph, archive.has_blob, self._entry, self._export.place)
        for blob in graph.blobs:
            archive.check_blob(blob)

    def referrer_place(self, unused_name: Reference | None) -> None:
        """Return None: engines hold no referrers."""


class EngineContent:
    """The content of an engine that gives every blob by its digest."""

    def __init__(self, engine: ContentEngine, place: str) -> None:
        self.place = place
        self._engine = engine
        self._documents: dict[Digest, bytes | None] = {}

    @functools.cached_property
    def _blobs(self) -> t.Collection[Digest]:
        return self._engine.list_blobs()

    def has_blob(self, digest: Digest) -> bool:
        return digest in self._blobs

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        digest = descriptor.digest
        if digest not in self._documents:
            self._documents[digest] = self._engine.read_document(digest) if self.has_blob(digest) else None
        return self._documents[digest]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self._engine.read_blob(descriptor)


class ContentImage:
    """An image of an engine that gives every blob by its digest."""

    costs_requests = True
    image_id: Digest | None = None

    def __init__(self, entry: NamedEngineImage, content: EngineContent) -> None:
        self.name = entry.name
        self.judged_names = (entry.name,)
        self.source: Source = content
        self._entry = entry
        self._content = content

    def digest(self) -> Digest:
        return self._entry.digest

    def root(self) -> Descriptor:
        """Return the descriptor of the index or manifest. Raises EngineError if it is missing or damaged."""
        data = self._content.read_document(Descriptor("", self._entry.digest, 0))
        if data is None:
            raise EngineError(f"{self._content.place} lists {self._entry.label}, but doesn't have its content {self._entry.digest}")
        return describe_document(data, f"{self._content.place}: {self._entry.label}")

    @functools.cached_property
    def _documents(self) -> Read:
        return only_complete(self._content.read_document, self._content.has_blob, self.root())

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._documents(descriptor)

    def check_blobs(self, graph: Graph) -> None:
        _require_blobs(graph, self._content.has_blob, self._entry, self._content.place)

    def referrer_place(self, unused_name: Reference | None) -> None:
        """Return None: engines hold no referrers."""


def only_complete(read: Read, has_blob: t.Callable[[Digest], bool], root: Descriptor) -> Read:
    """Return READ without the manifests below ROOT whose blobs aren't all there: engines keep manifests of platforms that they didn't pull."""

    def read_complete(descriptor: Descriptor) -> bytes | None:
        data = read(descriptor)
        if data is None or descriptor.digest == root.digest or not descriptor.is_document or descriptor.is_index:
            return data
        try:
            parsed = read_manifest(data, descriptor.media_type, str(descriptor.digest))
        except UnsupportedFormat:
            return data  # the caller that reads the image reports the error
        is_complete = not isinstance(parsed, Manifest) or all(has_blob(blob.digest) for blob in parsed.blobs)
        return data if is_complete else None

    return read_complete


def _require_blobs(graph: Graph, has_blob: t.Callable[[Digest], bool], entry: NamedEngineImage, place: str) -> None:
    missing = next((blob for blob in graph.blobs if not has_blob(blob.digest)), None)
    if missing is not None:
        raise EngineError(f"{entry.label} is incomplete in {place}: {missing.digest} is missing; pull it there again")
