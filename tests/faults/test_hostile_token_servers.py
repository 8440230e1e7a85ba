# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls from a registry that requires tokens, with token servers that fail or lie, and registries that name the wrong token server."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.support.programmable import reactions
from tests.support.programmable.access import IDENTITY, SERVICE
from tests.support.programmable.cases import GET_MANIFEST, IMAGE, LAYER, Case, check_each, check_pull
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Answer, App, Fault, Placeholders, Reaction, Request

from .conftest import MakeSandboxes

TOKEN = "* /token*"
BY_IDENTITY = {"identity_token": IDENTITY}
REALM = f'realm="{{tokens}}/token",service="{SERVICE}",scope="repository:app:pull"'
UNAUTHORIZED = reactions.instead(401, b"", ("WWW-Authenticate", f"Bearer {REALM}"))
MEGABYTE = 1_000_000


@pytest.fixture
def sandboxes(make_sandboxes: MakeSandboxes) -> t.Sequence[Sandbox]:
    """Return sandboxes with registries that require a token from a token server that the task trusts."""
    return make_sandboxes("tokens")


def token_server(what: str, reaction: Reaction, error: str | None = None, message: str = "", times: int = 1_000_000, **more: t.Any) -> Case:
    """Return a case in which REACTION answers the requests to the token server."""
    return Case(what, "nothing", reactions.wire(), error, message, tokens=(Fault(TOKEN, reaction, times=times),), **more)


def answer(**changes: t.Any) -> Reaction:
    """Return the honest answer with changed members; None removes one."""

    def changed(data: bytes) -> bytes:
        members = {**json.loads(data), **changes}
        return json.dumps({key: value for key, value in members.items() if value is not None}).encode()

    return reactions.body(changed)


def with_token_key(name: str) -> Reaction:
    """Return the token under another key."""

    def changed(data: bytes) -> bytes:
        members = json.loads(data)
        return json.dumps({**members, name: members.pop("token")}).encode()

    return reactions.body(changed)


WITHOUT_OAUTH = token_server("a token server without OAuth", reactions.wire(), login=BY_IDENTITY)

ACCEPTED = [
    token_server("a token under the name of OAuth", with_token_key("access_token")),
    token_server(
        "a token under both names", reactions.body(lambda data: data.replace(b'{"token":', b'{"access_token": "planted-token-other", "token":'))
    ),
    token_server("a token that expires at once", answer(expires_in=0)),
    token_server("a token that has expired already", answer(expires_in=-100)),
    token_server("a token without a time of expiry", answer(expires_in=None, issued_at=None)),
    token_server("a token for a thousand years", answer(expires_in=10**12)),
    token_server("a token from the future", answer(issued_at="2999-01-01T00:00:00Z")),
    token_server("a token server that fails once", reactions.instead(503), times=1),
    token_server("a token server that breaks off once", reactions.cut(10), times=1),
    token_server("a token server that breaks off once without a length", reactions.cut(10, announce_length=False), "registry_error"),
    token_server("a token server that hangs up once", reactions.raw(), times=1),
    token_server("a token by identity token", reactions.wire(), login=BY_IDENTITY),
    WITHOUT_OAUTH,
    token_server("a token server at another path", reactions.redirect("{tokens}{target}&again=1"), times=1),
]

