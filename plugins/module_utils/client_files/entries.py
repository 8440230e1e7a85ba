# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registries that a host's engines are configured for, and their mirrors. The files of every engine are made of these values."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption
from ..oci.reference import DOCKER_HUB
from ..registry.config.mirrors import HUB_HOST, Route, mirror_route
from ..registry.config.settings import Credentials, HostSettings

KUBERNETES = ("k3s", "rke2")
ENGINES = ("containerd", "podman", "docker", *KUBERNETES)
# The first line of every file that this collection writes completely. PEM readers skip text before the first certificate or key.
MARK = "# Written by longshore.images.registry_client. Changes here are overwritten."

_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclasses.dataclass(frozen=True)
class ClientEntry:
    """A registry and how engines reach it. If it is `denied`, engines read only from its mirrors. If it is `blocked`, engines pull nothing."""

    name: str
    settings: HostSettings
    denied: bool = False
    blocked: bool = False

    @property
    def host(self) -> str:
        """The host that serves the registry."""
        return HUB_HOST if self.name == DOCKER_HUB else self.name

    @property
    def is_loopback(self) -> bool:
        return self.name.startswith(_LOOPBACK)

    @property
    def mirrors(self) -> list[Route]:
        """The mirrors, in the order in which they are tried."""
        return [mirror_route(mirror, self.name) for mirror in self.settings.mirrors]

    @property
    def url(self) -> str:
        return f"{'http' if self.settings.plain_http else 'https'}://{self.host}"


def mirror_url(route: Route) -> str:
    """Return the address of a mirror without its path."""
    return f"{'http' if route.settings.plain_http else 'https'}://{route.host}"


@dataclasses.dataclass(frozen=True)
class CertificateFiles:
    """The content of the certificate files of one host: CAs to trust, and the certificate and key of the client."""

    ca: bytes | None = None
    client_cert: bytes | None = None
    client_key: bytes | None = None

    def files(self) -> dict[str, bytes]:
        """Return the files by the names that podman and Docker expect."""
        named = {"ca.crt": self.ca, "client.cert": self.client_cert, "client.key": self.client_key}
        return {name: content for name, content in named.items() if content is not None}


Contents = t.Mapping[str, bytes]


@dataclasses.dataclass(frozen=True)
class HostAccess:
    """How one host is reached, whether as a registry or as a mirror. `logins` has the login for the host (key ``), or for a path below it."""

    host: str
    settings: HostSettings
    certificates: CertificateFiles
    logins: t.Mapping[str, Credentials]

    @property
    def is_insecure(self) -> bool:
        """Return True if the host is reached without TLS, or without checking its certificate."""
        return bool(self.settings.plain_http) or not self.settings.validate_certs


def certificate_files(settings: HostSettings, contents: Contents) -> CertificateFiles:
    """Return the certificates that SETTINGS name by path. CONTENTS has the content of each path."""

    def content(path: str | None) -> bytes | None:
        return None if path is None else contents[path]

    return CertificateFiles(content(settings.ca_path), content(settings.client_cert), content(settings.client_key))


def collect_access(entries: t.Sequence[ClientEntry], contents: Contents) -> list[HostAccess]:
    """Return every host once: registries, and their mirrors. Raises InvalidOption if one host has two different settings, logins or certificates."""
    hosts: dict[str, HostAccess] = {}
    for entry in entries:
        hosts[entry.name] = _merge(hosts.get(entry.name), entry.name, "", entry.settings, contents)
        for route in entry.mirrors:
            hosts[route.host] = _merge(hosts.get(route.host), route.host, route.added_prefix, route.settings, contents)
    return list(hosts.values())


def _merge(known: HostAccess | None, host: str, path: str, settings: HostSettings, contents: Contents) -> HostAccess:
    """Return the access to a host that several entries name. A setting may be in only one of them."""
    if host in (".", ".."):
        raise InvalidOption(f"{host} is not the name of a host")
    found = certificate_files(settings, contents)
    logins = {path: settings.credentials} if settings.credentials is not None else {}
    if known is None:
        return HostAccess(host, settings, found, logins)
    for option in ("ca", "client_cert", "client_key"):
        _check_same(host, option, getattr(known.certificates, option), getattr(found, option))
    _check_same(host, "plain_http", known.settings.plain_http, settings.plain_http)
    _check_same(host, "login", known.logins.get(path), logins.get(path))
    certificates = CertificateFiles(
        known.certificates.ca or found.ca, known.certificates.client_cert or found.client_cert, known.certificates.client_key or found.client_key
    )
    merged = dataclasses.replace(
        known.settings,
        plain_http=settings.plain_http if known.settings.plain_http is None else known.settings.plain_http,
        validate_certs=known.settings.validate_certs and settings.validate_certs,
    )
    return HostAccess(host, merged, certificates, {**known.logins, **logins})


def _check_same(host: str, what: str, first: object, second: object) -> None:
    if first is not None and second is not None and first != second:
        raise InvalidOption(f"{host} is named twice, with another {what} each time; engines know one for each host")
