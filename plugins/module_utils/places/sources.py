# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of all places as the sources of copies. A module that reads no engine imports `artifact_sources`, so that Ansible doesn't send it the engines."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.location import Location
from ..oci.platform import Platform
from .artifact_sources import ArtifactPlaces, ArtifactSources
from .image_source import ImageSource

if t.TYPE_CHECKING:
    from ..engine.interfaces import ManagedEngine
    from ..oci.reference import Reference
    from ..registry.repository import Repository
    from ..store.store import Store
    from .engine.reader import EngineReader


@dataclasses.dataclass(frozen=True)
class Places:
    """How the places of a task are opened: repositories to read and to write, engines by scheme and namespace, and stores by path."""

    repository: t.Callable[[Reference], Repository]
    destination: t.Callable[[Reference], Repository]
    engine: t.Callable[[str, str | None], ManagedEngine]
    store: t.Callable[[str], Store]


class ImageSources(ArtifactSources):
    """Open the sources of one run, engines too. Each engine is opened once."""

    def __init__(self, places: Places, host: Platform) -> None:
        super().__init__(ArtifactPlaces(places.repository, places.destination, places.store), host)
        self._open_engine = places.engine
        self._engines: dict[tuple[str, str | None], EngineReader] = {}

    def engine(self, location: Location) -> EngineReader:
        """Return the engine at LOCATION. Raises EngineError if it can't be reached."""
        from .engine.reader import EngineReader

        key = (location.scheme, location.namespace)
        with self._lock:
            if key not in self._engines:
                self._engines[key] = EngineReader(self._open_engine(*key), self._host)
            return self._engines[key]

    def find(self, location: Location) -> ImageSource:
        """Return the image at LOCATION. Raises as the method of the base class, except that engines have images too."""
        return self.engine(location).find(location.image) if location.image is not None else super().find(location)
