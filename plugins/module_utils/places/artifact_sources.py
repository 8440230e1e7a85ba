# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of the places that can hold artifacts: registries, image layouts and archives. Each is read only as far as a method needs it."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ..errors import ImageNotFound, InvalidOption, InvalidReference
from ..oci.location import STORE, Location
from ..oci.platform import Platform
from ..oci.reference import Reference, parse_selector
from ..store.store import Store
from .image_source import ImageSource

if t.TYPE_CHECKING:
    from ..archive.reader import Archive
    from ..oci.digest import Digest
    from ..oci.matching import NamedImage
    from ..registry.referrers import DigestTags
    from ..registry.repository import Repository
    from .archive.catalog import ArchiveCatalog
    from .image_source import PlacedImage
    from .store.catalog import StoreCatalog

_ImageT = t.TypeVar("_ImageT", bound="PlacedImage")


class _LocalCatalog(t.Protocol[_ImageT]):
    """The catalog of a layout or of an archive, in which a location names an image."""

    @property
    def entries(self) -> t.Sequence[_ImageT]: ...

    def select(self, selector: Reference | Digest) -> t.Sequence[_ImageT]: ...

    def tags_of(self, image: _ImageT) -> t.Sequence[str]: ...

    def without_referrers(self) -> t.Sequence[_ImageT]: ...


@dataclasses.dataclass(frozen=True)
class ArtifactPlaces:
    """How the places of a task are opened: repositories to read and to write, and stores by path."""

    repository: t.Callable[[Reference], Repository]
    destination: t.Callable[[Reference], Repository]
    store: t.Callable[[str], Store]


class ArtifactSources:
    """Open the sources of one run. Each layout and each archive is opened once."""

    def __init__(self, places: ArtifactPlaces, host: Platform) -> None:
        self._places = places
        self._host = host
        self._lock = threading.RLock()
        self._layouts: dict[tuple[str, str], StoreCatalog] = {}
        self._archives: dict[str, tuple[Archive, ArchiveCatalog]] = {}
        self._tags: dict[str, DigestTags] = {}

    def store(self, location: Location) -> Store:
        """Return the store or layout at LOCATION, for reading or writing. A layout that is created is readable for all users, a store is as its options say."""
        return self._layout(location).store

    def _layout(self, location: Location) -> StoreCatalog:
        from .store.catalog import StoreCatalog

        key = (location.scheme, location.path)
        with self._lock:
            if key not in self._layouts:
                store = self._places.store(location.path) if location.scheme == STORE else Store(location.path, mode=0o755)
                self._layouts[key] = StoreCatalog(store, self._host)
            return self._layouts[key]

    def find(self, location: Location) -> ImageSource:
        """Return the image at LOCATION.

        Raises ImageNotFound, and InvalidOption for an engine, and if LOCATION has no name and holds several images.
        """
        if location.reference is not None:
            from .registry.source import RegistrySource

            return RegistrySource(location.reference, self._places.repository(location.reference), self._digest_tags)
        if location.image is not None:
            raise InvalidOption(f"{location} is in an engine, and engines don't hold artifacts; use a registry, a store, a layout or an archive")
        if location.is_layout:
            from .store.source import LayoutSource

            layout = self._layout(location)
            entries = _choose_image(location, layout)
            return LayoutSource(layout.store, layout.store.begin_reading(entries[0]), _names_of(entries))
        from .archive.source import ArchiveSource

        archive, catalog = self._archive(location.path)
        images = _choose_image(location, catalog)
        return ArchiveSource(archive, images[0].root, _names_of(images))

    def _archive(self, path: str) -> tuple[Archive, ArchiveCatalog]:
        from ..archive.reader import open_archive
        from .archive.catalog import ArchiveCatalog

        with self._lock:
            if path not in self._archives:
                archive = open_archive(path)
                self._archives[path] = archive, ArchiveCatalog(archive)
            return self._archives[path]

    def _digest_tags(self, repository: Repository) -> DigestTags:
        from ..registry.referrers import DigestTags

        with self._lock:
            return self._tags.setdefault(repository.name, DigestTags(repository))


def _choose_image(location: Location, catalog: _LocalCatalog[_ImageT]) -> list[_ImageT]:
    """Return the image that LOCATION names, once for each of its names that LOCATION means. Without a name: the only image that is no referrer of another.

    Another tool may have written a tag or any other text as a name. Raises ImageNotFound, and InvalidOption for several images.
    """
    entries = catalog.entries
    if location.name is None:
        found = list(catalog.without_referrers()) if len(entries) > 1 else list(entries)
        images = {image.digest: image for image in reversed(found)}
        if len(images) > 1:
            listed = _list_labels(found, catalog)
            raise InvalidOption(f"{location} holds {len(images)} images; put a colon and the name of one after the path: {listed}")
        if not found:
            raise ImageNotFound(f"{location} holds no image")
        return _with_other_names(found[0], entries)
    for image in entries:
        if location.name in catalog.tags_of(image):
            return _with_other_names(image, entries)
    try:
        selected = catalog.select(parse_selector(location.name))
    except InvalidReference:
        selected = []
    if not selected:
        raise ImageNotFound(f"{location} was not found; {location.path} holds {_list_labels(entries, catalog) or 'no image'}")
    return [image for image in selected if image.digest == selected[0].digest]


def _with_other_names(image: _ImageT, entries: t.Sequence[_ImageT]) -> list[_ImageT]:
    return [image, *(other for other in entries if other.digest == image.digest)]


def _names_of(images: t.Sequence[NamedImage]) -> tuple[Reference | None, ...]:
    return tuple(dict.fromkeys(image.name for image in images))


def _list_labels(images: t.Sequence[_ImageT], catalog: _LocalCatalog[_ImageT]) -> str:
    labels = {next(iter(catalog.tags_of(image)), image.label) if image.name is None else image.label for image in images}
    return ", ".join(sorted(labels)[:20])
