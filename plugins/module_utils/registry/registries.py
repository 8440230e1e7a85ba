# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entry point of this package: opens all registries and repositories that a run uses."""

from __future__ import annotations

import threading
import typing as t

from ..oci.reference import Reference
from .config.mirrors import Route, find_login_route, find_routes
from .config.settings import ClientSettings, Credentials
from .endpoint import Endpoint
from .http.client import HttpClient
from .mirror_fallback import MirrorFallback
from .repository import Repository

if t.TYPE_CHECKING:
    from .config.host_config import HostRegistryConfig


class Registries:
    """Opens repositories by reference. All images of a run share connections, authorizations and documents."""

    def __init__(self, settings: ClientSettings) -> None:
        self.client = HttpClient(settings)
        self._host_config = _engine_config() if settings.host_config else None
        self._lock = threading.Lock()
        self._endpoints: dict[Route, Endpoint] = {}
        self._repositories: dict[tuple[str, bool], Repository] = {}

    @property
    def warnings(self) -> list[str]:
        """Warnings about files of the host's configuration that were skipped."""
        return self._host_config.warnings if self._host_config is not None else []

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The names and values of all headers that the task or the host's configuration adds to requests."""
        with self._lock:
            return [header for route in self._endpoints for header in route.settings.headers]

    def repository(self, reference: Reference, direct: bool = False) -> Repository:
        """Return the shared object for a repository; this sends nothing. DIRECT skips mirrors: a push must know the registry's own state.

        Raises Denied if the host's configuration blocks the repository.
        """
        with self._lock:
            repository = self._repositories.get((reference.context, direct))
            if repository is None:
                repository = self._repositories[reference.context, direct] = self._open(reference, direct)
            return repository

    def _open(self, reference: Reference, direct: bool) -> Repository:
        routes = find_routes(reference, self.client.settings, self._host_config)
        endpoint = self._endpoint(routes.registry_route)
        read_routes = routes.mirrors if routes.mirror_only else (*routes.mirrors, routes.upstream)
        endpoints = [endpoint] if direct else [self._endpoint(route) for route in read_routes]
        return Repository(endpoint, reference.repository, reference.registry, MirrorFallback(endpoints, reference.repository))

    def endpoint(self, registry: str) -> Endpoint:
        """Return the endpoint of a registry itself, for requests that are not about images; this sends nothing."""
        with self._lock:
            return self._endpoint(find_routes(Reference(registry, ""), self.client.settings, self._host_config).registry_route)

    def accepts_login(self, registry: str, credentials: Credentials) -> bool:
        """Return True if a registry accepts CREDENTIALS, False if it asks for none, so that nothing is known about them.

        Raises Denied if the registry refuses them, or if the host's configuration blocks it.
        """
        self.client.found_credentials.append(credentials)
        with self._lock:
            endpoint = self._endpoint(find_login_route(registry, credentials, self.client.settings, self._host_config))
        return endpoint.check_login(f"the login at {registry}")

    def _endpoint(self, route: Route) -> Endpoint:
        if self._host_config is not None:
            route = self._host_config.with_certificates(route)
        return self._endpoints.setdefault(route, Endpoint(route, self.client))


def _engine_config() -> HostRegistryConfig:
    from .config.host_config import HostRegistryConfig

    return HostRegistryConfig()
