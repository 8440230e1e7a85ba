# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access control of the registry: open, by password, or by token; and the token server.

Every secret that is issued begins with `planted`, so that tests can search for it in everything that a run leaves.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import secrets
import time
import typing as t
from urllib.parse import parse_qs

from .server import Answer, Request

USER = "reader"
PASSWORD = "planted pass/%+&é"
IDENTITY = "planted-identity/+=&é"
SERVICE = "programmable registry"
LIFE = 300.0


def scope_of(method: str, repository: str | None, catalog: bool = False) -> str | None:
    """Return the scope that a request needs, or None if any user may send it."""
    if catalog:
        return "registry:catalog:*"
    if repository is None:
        return None
    actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(method, "pull,push")
    return f"repository:{repository}:{actions}"


class AccessControl(t.Protocol):
    def refuse(self, request: Request, scope: str | None) -> Answer | None:
        """Return the refusal of a request, or None if it is allowed."""

    def may_pull(self, request: Request, repository: str) -> bool:
        """Return whether an allowed request may also read from this repository."""


class AnonymousAccess:
    def refuse(self, request: Request, scope: str | None) -> Answer | None:
        return None

    def may_pull(self, request: Request, repository: str) -> bool:
        return True


class PasswordAccess:
    """Basic authentication: users with a password may do everything."""

    challenge = 'Basic realm="programmable"'

    def __init__(self, users: t.Mapping[str, str]) -> None:
        self.users = users

    def refuse(self, request: Request, scope: str | None) -> Answer | None:
        return None if user_of(request, self.users) is not None else unauthorized(self.challenge)

    def may_pull(self, request: Request, repository: str) -> bool:
        return True


class TokenAccess:
    """Bearer tokens from a token server at REALM."""

    def __init__(self, tokens: Tokens, realm: str) -> None:
        self.tokens = tokens
        self.realm = realm

    def challenge(self, scope: str | None, error: str | None = None) -> str:
        wanted = f',scope="{scope}"' if scope is not None else ""
        error_parameter = f',error="{error}"' if error is not None else ""
        return f'Bearer realm="{self.realm}",service="{SERVICE}"{wanted}{error_parameter}'

    def refuse(self, request: Request, scope: str | None) -> Answer | None:
        grant = self._grant(request)
        if grant is None:
            return unauthorized(self.challenge(scope))
        if scope is not None and not grant.covers(scope):
            return unauthorized(self.challenge(scope, "insufficient_scope"))
        return None

    def may_pull(self, request: Request, repository: str) -> bool:
        grant = self._grant(request)
        return grant is not None and grant.covers(f"repository:{repository}:pull")

    def _grant(self, request: Request) -> Grant | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        grant = self.tokens.grants.get(token) if scheme == "Bearer" else None
        return grant if grant is not None and time.monotonic() < grant.ends else None


def unauthorized(*challenges: str) -> Answer:
    errors = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
    return Answer(401, (*(("WWW-Authenticate", challenge) for challenge in challenges), ("Content-Type", "application/json")), errors.encode())


def user_of(request: Request, users: t.Mapping[str, str]) -> str | None:
    """Return the user whose name and password (Basic) a request carries."""
    scheme, _space, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        name, _colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if scheme == "Basic" and users.get(name) == password else None


@dataclasses.dataclass(frozen=True)
class Grant:
    """The scopes and the expiry of a token."""

    user: str | None
    scopes: tuple[str, ...]
    ends: float

    def covers(self, scope: str) -> bool:
        kind, actions = scope.rsplit(":", 1)
        granted = {action for own in self.scopes if own.rsplit(":", 1)[0] == kind for action in own.rsplit(":", 1)[1].split(",")}
        return "*" in granted or set(actions.split(",")) <= granted


class Tokens:
    """A token server (Docker's token specification and its OAuth2 form). If ANONYMOUS is set, clients without a login get tokens for pulling."""

    def __init__(self, users: t.Mapping[str, str], anonymous: bool = False, life: float = LIFE) -> None:
        self.users = users
        self.identities = {IDENTITY: USER}
        self.anonymous = anonymous
        self.has_oauth = True
        self.life = life
        self.grants: dict[str, Grant] = {}

    def expire(self) -> None:
        """Make all issued tokens invalid."""
        self.grants.clear()

    def __call__(self, request: Request) -> Answer:
        if request.path != "/token" or (request.method == "POST" and not self.has_oauth):
            return Answer(404)
        if request.method == "POST":
            return self._oauth(parse_qs(request.body.decode(), keep_blank_values=True))
        if request.method != "GET":
            return Answer(405)
        user = user_of(request, self.users)
        if user is None and ("Authorization" in request.headers or not self.anonymous):
            return Answer(401, (("Content-Type", "application/json"),), b'{"details": "wrong user name or password"}')
        if request.values("service") != [SERVICE]:
            return Answer(400, (("Content-Type", "application/json"),), b'{"details": "another service"}')
        return self._granted(user, request.values("scope"), "token", {})

    def _oauth(self, form: t.Mapping[str, list[str]]) -> Answer:
        kind, service, client = (form.get(name, [""])[0] for name in ("grant_type", "service", "client_id"))
        if service != SERVICE or not client:
            return Answer(400, (("Content-Type", "application/json"),), b'{"error": "invalid_request"}')
        user = None
        if kind == "refresh_token":
            user = self.identities.get(form.get("refresh_token", [""])[0])
        elif kind == "password":
            name, password = (form.get(name, [""])[0] for name in ("username", "password"))
            user = name if password and self.users.get(name) == password else None
        if user is None:
            return Answer(401, (("Content-Type", "application/json"),), b'{"error": "invalid_grant"}')
        scope = form.get("scope", [""])[0]
        return self._granted(user, scope.split(), "access_token", {"scope": scope})

    def _granted(self, user: str | None, scopes: t.Iterable[str], key: str, more: t.Mapping[str, str]) -> Answer:
        token = f"planted-token-{secrets.token_urlsafe(24)}"
        if user is None:
            scopes = [f"{scope.rsplit(':', 1)[0]}:pull" for scope in scopes if scope.startswith("repository:")]
        self.grants[token] = Grant(user, tuple(scopes), time.monotonic() + self.life)
        value = {key: token, "expires_in": int(self.life), "issued_at": "2026-01-31T12:00:00Z", **more}
        return Answer(200, (("Content-Type", "application/json"),), json.dumps(value).encode())
