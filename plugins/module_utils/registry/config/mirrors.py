# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes to a registry's images: its mirrors, and the registry itself. Pure: other modules read the host's files."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from urllib.parse import SplitResult, quote, urlsplit

from ...errors import Denied, InvalidOption
from ...oci.reference import DOCKER_HUB, Reference
from ...oci.text import without_secrets
from .settings import ClientSettings, Credentials, HostSettings, Mirror

HUB_HOST = "registry-1.docker.io"

_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclasses.dataclass(frozen=True)
class Route:
    """One route to a repository: which host serves it, below which path, and the repository's name at that host.

    `removed_prefix` is the beginning of a repository's path that `added_prefix` replaces. `namespace` is the registry that a mirror is asked for (`?ns=`).
    `registry` is the registry under which auth files list this host.
    """

    host: str
    settings: HostSettings
    registry: str
    root: str = "/v2"
    removed_prefix: str = ""
    added_prefix: str = ""
    namespace: str | None = None
    tags: bool = True
    digests: bool = True

    def remote_name(self, repository: str) -> str:
        """Return the name of REPOSITORY at this host."""
        rest = repository[len(self.removed_prefix) :].lstrip("/")
        return "/".join(part for part in (self.added_prefix, rest) if part)

    def translate_path(self, path: str, repository: str) -> str:
        """Return PATH of the distribution specification (`/v2/REPOSITORY/...`) as this host expects it."""
        prefix = f"/v2/{repository}/"
        if path.startswith(prefix):
            path = f"{self.root}/{self.remote_name(repository)}/{path[len(prefix) :]}"
        elif path.startswith("/v2/"):
            path = self.root + path[len("/v2") :]
        if self.namespace is None:
            return path
        return f"{path}{'&' if '?' in path else '?'}ns={quote(self.namespace, safe='')}"


@dataclasses.dataclass(frozen=True)
class HostRoutes:
    """The host's configuration for a repository.

    `mirrors` are tried first. `upstream` replaces the registry for reading, `server` replaces it for everything. `blocked_by` is the file that blocks it.
    """

    mirrors: tuple[Route, ...] = ()
    upstream: Route | None = None
    server: Route | None = None
    insecure: bool = False
    blocked_by: str | None = None


class HostConfig(t.Protocol):
    """The part of the engines' configuration that is about registries."""

    def routes(self, reference: Reference) -> HostRoutes: ...


@dataclasses.dataclass(frozen=True)
class Routes:
    """All routes to a repository: MIRRORS in the order in which they are tried, and UPSTREAM, which is not used for reading if MIRROR_ONLY.

    REGISTRY_ROUTE is the registry that the name says, for everything but reading images. It equals UPSTREAM unless the host's configuration reads images from
    another place.
    """

    mirrors: tuple[Route, ...]
    upstream: Route
    registry_route: Route
    mirror_only: bool = False


def split_address(address: str) -> SplitResult | None:
    """Return the parts of the address of a registry or mirror (http or https, a host, optionally a port and a path), None for any other text."""
    try:
        parts = urlsplit(address)
        # `urlsplit` removes line breaks and tabs.
        is_valid = address.isprintable() and parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc) is not None and parts.port != 0
    except ValueError:  # a port above 65535, or brackets that hold no IPv6 address
        return None
    return parts if is_valid else None


def find_routes(reference: Reference, settings: ClientSettings, host_config: HostConfig | None) -> Routes:
    """Return the routes to a repository. The task's mirrors replace the host's. Raises Denied for a registry that the host's configuration blocks."""
    registry_settings = settings.for_host(reference.registry)
    task_mirrors = tuple(mirror_route(mirror, reference.registry) for mirror in registry_settings.mirrors)
    host_routes = _find_host_routes(reference, host_config)
    mirrors = task_mirrors or tuple(_apply_task_settings(mirror, settings) for mirror in host_routes.mirrors)
    registry_route = _make_registry_route(reference, settings, registry_settings, host_routes)
    upstream = registry_route
    if host_routes.upstream is not None:
        upstream = _apply_task_settings(host_routes.upstream, settings)
    elif host_routes.server is not None and registry_route.registry != reference.registry:
        # containerd sends the name of the registry to another server, as it does to mirrors.
        upstream = dataclasses.replace(registry_route, namespace=reference.registry)
    return Routes(mirrors, upstream, registry_route, registry_settings.mirror_only and bool(task_mirrors))


