# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How registries are to be reached: values that come from the task, and are the same for every request of a run."""

from __future__ import annotations

import dataclasses
import re
import typing as t

if t.TYPE_CHECKING:
    from ..http.request_log import RequestLog

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")


def is_header(name: str, value: str) -> bool:
    """Whether this can be sent as a header as it is, and as no more than that."""
    return _HEADER_NAME.fullmatch(name) is not None and _HEADER_VALUE.fullmatch(value) is not None


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A user's name and password, or an identity token to get tokens by. None of it shows up in a repr, and so in no traceback or log."""

    username: str = dataclasses.field(repr=False)
    password: str = dataclasses.field(repr=False)
    identity_token: str | None = dataclasses.field(default=None, repr=False)

    @property
    def secret(self) -> str:
        return self.password if self.identity_token is None else self.identity_token


@dataclasses.dataclass(frozen=True)
class HostSettings:
    """What holds for one registry. `plain_http`: True never TLS, False always TLS, None decides by the host; paths are the user's own.

    Where `may_be_plain`, None asks a host that isn't this machine too. `token_hosts` are the host:port of token servers that are trusted though they are
    this machine's or a private network's. `headers` go with every request to this host, and with none to another. `mirrors` are asked first, in order.
    `ca_origin` is where the authorities in `ca_path` come from, for messages, when that is a file of our own.
    """

    plain_http: bool | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    credentials: Credentials | None = None
    may_be_plain: bool = False
    token_hosts: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    mirrors: tuple[Mirror, ...] = ()
    mirror_only: bool = False
    ca_origin: str | None = None

    @property
    def for_strangers(self) -> HostSettings:
        """These settings for another host that this one sends us to: nothing that shows who we are."""
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
    """Another place for a registry's images. `url` is scheme://host[:port][/prefix]; what tags point at is asked there where it `resolve_tags`."""

    url: str
    settings: HostSettings
    resolve_tags: bool = True


@dataclasses.dataclass(frozen=True)
class ClientSettings:
    """What holds for all registries of a run. `timeout` is seconds without progress, `retries` how often a request is tried at most.

    With `host_config` the configuration of this host's engines counts where the task says nothing. `default` holds credentials for the registries in
    `credentials_for` alone; None means all. A `request_log` records every request.
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
        """Return the settings for a registry, without the credentials of the task if it isn't one that they are for."""
        listed = self.hosts.get(registry)
        if listed is not None or self.credentials_for is None or registry in self.credentials_for:
            return listed or self.default
        return dataclasses.replace(self.default, credentials=None, client_cert=None, client_key=None)
