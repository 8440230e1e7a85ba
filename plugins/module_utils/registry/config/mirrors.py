# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways to a registry's images: mirrors, and the registry itself. Pure: what a host's files say is read elsewhere."""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import quote, urlsplit

from ...errors import Denied, InvalidOption
from ...oci.reference import DOCKER_HUB, Reference
from .settings import ClientSettings, HostSettings, Mirror

HUB_HOST = "registry-1.docker.io"


@dataclasses.dataclass(frozen=True)
class Route:
    """One way: which host is asked, under which path, and what a repository is called there.

    `own_part` is the beginning of a repository's path that is left out, and `their_part` stands in its place. `namespace` is the registry that a mirror is
    told it is asked for. `keeper` is the registry as which auth files know this host.
    """

    host: str
    settings: HostSettings
    keeper: str
    root: str = "/v2"
    own_part: str = ""
    their_part: str = ""
    namespace: str | None = None
    tags: bool = True
    digests: bool = True

    def renamed(self, repository: str) -> str:
        """What REPOSITORY is called there."""
        rest = repository[len(self.own_part) :].lstrip("/")
        return "/".join(part for part in (self.their_part, rest) if part)

    def path(self, path: str, repository: str) -> str:
        """A PATH of the distribution specification (`/v2/REPOSITORY/...`) as it is spelled on this way."""
        ours = f"/v2/{repository}/"
        if path.startswith(ours):
            path = f"{self.root}/{self.renamed(repository)}/{path[len(ours) :]}"
        elif path.startswith("/v2/"):
            path = self.root + path[len("/v2") :]
        if self.namespace is None:
            return path
        return f"{path}{'&' if '?' in path else '?'}ns={quote(self.namespace, safe='')}"


@dataclasses.dataclass(frozen=True)
class HostRoutes:
    """What the host's configuration says of a repository: its mirrors, where else it is read from, another way to the registry itself, and who blocked it."""

    mirrors: tuple[Route, ...] = ()
    upstream: Route | None = None
    server: Route | None = None
    insecure: bool = False
    blocked_by: str | None = None


class HostConfig(t.Protocol):
    """The configuration of this host's engines, as far as it is about registries."""

    def routes(self, reference: Reference) -> HostRoutes: ...


@dataclasses.dataclass(frozen=True)
class Routes:
    """All ways to a repository: MIRRORS in the order in which they are asked, and UPSTREAM, which is not read from where MIRROR_ONLY.

    ITSELF is the registry that the name says, for all but reading images: the upstream, unless the host's configuration has them read from another place.
    """

    mirrors: tuple[Route, ...]
    upstream: Route
    itself: Route
    mirror_only: bool = False


def routes_for(reference: Reference, settings: ClientSettings, host_config: HostConfig | None) -> Routes:
    """The task's mirrors before those of the host. Raises Denied for a registry that the host's configuration blocks."""
    own = settings.for_host(reference.registry)
    given = tuple(mirror_route(mirror, reference.registry) for mirror in own.mirrors)
    found = host_config.routes(reference) if host_config is not None else HostRoutes()
    if found.blocked_by is not None:
        raise Denied(f"{reference.context} is blocked by {found.blocked_by}; host_config: false passes over that")
    mirrors = given or tuple(_with_the_tasks_settings(mirror, settings) for mirror in found.mirrors)
    itself = _itself(reference, settings, own, found)
    upstream = _with_the_tasks_settings(found.upstream, settings) if found.upstream is not None else itself
    return Routes(mirrors, upstream, itself, own.mirror_only and bool(given))


def _itself(reference: Reference, settings: ClientSettings, own: HostSettings, found: HostRoutes) -> Route:
    if found.server is not None:
        return _with_the_tasks_settings(found.server, settings)
    host = HUB_HOST if reference.registry == DOCKER_HUB else reference.registry
    if found.insecure and own.plain_http is None:
        own = dataclasses.replace(own, validate_certs=False, may_be_plain=True)
    return Route(host, own, reference.registry)


def _with_the_tasks_settings(route: Route, settings: ClientSettings) -> Route:
    """A way that the host's configuration names, with what the task says of the very host that it leads to."""
    listed = settings.hosts.get(route.keeper)
    if listed is None:
        return route
    own = route.settings
    together = dataclasses.replace(
        own,
        plain_http=own.plain_http if listed.plain_http is None else listed.plain_http,
        validate_certs=own.validate_certs and listed.validate_certs,
        ca_path=listed.ca_path or own.ca_path,
        ca_origin=own.ca_origin if listed.ca_path is None else None,
        credentials=listed.credentials,
        token_hosts=listed.token_hosts,
    )
    if listed.client_cert is not None:
        together = dataclasses.replace(together, client_cert=listed.client_cert, client_key=listed.client_key)
    return dataclasses.replace(route, settings=together)


def mirror_route(mirror: Mirror, registry: str) -> Route:
    """The way over a mirror that a task names: the repository's path below the prefix, and `?ns=` for the registry. Raises InvalidOption."""
    try:
        parts = urlsplit(mirror.url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidOption(f"mirrors of {registry}: an url has to be http:// or https://, a host, perhaps a port and a path, and nothing else")
    settings = dataclasses.replace(mirror.settings, plain_http=parts.scheme == "http")
    return Route(parts.netloc, settings, parts.netloc, their_part=parts.path.strip("/"), namespace=registry, tags=mirror.resolve_tags)
