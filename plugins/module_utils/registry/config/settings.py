# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings for reaching registries: values that come from the task and are the same for every request of a run."""

from __future__ import annotations

import dataclasses
import re
import typing as t

if t.TYPE_CHECKING:
    from ..http.request_log import RequestLog

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")


def is_valid_header(name: str, value: str) -> bool:
    """Return True if NAME and VALUE can be sent as one HTTP header, unchanged."""
    return _HEADER_NAME.fullmatch(name) is not None and _HEADER_VALUE.fullmatch(value) is not None


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A user name and a password, or an identity token to get tokens with. The repr shows none of them, so no traceback or log does."""

    username: str = dataclasses.field(repr=False)
    password: str = dataclasses.field(repr=False)
    identity_token: str | None = dataclasses.field(default=None, repr=False)

    @property
    def secret(self) -> str:
        return self.password if self.identity_token is None else self.identity_token


@dataclasses.dataclass(frozen=True)
class HostSettings:
    """Settings for one registry. Paths are the user's own.

    - `plain_http`: True never uses TLS, False always does, None decides by the host.
    - `detect_plain_http`: with `plain_http` None, find out for any host whether it speaks TLS, not for this machine only.
    - `token_hosts`: host:port of token servers that are trusted although they are on this machine or in a private network.
    - `headers`: sent with every request to this host, and to no other host.
    - `mirrors`: tried before the registry, in order.
    - `ca_source`: where the CAs in `ca_path` come from, for messages, if `ca_path` is a temporary file of ours.
    """

    plain_http: bool | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    credentials: Credentials | None = None
    detect_plain_http: bool = False
    token_hosts: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    mirrors: tuple[Mirror, ...] = ()
    mirror_only: bool = False
    ca_source: str | None = None

    @property
    def for_other_hosts(self) -> HostSettings:
        """These settings for another host that this one sends us to, without anything that identifies the user."""
        return dataclasses.replace(self, client_cert=None, client_key=None, headers=())

    @property
    def verify(self) -> bool | str:
        return (self.ca_path or True) if self.validate_certs else False

    @property
    def cert(self) -> str | tuple[str, str] | None:
        if self.client_cert and self.client_key:
            return (self.client_cert, self.client_key)
        return self.client_cert


@dataclasses.dataclass(frozen=True)
class Mirror:
    """A mirror of a registry. `url` is scheme://host[:port][/prefix]; tags are resolved there only if `resolve_tags` is set."""

    url: str
    settings: HostSettings
    resolve_tags: bool = True


@dataclasses.dataclass(frozen=True)
class ClientSettings:
    """Settings for all registries of a run. `timeout` is seconds without progress, `retries` the highest number of tries for a request.

    With `host_config` the configuration of this host's engines applies if the task sets nothing else. The credentials in `default` are for the registries in
    `credentials_for` only; None means all. A `request_log` records every request.
    """

    default: HostSettings = HostSettings()
    hosts: t.Mapping[str, HostSettings] = dataclasses.field(default_factory=dict)
    auth_file: str | None = None
    proxy: str | None = None
    host_config: bool = False
    timeout: float = 60
    retries: int = 5
    concurrency: int = 4
    credentials_for: frozenset[str] | None = None
    request_log: RequestLog | None = None

    def for_host(self, registry: str) -> HostSettings:
        """Return the settings for a registry, without the task's credentials if they aren't meant for it."""
        listed = self.hosts.get(registry)
        if listed is not None or self.credentials_for is None or registry in self.credentials_for:
            return listed or self.default
        return dataclasses.replace(self.default, credentials=None, client_cert=None, client_key=None)
