# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in: which authorization goes with a request, and when it is asked for anew."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
import typing as t

from ..http.messages import Request, Response
from .challenge import Challenge, basic_authorization, choose_challenge, parse_challenges
from .tokens import find_token_server, merge_scopes

if t.TYPE_CHECKING:
    from ..endpoint import Endpoint


@dataclasses.dataclass(frozen=True)
class Authorization:
    """What a registry accepted, or is hoped to: the header, what it allows (None: all that the user may), and when it ends."""

    header: str = dataclasses.field(repr=False)
    scopes: tuple[str, ...] | None = None
    ends: float = math.inf

    def serves(self, scopes: t.Collection[str]) -> bool:
        if time.monotonic() >= self.ends:
            return False
        return self.scopes is None or merge_scopes((*self.scopes, *scopes)) == self.scopes


class Login:
    """The authorization for one repository of an endpoint: found when the registry first asks for it, renewed when it ends or is too small."""

    def __init__(self, endpoint: Endpoint, repository: str) -> None:
        self._endpoint = endpoint
        self._repository = repository
        self._lock = threading.Lock()
        self._current: Authorization | None = None
        self._challenges: list[Challenge] = []
        self._local_peers: frozenset[str] = frozenset()

    def current(self, request: Request) -> Authorization | None:
        """What to send with REQUEST, None before the registry has asked for anything."""
        with self._lock:
            if self._current is not None and not self._current.serves(request.scopes):
                self._current = self._answered(request)
            return self._current

    def renewed(self, refused: Authorization | None, response: Response, request: Request) -> Authorization:
        """Another authorization than the one that was REFUSED. What another thread has got meanwhile will do."""
        with self._lock:
            if self._current is None or self._current is refused:
                self._challenges = parse_challenges(response.header_values("WWW-Authenticate"))
                self._local_peers = response.local_peers
                self._current = self._answered(request)
            return self._current

    def _answered(self, request: Request) -> Authorization:
        endpoint = self._endpoint
        credentials = endpoint.credentials(self._repository)
        challenge = choose_challenge(self._challenges, credentials, request.what, endpoint.registry)
        if challenge.scheme == "basic" and credentials is not None:
            return Authorization(basic_authorization(credentials))
        server = find_token_server(challenge, endpoint.url, endpoint.client, endpoint.settings, request.what, self._local_peers)
        held = self._current.scopes or () if self._current is not None else ()
        wanted = challenge.parameters.get("scope", "").split() or [_usual_scope(request, endpoint.route.renamed(self._repository))]
        token = server.fetch(merge_scopes((*held, *wanted, *request.scopes)), credentials, request.what)
        return Authorization(f"Bearer {token.value}", token.scopes, token.ends)


def _usual_scope(request: Request, repository: str) -> str:
    """What REQUEST needs, where the registry doesn't say. Without REPOSITORY it lists all of them (distribution, Token Scope Documentation)."""
    if not repository:
        return "registry:catalog:*"
    return f"repository:{repository}:{'pull' if request.method in ('GET', 'HEAD') else 'delete,pull' if request.method == 'DELETE' else 'pull,push'}"
