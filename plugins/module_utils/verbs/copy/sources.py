# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where images are copied from: one image of a registry, of an image layout or of an archive, each read no further than asked."""

from __future__ import annotations

import functools
import threading
import typing as t

from ...archive.reader import Archive, ArchivedImage, open_archive
from ...errors import CorruptArchive, ImageNotFound, InvalidOption, InvalidReference
from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.layout import REF_NAME
from ...oci.location import LAYOUT, Location
from ...oci.manifest import Descriptor
from ...oci.reference import Reference, parse_selector
from ...store.index import Entry
from ...store.store import Store
from ...transfer.interfaces import Chunks, MirroredSource, Source

if t.TYPE_CHECKING:
    from ...registry.repository import Repository

_ImageT = t.TypeVar("_ImageT")


class ImageSource(t.Protocol):
    """One image where it is."""

    @property
    def name(self) -> Reference | None:
        """What it is called there."""

    @property
    def source(self) -> Source: ...

    def digest(self) -> Digest:
        """The digest of what is there, by as little as that takes. Raises ImageNotFound."""

    def root(self) -> Descriptor: ...

    def read_document(self, descriptor: Descriptor) -> bytes | None: ...

    def check_blobs(self, graph: Graph) -> None:
        """Raises an error for content of GRAPH that is known to be lacking or damaged."""


class RegistrySource:
    """An image at a registry, by tag or digest."""

    def __init__(self, reference: Reference, repository: Repository) -> None:
        self.name: Reference | None = reference.name
        self.source = repository
        self._reference = reference

    def digest(self) -> Digest:
        return self._reference.digest or self.root().digest

    def root(self) -> Descriptor:
        return self._root

    @functools.cached_property
    def _root(self) -> Descriptor:
        found = self.source.probe(self._reference)
        if found is None:
            raise ImageNotFound(f"{self._reference}: {self._reference.registry} doesn't have it", status=404)
        return found

    def read_document(self, descriptor: Descriptor) -> bytes:
        return self.source.read_document(descriptor)

    def check_blobs(self, unused_graph: Graph) -> None:
        """What a manifest names is there: registries take no other manifests."""


class LayoutSource:
    """An image in a layout on disk."""

    def __init__(self, store: Store, entry: Entry) -> None:
        self.name = entry.name
        self.source = store
        self._entry = entry

    def digest(self) -> Digest:
        return self._entry.digest

    def root(self) -> Descriptor:
        return self._entry.root

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self.source.read_document(descriptor)

    def check_blobs(self, graph: Graph) -> None:
        self.source.check_complete(self._entry, trust_others=False)


class ArchiveSource:
    """An image in an archive."""

    def __init__(self, archive: Archive, image: ArchivedImage) -> None:
        self.name = image.names[0] if image.names else None
        self.source = archive
        self._root = archive.saved_root(image)

    def digest(self) -> Digest:
        return self._root.digest

    def root(self) -> Descriptor:
        return self._root

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self.source.read_document(descriptor)

    def check_blobs(self, graph: Graph) -> None:
        for blob in graph.blobs:
            if not self.source.has_blob(blob.digest):
                raise CorruptArchive(f"{self.source.path}: {graph.root.digest} is not whole: the archive lacks {blob.digest}")
            self.source.check_blob(blob)


class AnyOrder:
    """A source that is asked for blob after blob, whatever its own order is: its reader may need one blob again from the start."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self._source.read_blob(descriptor)

    def report_bad_blob(self, descriptor: Descriptor) -> bool:
        return isinstance(self._source, MirroredSource) and self._source.report_bad_blob(descriptor)


class ImageSources:
    """Opens locations to read from. Each layout and each archive is opened once in a run."""

    def __init__(self, repository: t.Callable[[Reference], Repository]) -> None:
        self._repository = repository
        self._lock = threading.RLock()
        self._stores: dict[str, Store] = {}
        self._archives: dict[str, Archive] = {}

    def store(self, path: str) -> Store:
        """The layout at PATH, to be read from or written to: one that is made is readable for all."""
        with self._lock:
            if path not in self._stores:
                self._stores[path] = Store(path, mode=0o755)
                self._stores[path].reload()
            return self._stores[path]

    def find(self, location: Location) -> ImageSource:
        """Raises ImageNotFound, and InvalidOption where a location without a name could mean several images."""
        if location.reference is not None:
            return RegistrySource(location.reference, self._repository(location.reference))
        if location.scheme == LAYOUT:
            store = self.store(location.path)
            return LayoutSource(store, _one(location, store.index.entries, _entry_names))
        with self._lock:
            if location.path not in self._archives:
                self._archives[location.path] = open_archive(location.path)
            archive = self._archives[location.path]
        return ArchiveSource(archive, _one(location, archive.images, _archive_names))


def _entry_names(entry: Entry) -> list[str]:
    said = entry.descriptor.annotations.get(REF_NAME)
    return [*([str(entry.name)] if entry.name is not None else []), *([said] if said else []), str(entry.digest)]


def _archive_names(image: ArchivedImage) -> list[str]:
    return [*map(str, image.names), *image.tags, str(image.root.digest)]


def _one(location: Location, held: t.Sequence[_ImageT], names: t.Callable[[_ImageT], t.Sequence[str]]) -> _ImageT:
    """The image that LOCATION means: the one called so, or, without a name, the only one that is there."""
    wanted = location.name
    if wanted is None:
        found = {names(image)[-1]: image for image in held}
        if len(found) > 1:
            raise InvalidOption(f"{location} holds {len(found)} images; put a colon and the name of one after the path: {_told(held, names)}")
        if found:
            return next(iter(found.values()))
        raise ImageNotFound(f"{location} holds no image")
    spellings = {wanted, _normalised(wanted)}
    for image in held:
        if not spellings.isdisjoint(names(image)):
            return image
    raise ImageNotFound(f"{location} is not there; {location.path} holds {_told(held, names) or 'no image'}")


def _normalised(text: str) -> str:
    try:
        return str(parse_selector(text))
    except InvalidReference:
        return text


def _told(held: t.Sequence[_ImageT], names: t.Callable[[_ImageT], t.Sequence[str]]) -> str:
    return ", ".join(sorted(names(image)[0] for image in held)[:20])
