# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The door of this room: all registries that a run talks to, each reached in one way."""

from __future__ import annotations

import threading
import typing as t

from ..oci.reference import Reference
from .config.mirrors import Route, routes_for
from .config.settings import ClientSettings
from .endpoint import Endpoint
from .http.client import HttpClient
from .mirror_fallback import MirrorFallback
from .repository import Repository

if t.TYPE_CHECKING:
    from .config.host_config import HostRegistryConfig


class Registries:
    """Repositories by reference. Connections, authorizations and documents are shared by all images of a run."""

    def __init__(self, settings: ClientSettings) -> None:
        self.client = HttpClient(settings)
        self._host_config = _engine_config() if settings.host_config else None
        self._lock = threading.Lock()
        self._endpoints: dict[Route, Endpoint] = {}
        self._repositories: dict[tuple[str, bool], Repository] = {}

    @property
    def warnings(self) -> list[str]:
        """What of the host's configuration was passed over."""
        return self._host_config.warnings if self._host_config is not None else []

    @property
    def headers(self) -> list[str]:
        """The values of all headers that are sent because the task or the host's configuration says so."""
        with self._lock:
            return [value for route in self._endpoints for _name, value in route.settings.headers]

    def repository(self, reference: Reference, direct: bool = False) -> Repository:
        """The one object for this repository, whoever asks; nothing is sent by it. DIRECT is for writing, which needs to know what the registry itself has.

        Raises Denied where the host's configuration blocks the repository.
        """
        with self._lock:
            repository = self._repositories.get((reference.context, direct))
            if repository is None:
                repository = self._repositories[reference.context, direct] = self._opened(reference, direct)
            return repository

    def _opened(self, reference: Reference, direct: bool) -> Repository:
        routes = routes_for(reference, self.client.settings, self._host_config)
        itself = self._endpoint(routes.itself)
        reading = routes.mirrors if routes.mirror_only else (*routes.mirrors, routes.upstream)
        ways = [itself] if direct else [self._endpoint(route) for route in reading]
        return Repository(itself, reference.repository, reference.registry, MirrorFallback(ways, reference.repository))

    def endpoint(self, registry: str) -> Endpoint:
        """A registry itself, for what it has beside images; nothing is sent by it."""
        with self._lock:
            return self._endpoint(routes_for(Reference(registry, ""), self.client.settings, self._host_config).itself)

    def _endpoint(self, route: Route) -> Endpoint:
        if self._host_config is not None:
            route = self._host_config.with_certificates(route)
        return self._endpoints.setdefault(route, Endpoint(route, self.client))


def _engine_config() -> HostRegistryConfig:
    from .config.host_config import HostRegistryConfig

    return HostRegistryConfig()
