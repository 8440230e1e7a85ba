# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of engines as sources of copies. An engine that only exports images as an archive is read once for all images of a task."""

from __future__ import annotations

import contextlib
import functools
import threading
import typing as t

from ...engine.interfaces import ContentEngine, ExportingEngine, ListedImage, ManagedEngine
from ...errors import CorruptArchive, EngineError, EngineRefused, ImageNotFound, LongshoreError, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.document_reader import Read
from ...oci.graph import Graph, read_graph
from ...oci.manifest import Descriptor, Manifest, describe_document, read_manifest
from ...oci.matching import Digests, find_matching
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...transfer.interfaces import Chunks, Source
from ...transfer.plan import ImagePlan, Plan, RefState, Results
from .catalog import EngineImages, NamedEngineImage, describe_local_name

if t.TYPE_CHECKING:
    from ...archive.reader import ArchivedImage, StreamedArchive
    from ...oci.removal_matching import RemovalSelector
    from ..filters import Filters
    from ..protection import Protection
    from ..retention import Candidate, Policy


class EngineReader:
    """The images of one engine to read in a task."""

    store = None

    def __init__(self, engine: ManagedEngine, host: Platform, listed: t.Sequence[ListedImage] | None = None) -> None:
        """Without LISTED, the images of the engine, they are listed with their details when they are needed first."""
        self.engine = engine
        self.images = EngineImages(engine, host, listed)
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

    @property
    def common_facts(self) -> Results:
        return {"engine": self.engine.title}

    def locate(self, text: str, preposition: str) -> str:
        return f"{text} {preposition} {self.engine.title}"

    def get_named(self, name: Reference) -> NamedEngineImage | None:
        return self.images.get_named(name)

    def state(self, image: NamedEngineImage) -> RefState:
        return image.state

    def facts(self, image: NamedEngineImage, name: Reference | None) -> Results:
        return {**image.facts, "name": str(name) if name is not None else None}

    def get_complete(self, selector: Reference | Digest) -> NamedEngineImage:
        return self.get(selector)

    def plan_names(
        self, source: NamedEngineImage, moved: t.Mapping[Reference, NamedEngineImage | None], rows: t.Sequence[ImagePlan], *, keep: bool
    ) -> Plan:
        """Plan the names as one step. If one can't be set, those that were already set are restored."""
        from .leftovers import remove_leftovers
        from .naming import TagInEngine

        plan = Plan(rows, steps=[TagInEngine(self.engine, source, moved)] if moved else [], all_or_nothing=True)
        return remove_leftovers(plan, self.engine, self.images.names)

    def plan_removal(self, chosen: t.Sequence[NamedEngineImage | ImagePlan], *, prune: bool, force: bool) -> Plan:
        """Plan a removal. Engines delete content by themselves, so PRUNE has no effect."""
        from .removal import plan_removal

        return plan_removal(self, chosen, force=force)

    def list_candidates(self, policy: Policy, filters: Filters, protection: Protection) -> list[Candidate]:
        from .candidates import list_candidates

        return list_candidates(self, policy, filters, protection)

    def plan_pruning(self, leaving: t.Sequence[NamedEngineImage], unused_policy: Policy) -> Plan:
        from .removal import plan_pruning

        return plan_pruning(self, leaving)

    def select(self, selector: Reference | Digest) -> list[NamedEngineImage]:
        """Return the images that SELECTOR (a name, `repository@digest`, a digest or an ID) means, one for each of their names.

        Raises EngineError if an image that can't be read may have this ID.
        """
        with self._reading_ids(selector) as image_ids:
            return find_matching(self.images.entries, selector, image_ids, _digests_of)

    def select_for_removal(self, selector: RemovalSelector, *, force: bool) -> list[NamedEngineImage]:
        """Return the images that SELECTOR, which may also be a glob, selects for removal. Raises as `select`, and InUse for several names, unless FORCE."""
        from ...oci.removal_matching import select_for_removal

        with self._reading_ids(selector) as image_ids:
            return select_for_removal(self.images.entries, selector, image_ids, _digests_of, force=force)

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
    def _reading_ids(self, selector: object) -> t.Iterator[Digests[NamedEngineImage]]:
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


def _digests_of(entry: NamedEngineImage) -> t.Collection[Digest]:
    return entry.digests


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
