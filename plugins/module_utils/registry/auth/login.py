# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in: chooses the authorization for a request, and renews it."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ..http.messages import VERSION_CHECK, Request, Response
from .challenge import Challenge, basic_authorization, choose_challenge, parse_challenges
from .tokens import find_token_server, merge_scopes

if t.TYPE_CHECKING:
    from ..config.mirrors import Route
    from ..config.settings import Credentials, HostSettings
    from ..http.client import HttpClient


class LoginHost(t.Protocol):
    """The host that asks for a login, and the client that asks its token server."""

    @property
    def registry(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def route(self) -> Route: ...

    @property
    def client(self) -> HttpClient: ...

    @property
    def settings(self) -> HostSettings: ...

    def credentials(self, repository: str) -> Credentials | None: ...


@dataclasses.dataclass(frozen=True)
class Authorization:
    """An `Authorization` header for a registry, the scopes it covers (None: all that the user has), and when it ends on the monotonic clock."""

    header: str = dataclasses.field(repr=False)
    scopes: tuple[str, ...] | None = None
    expires_at: float = math.inf

    def covers(self, scopes: t.Collection[str]) -> bool:
        if time.monotonic() >= self.expires_at:
            return False
        return self.scopes is None or merge_scopes((*self.scopes, *scopes)) == self.scopes


class Login:
    """The authorization for one repository of a host: made at the registry's first challenge, renewed when it expires or covers too few scopes."""

    def __init__(self, host: LoginHost, repository: str) -> None:
        self._host = host
        self._repository = repository
        self._lock = threading.Lock()
        self._current: Authorization | None = None
        self._challenges: list[Challenge] = []
        self._local_peers: frozenset[str] = frozenset()

    def get_authorization(self, request: Request) -> Authorization | None:
        """Return the authorization to send with REQUEST, None before the registry's first challenge."""
        with self._lock:
            if self._current is not None and not self._current.covers(request.scopes):
                self._current = self._authorize(request)
            return self._current

    def renew(self, refused: Authorization | None, response: Response, request: Request) -> Authorization:
        """Return another authorization than REFUSED. One that another thread got in the meantime is reused."""
        with self._lock:
            if self._current is None or self._current is refused:
                self._challenges = parse_challenges(response.header_values("WWW-Authenticate"))
                self._local_peers = response.local_peers
                self._current = self._authorize(request)
            return self._current

    def _authorize(self, request: Request) -> Authorization:
        host = self._host
        credentials = host.credentials(self._repository)
        challenge = choose_challenge(self._challenges, credentials, request.what, host.registry)
        if challenge.scheme == "basic" and credentials is not None:
            return Authorization(basic_authorization(credentials))
        server = find_token_server(challenge, host.url, host.client, host.settings, request.what, self._local_peers)
        scopes = self._current.scopes or () if self._current is not None else ()
        requested = challenge.parameters.get("scope", "").split() or _default_scopes(request, host.route.remote_name(self._repository))
        token = server.fetch(merge_scopes((*scopes, *requested, *request.scopes)), credentials, request.what)
        return Authorization(f"Bearer {token.value}", token.scopes, token.expires_at)


def _default_scopes(request: Request, repository: str) -> list[str]:
    """Return the scopes for REQUEST if the registry names none (distribution, Token Scope Documentation).

    Without REPOSITORY, REQUEST lists all repositories, or only checks a login, which needs no permission: users rarely may list all.
    """
    if not repository:
        return [] if urlsplit(request.url).path.endswith(VERSION_CHECK) else ["registry:catalog:*"]
    return [
        f"repository:{repository}:{'pull' if request.method in ('GET', 'HEAD') else 'delete,pull' if request.method == 'DELETE' else 'pull,push'}"
    ]
