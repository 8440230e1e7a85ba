# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sources of copies: one image of a registry, of an image layout, of an archive or of an engine. Each is read only as far as a method needs it."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ..archive.reader import Archive, ArchivedImage, open_archive
from ..errors import ImageNotFound, InvalidOption, InvalidReference
from ..oci.layout import REF_NAME
from ..oci.location import STORE, Location
from ..oci.platform import Platform
from ..oci.reference import Reference, parse_selector
from ..store.index import Entry
from ..store.store import Store
from .image_source import ImageSource

if t.TYPE_CHECKING:
    from ..engine.interfaces import ManagedEngine
    from ..registry.referrers import DigestTags
    from ..registry.repository import Repository
    from .engine.catalog import EngineCatalog

_ImageT = t.TypeVar("_ImageT")


@dataclasses.dataclass(frozen=True)
class Places:
    """How the places of a task are opened: repositories to read and to write, engines by scheme and namespace, and stores by path."""

    repository: t.Callable[[Reference], Repository]
    destination: t.Callable[[Reference], Repository]
    engine: t.Callable[[str, str | None], ManagedEngine]
    store: t.Callable[[str], Store]


class ImageSources:
    """Open the sources of one run. Each layout and each archive is opened once."""

    def __init__(self, places: Places, host: Platform) -> None:
        self._places = places
        self._host = host
        self._lock = threading.RLock()
        self._stores: dict[tuple[str, str], Store] = {}
        self._engines: dict[tuple[str, str | None], EngineCatalog] = {}
        self._archives: dict[str, Archive] = {}
        self._tags: dict[str, DigestTags] = {}

    def store(self, location: Location) -> Store:
        """Return the store or layout at LOCATION, for reading or writing. A layout that is created is readable for all users, a store is as its options say."""
        key = (location.scheme, location.path)
        with self._lock:
            if key not in self._stores:
                self._stores[key] = self._places.store(location.path) if location.scheme == STORE else Store(location.path, mode=0o755)
                self._stores[key].reload()
            return self._stores[key]

    def engine(self, location: Location) -> EngineCatalog:
        """Return the engine at LOCATION. Raises EngineError if it can't be reached."""
        from .engine.catalog import EngineCatalog

        key = (location.scheme, location.namespace)
        with self._lock:
            if key not in self._engines:
                self._engines[key] = EngineCatalog(self._places.engine(*key), self._host)
            return self._engines[key]

    def find(self, location: Location) -> ImageSource:
        """Return the image at LOCATION. Raises ImageNotFound, and InvalidOption if LOCATION has no name and holds several images."""
        if location.reference is not None:
            from .registry.source import RegistrySource

            return RegistrySource(location.reference, self._places.repository(location.reference), self._digest_tags)
        if location.image is not None:
            return self.engine(location).find(location.image)
        if location.is_layout:
            store = self.store(location)
            entries = store.index.entries
            entry = _choose_image(location, entries, _entry_names, lambda: _list_images(store))
            names = [one.name for one in (entry, *entries) if one.digest == entry.digest]
            from .store.source import LayoutSource

            return LayoutSource(store, store.begin_reading(entry), _choose_names(location, names))
        with self._lock:
            if location.path not in self._archives:
                self._archives[location.path] = open_archive(location.path)
            archive = self._archives[location.path]
        from ..archive.referrers import list_images as list_archive_images
        from .archive.source import ArchiveSource

        image = _choose_image(location, archive.images, _archive_names, lambda: list_archive_images(archive))
        root = archive.saved_root(image)
        same = [one for one in (image, *archive.images) if archive.saved_root(one).digest == root.digest]
        return ArchiveSource(archive, image, _choose_names(location, [name for one in same for name in one.names or (None,)]))

    def _digest_tags(self, repository: Repository) -> DigestTags:
        from ..registry.referrers import DigestTags

        with self._lock:
            return self._tags.setdefault(repository.name, DigestTags(repository))


def _entry_names(entry: Entry) -> list[str]:
    annotation = entry.descriptor.annotations.get(REF_NAME)
    return [*([str(entry.name)] if entry.name is not None else []), *([annotation] if annotation else []), str(entry.digest)]


def _archive_names(image: ArchivedImage) -> list[str]:
    return [*map(str, image.names), *image.tags, str(image.root.digest)]


def _list_images(store: Store) -> list[Entry]:
    """Return the entries of a layout without those that are referrers of others."""
    from ..store.referrers import referrers_in_store
    from .store.stored_referrers import find_entry_owners

    owned = find_entry_owners(store, referrers_in_store(store))
    return [entry for entry in store.index.entries if (entry.digest, entry.name) not in owned]


def _choose_image(
    location: Location,
    images: t.Sequence[_ImageT],
    names: t.Callable[[_ImageT], t.Sequence[str]],
    without_referrers: t.Callable[[], t.Sequence[_ImageT]],
) -> _ImageT:
    """Return the one of IMAGES that LOCATION names or, if it has no name, the only one that is no referrer of another."""
    wanted = location.name
    if wanted is None:
        found = {names(image)[-1]: image for image in (without_referrers() if len(images) > 1 else images)}
        if len(found) > 1:
            listed = _list_names(list(found.values()), names)
            raise InvalidOption(f"{location} holds {len(found)} images; put a colon and the name of one after the path: {listed}")
        if found:
            return next(iter(found.values()))
        raise ImageNotFound(f"{location} holds no image")
    spellings = _spellings(wanted)
    for image in images:
        if not spellings.isdisjoint(names(image)):
            return image
    raise ImageNotFound(f"{location} was not found; {location.path} holds {_list_names(images, names) or 'no image'}")


def _choose_names(location: Location, names: t.Sequence[Reference | None]) -> tuple[Reference | None, ...]:
    """Return the one of NAMES, the names of an image, that LOCATION gives, else all of them: the author of an archive chose their order."""
    spellings = _spellings(location.name) if location.name is not None else set()
    return tuple(name for name in dict.fromkeys(names) if name is not None and str(name) in spellings) or tuple(dict.fromkeys(names))


def _spellings(text: str) -> set[str]:
    """Return the texts that mean the name, tag or digest TEXT."""
    try:
        return {text, str(parse_selector(text))}
    except InvalidReference:
        return {text}


def _list_names(images: t.Sequence[_ImageT], names: t.Callable[[_ImageT], t.Sequence[str]]) -> str:
    return ", ".join(sorted(names(image)[0] for image in images)[:20])
