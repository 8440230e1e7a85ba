# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls through redirects: to the real storage of the registry, and to places that must be refused."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.programmable import reactions
from tests.support.programmable.cases import (
    ANY_MANIFEST,
    CONFIG,
    GET_MANIFEST,
    HEAD_MANIFEST,
    LAYER,
    Case,
    check_each,
    check_pull,
)
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Fault, Reaction, Server

from .conftest import MakeSandboxes

SIGNED = "{evil}{target}?signature=planted-signature"


def at_evil(reaction: Reaction, where: str = "* *", times: int = 1_000_000) -> tuple[Fault, ...]:
    return (Fault(where, reaction, times=times),)


FOLLOWED = [
    *(
        Case(f"a layer at another host, by {status}", LAYER, reactions.redirect(SIGNED, status), at_most={LAYER: 1})
        for status in (301, 302, 303, 307, 308)
    ),
    Case("everything at another host", "GET */sha256:*", reactions.redirect(SIGNED)),
    Case("a manifest at another host", ANY_MANIFEST, reactions.redirect("{evil}{target}")),
    Case("an address without a scheme", LAYER, reactions.redirect("//{evilhost}{target}"), at_most={LAYER: 1}),
    Case("an address with spaces", LAYER, reactions.redirect("{evil}{target}?signature=planted-signature of mine")),
    Case("an address with a fragment", LAYER, reactions.redirect("{evil}{target}#planted-signature")),
    Case("another address of the same host", LAYER, reactions.redirect("{target}?again=1"), times=1, at_most={f"{LAYER}*": 2}),
    Case("ten redirects", f"{LAYER}*", reactions.redirect("{target}"), times=10),
    Case(
        "HEAD at another host that allows GET alone",
        ANY_MANIFEST,
        reactions.redirect("{evil}{target}"),
        evil=at_evil(reactions.instead(403), "HEAD *"),
    ),
    Case(
        "HEAD at another host that takes it for a bad request",
        ANY_MANIFEST,
        reactions.redirect("{evil}{target}"),
        evil=at_evil(reactions.instead(400), "HEAD *"),
    ),
    Case("HEAD at another host that knows nothing of it", HEAD_MANIFEST, reactions.redirect("{evil}/nothing")),
    Case(
        "HEAD at another host that fails",
        HEAD_MANIFEST,
        reactions.redirect("{evil}{target}"),
        at_most={HEAD_MANIFEST: 1},
        evil=at_evil(reactions.instead(503), "HEAD *"),
    ),
    Case("HEAD at another host that isn't there", HEAD_MANIFEST, reactions.redirect("http://127.0.0.1:1{target}"), at_most={HEAD_MANIFEST: 1}),
    Case(
        "another host that fails once: the registry is asked for a new address",
        LAYER,
        reactions.redirect(SIGNED),
        evil=at_evil(reactions.instead(503), times=1),
        at_most={LAYER: 2},
    ),
    Case(
        "another host that breaks off once: the registry is asked for a new address",
        LAYER,
        reactions.redirect(SIGNED),
        evil=at_evil(reactions.cut(1000), times=1),
        at_most={LAYER: 2},
    ),
    Case(
        "another host whose signature has ended, and a new one",
        LAYER,
        reactions.redirect("{evil}/ended"),
        times=1,
        evil=at_evil(reactions.instead(503), "* /ended"),
    ),
]