REFUSED = [
    token_server("a token server that denies", reactions.instead(401), "denied"),
    token_server("a token server that forbids", reactions.instead(403), "denied"),
    token_server("a token server that always fails", reactions.instead(500), "registry_error", "500"),
    token_server("a token server that has nothing", reactions.instead(404), "registry_error", "no tokens"),
    token_server("a token server with a limit", reactions.instead(429, b"", ("Retry-After", "31536000")), "rate_limited", within=10),
    token_server("a token server that always hangs up", reactions.raw(), "unreachable"),
    token_server("a page for people", reactions.instead(200, b"<html>Sign in</html>"), "registry_error", "returned no token"),
    token_server("an empty answer", reactions.instead(200), "registry_error", "returned no token"),
    token_server("no token", answer(token=None), "registry_error", "returned no token"),
    token_server("an empty token", answer(token=""), "registry_error", "returned no token"),
    token_server("a token that is a number", answer(token=7), "registry_error"),
    token_server("a token with a line break", answer(token="planted-token\r\nX-Evil: 1"), "registry_error", "not printable ASCII"),
    token_server("a token in other letters", answer(token="planted-token-\u00e9"), "registry_error", "not printable ASCII"),
    token_server("a token of a megabyte and more", answer(token="planted-token" * 100_000), "registry_error", "1048576"),
    token_server("an answer without an end", reactions.instead(200, b"x" * MEGABYTE, repeat=10_000, framing="chunks"), "registry_error"),
    token_server(
        "a token that is there twice", reactions.body(lambda data: data.replace(b"{", b'{"token": "planted-token-x", ', 1)), "registry_error"
    ),
    token_server("a life that is a word", answer(expires_in="soon"), "registry_error"),
    token_server("a life that no clock can express", answer(expires_in=10**399), "registry_error", "expires_in"),
    token_server("a compressed answer", reactions.gzipped(), "registry_error", "Content-Encoding"),
    token_server("a token server at another host", reactions.redirect("{evil}{target}"), "registry_error"),
    token_server("a token server for identity tokens at another host", reactions.redirect("{evil}/token"), "registry_error", login=BY_IDENTITY),
    token_server("a token that isn't the registry's", answer(token="planted-token-of-nobody"), "denied"),
    token_server("a wrong identity token", reactions.wire(), "denied", login={"identity_token": "planted-identity-of-nobody"}),
]


def challenged(what: str, challenge: str | None, error: str | None, message: str = "") -> Case:
    """Return a case in which the registry sends CHALLENGE as WWW-Authenticate, or no such header if it is None."""
    headers = [("WWW-Authenticate", line) for line in (challenge or "").split("\n") if line]
    fault = Fault("* /v2/*", reactions.without_credentials(reactions.instead(401, b"", *headers)), anyone=True)
    return Case(what, "nothing", reactions.wire(), error, message, more=(fault,))