def find_login_route(registry: str, credentials: Credentials, settings: ClientSettings, host_config: HostConfig | None) -> Route:
    """Return the route on which a registry can be asked whether it accepts CREDENTIALS. Raises Denied for a registry that the host's configuration blocks.

    Another server that containerd's configuration names in place of the registry is ignored: the credentials are not meant for it.
    """
    reference = Reference(registry, "")
    host_routes = _find_host_routes(reference, host_config)
    if host_routes.server is not None and host_routes.server.registry != registry:
        host_routes = dataclasses.replace(host_routes, server=None)
    route = _make_registry_route(reference, settings, settings.for_host(registry), host_routes)
    return dataclasses.replace(route, settings=dataclasses.replace(route.settings, credentials=credentials))


def _find_host_routes(reference: Reference, host_config: HostConfig | None) -> HostRoutes:
    host_routes = host_config.routes(reference) if host_config is not None else HostRoutes()
    if host_routes.blocked_by is not None:
        raise Denied(f"{reference.context.rstrip('/')} is blocked by {host_routes.blocked_by}; set host_config: false to ignore that")
    return host_routes


def _make_registry_route(reference: Reference, settings: ClientSettings, registry_settings: HostSettings, host_routes: HostRoutes) -> Route:
    if host_routes.server is not None:
        return _apply_task_settings(host_routes.server, settings)
    host = HUB_HOST if reference.registry == DOCKER_HUB else reference.registry
    if host_routes.insecure and registry_settings.plain_http is None:
        registry_settings = dataclasses.replace(registry_settings, validate_certs=False, detect_plain_http=True)
    return Route(host=host, settings=registry_settings, registry=reference.registry)


def _apply_task_settings(route: Route, settings: ClientSettings) -> Route:
    """Return a route of the host's configuration with the settings that the task has for the same host."""
    task_settings = settings.hosts.get(route.registry)
    if task_settings is None:
        return route
    route_settings = route.settings
    merged = dataclasses.replace(
        route_settings,
        plain_http=route_settings.plain_http if task_settings.plain_http is None else task_settings.plain_http,
        validate_certs=route_settings.validate_certs and task_settings.validate_certs,
        ca_path=task_settings.ca_path or route_settings.ca_path,
        ca_source=route_settings.ca_source if task_settings.ca_path is None else None,
        credentials=task_settings.credentials,
        token_hosts=task_settings.token_hosts,
    )
    if task_settings.client_cert is not None:
        merged = dataclasses.replace(merged, client_cert=task_settings.client_cert, client_key=task_settings.client_key)
    return dataclasses.replace(route, settings=merged)


def mirror_route(mirror: Mirror, registry: str) -> Route:
    """Return the route for a mirror that a task names: the repository below the prefix, and `?ns=` with the registry. Raises InvalidOption."""
    parts = split_address(mirror.url)
    if parts is None or parts.query or parts.fragment:
        raise InvalidOption(
            f"mirrors of {registry}: url {without_secrets(mirror.url)!r} must be http:// or https://, a host, optionally a port and a path, and nothing else"
        )
    settings = dataclasses.replace(mirror.settings, plain_http=parts.scheme == "http")
    return Route(
        host=parts.netloc,
        settings=settings,
        registry=parts.netloc,
        added_prefix=parts.path.strip("/"),
        namespace=registry,
        tags=mirror.resolve_tags,
    )