REFUSED = [
    Case("a loop", LAYER, reactions.redirect("{target}"), "registry_error", "redirects more than 10 times", at_most={LAYER: 11}),
    Case("a loop over two hosts", LAYER, reactions.redirect("{evil}{target}"), "denied", evil=at_evil(reactions.redirect("{registry}{target}"))),
    Case("a redirect without an address", LAYER, reactions.instead(307), "registry_error", "307", at_most={LAYER: 1}),
    *(
        Case(f"a redirect to {address or 'nothing'!r}", LAYER, reactions.redirect(address), "registry_error", at_most={LAYER: 1})
        for address in (
            "ftp://127.0.0.1/layer",
            "file:///etc/passwd",
            "http://",
            "http://[::1",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:port/",
            "http:///layer",
            "//",
            "data:text/plain,layer",
        )
    ),
    Case(
        "a redirect to an address with a password", LAYER, reactions.redirect("http://u:p@{evilhost}{target}"), "registry_error", at_most={LAYER: 1}
    ),
    Case(
        "a redirect to the registry with another user", LAYER, reactions.redirect("http://u:p@{host}{target}"), "registry_error", at_most={LAYER: 1}
    ),
    Case(
        "a redirect to a closed port",
        LAYER,
        reactions.redirect("http://127.0.0.1:1{target}"),
        "unreachable",
        "http://127.0.0.1:1 ",
        at_most={LAYER: 2},
    ),
    *(
        Case(f"a redirect to a host called {host!r}", LAYER, reactions.redirect(f"http://{host}/layer?signature=planted-signature"), error)
        for host, error in (("ex%zzample", "registry_error"), ("a..b", "unreachable"), ("*", "registry_error"))
    ),
    Case("another host that has nothing", LAYER, reactions.redirect("{evil}/nothing"), "not_found", at_most={LAYER: 1}),
    Case(
        "another host with other bytes",
        LAYER,
        reactions.redirect(SIGNED),
        "digest_mismatch",
        evil=at_evil(reactions.body(lambda data: bytes(len(data)))),
    ),
    Case(
        "another host that asks for a password",
        LAYER,
        reactions.redirect(SIGNED),
        "denied",
        evil=at_evil(reactions.instead(401, b"", ("WWW-Authenticate", 'Basic realm="evil"'))),
        at_most={LAYER: 1},
    ),
    Case(
        "another host that asks for a token",
        LAYER,
        reactions.redirect(SIGNED),
        "denied",
        evil=at_evil(reactions.instead(401, b"", ("WWW-Authenticate", 'Bearer realm="{evil}/token",service="x"'))),
        at_most={LAYER: 1},
    ),
    Case(
        "back from another host",
        LAYER,
        reactions.redirect("{evil}{target}"),
        "denied",
        evil=at_evil(reactions.redirect("{registry}{target}?back")),
        times=1,
    ),
]


@pytest.mark.parametrize("case", [*FOLLOWED, *REFUSED], ids=str)
def test_a_redirect_is_followed_without_credentials_or_refused(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_pull, case)


@pytest.mark.parametrize(
    "case",
    [
        Case("another host with TLS", LAYER, reactions.redirect(SIGNED), at_most={LAYER: 1}),
        Case("a layer without TLS", LAYER, reactions.redirect("{plain}{target}"), "registry_error", "from https to http", at_most={LAYER: 1}),
        Case(
            "a manifest without TLS",
            GET_MANIFEST,
            reactions.redirect("{plain}{target}"),
            "registry_error",
            "from https to http",
            at_most={GET_MANIFEST: 1},
        ),
        Case("a config without TLS, on the same port", CONFIG, reactions.redirect("http://{host}{target}"), "registry_error", "from https to http"),
        Case(
            "HEAD without TLS",
            HEAD_MANIFEST,
            reactions.redirect("{plain}{target}"),
            "registry_error",
            "from https to http",
            at_most={ANY_MANIFEST: 1},
        ),
        Case(
            "TLS dropped on the way",
            LAYER,
            reactions.redirect(SIGNED),
            "registry_error",
            "https to http",
            evil=at_evil(reactions.redirect("{plain}{target}")),
        ),
    ],
    ids=str,
)
def test_no_redirect_is_followed_from_https_to_http(make_sandboxes: MakeSandboxes, case: Case) -> None:
    sandboxes = make_sandboxes(tls=True)
    with Server(sandboxes[0].evil.app) as plain:
        for sandbox in sandboxes:
            for server in sandbox.servers:
                server.placeholders["plain"] = plain.url
        check_each(sandboxes, check_pull, case)
    assert plain.requests == []