CHALLENGES = [
    challenged("a challenge in small letters", f"bearer {REALM}", None),
    challenged("a challenge beside others in one line", f'Negotiate, Digest realm="x", nonce="y", Bearer {REALM}', None),
    challenged("a challenge after others in separate lines", f'Negotiate\nDigest realm="x"\nBearer {REALM}', None),
    challenged("a challenge with an unknown parameter", f'Bearer charset="utf-8", {REALM}, x="a \\"quoted\\" word, with a comma"', None),
    challenged("a challenge without a scope", f'Bearer realm="{{tokens}}/token",service="{SERVICE}"', None),
    challenged("a challenge with two scopes", f"Bearer {REALM.replace('pull', 'pull repository:other:pull')}", None),
    challenged("no challenge", None, "denied"),
    challenged("a challenge of an unknown kind", "Negotiate", "denied", "negotiate"),
    challenged("a challenge with an endless scheme", "N" * 30_000, "denied", "..."),
    challenged("a challenge that is garbage", '="="="=,,,=', "denied"),
    challenged("a challenge without a realm", f'Bearer service="{SERVICE}"', "registry_error"),
    challenged("a challenge of another service", 'Bearer realm="{tokens}/token",service="another"', "registry_error"),
    *(
        challenged(f"a realm at {realm!r}", f'Bearer realm="{realm}",service="x"', "registry_error")
        for realm in ("", "/token", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[::1", "http://127.0.0.1:99999/", "http://u:p@{evilhost}/")
    ),
    *(
        challenged(f"a realm at {realm!r}", f'Bearer realm="{realm}",service="x"', "denied", "token_hosts")
        for realm in (
            "{evil}/token",
            "http://localhost:1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://10.0.0.1/",
            "http://[fe80::1]/",
        )
    ),
]

EXPIRED_DURING_PULL = [
    Case("a token that ends in the middle", LAYER, UNAUTHORIZED, times=1, at_most={LAYER: 2}),
    Case("a token that ends before every answer", LAYER, UNAUTHORIZED, "denied", at_most={LAYER: 3}),
    Case("a token that ends for a manifest", GET_MANIFEST, UNAUTHORIZED, times=1, at_most={GET_MANIFEST: 2}),
    Case("a token that ends while a layer breaks off", LAYER, reactions.cut(1000), times=1, more=(Fault(LAYER, UNAUTHORIZED, first=2, times=1),)),
    Case(
        "a token that is too small",
        LAYER,
        reactions.instead(401, b"", ("WWW-Authenticate", f'Bearer {REALM.replace("pull", "pull,push")},error="insufficient_scope"')),
        times=1,
        at_most={LAYER: 2},
    ),
    Case(
        "a realm that is another one in the middle", LAYER, reactions.instead(401, b"", ("WWW-Authenticate", 'Bearer realm="{evil}/token"')), "denied"
    ),
]


@pytest.mark.parametrize("case", [*ACCEPTED, *REFUSED, *CHALLENGES, *EXPIRED_DURING_PULL], ids=str)
def test_tokens_come_only_from_trusted_servers_and_go_only_to_their_registry(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    if case is WITHOUT_OAUTH:
        for sandbox in sandboxes:
            sandbox.tokens.has_oauth = False
            sandbox.tokens.users = {"": IDENTITY, "<token>": IDENTITY}
    check_each(sandboxes, check_pull, case)
    for sandbox in sandboxes:
        assert len(sandbox.token_server.requests) <= 4
        assert sandbox.token_server.sent < 32 * MEGABYTE


def test_a_realm_of_the_registry_itself_needs_no_trust(sandboxes: t.Sequence[Sandbox]) -> None:
    def check(sandbox: Sandbox, case: Case) -> t.Any:
        sandbox.registry.placeholders["tokens"] = sandbox.registry.url
        return check_pull(sandbox, case)

    def tokens(request: Request, app: App, placeholders: Placeholders) -> Answer:
        sandbox = next(sandbox for sandbox in sandboxes if sandbox.registry.placeholders is placeholders)
        return sandbox.tokens(request)

    challenge = Fault("* /v2/*", reactions.without_credentials(UNAUTHORIZED), anyone=True)
    case = Case("its own realm", "nothing", reactions.wire(), more=(Fault(TOKEN, tokens, anyone=True), challenge), settings={"token_hosts": []})
    check_each(sandboxes, check, case)
    assert all(sandbox.token_server.requests == [] for sandbox in sandboxes)


def test_without_a_login_the_anonymous_token_is_used(sandboxes: t.Sequence[Sandbox]) -> None:
    for sandbox in sandboxes:
        sandbox.tokens.anonymous = True
    check_each(sandboxes, check_pull, Case("no login", "nothing", reactions.wire(), login={}))
    assert all("Authorization" not in request.headers for sandbox in sandboxes for request in sandbox.token_server.requests)


def test_one_token_serves_all_requests_of_a_repository(sandboxes: t.Sequence[Sandbox]) -> None:
    check_each(sandboxes, check_pull, Case("an honest registry", "nothing", reactions.wire(), fresh=True))
    for sandbox in sandboxes:
        assert len(sandbox.token_server.requests) == 1
        assert len(sandbox.registry.requests) == 2 + len(IMAGE.blobs)


def test_a_registry_with_tls_cannot_request_a_token_without_tls(make_sandboxes: MakeSandboxes) -> None:
    challenge = reactions.instead(401, b"", ("WWW-Authenticate", f'Bearer realm="http://{{tokenhost}}/token",service="{SERVICE}"'))
    case = Case(
        "a realm without TLS",
        "nothing",
        reactions.wire(),
        "denied",
        "https",
        more=(Fault("* /v2/*", reactions.without_credentials(challenge), anyone=True),),
    )
    sandboxes = make_sandboxes("tokens", tls=True)
    check_each(sandboxes, check_pull, case)
    assert all(sandbox.token_server.requests == [] for sandbox in sandboxes)
