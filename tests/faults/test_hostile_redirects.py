# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls through redirects: to the real storage of the registry, and to places that must be refused."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.programmable import acts
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
from tests.support.programmable.server import Act, Fault, Server
from tests.support.programmable.world import World

from .conftest import MakeWorlds

SIGNED = "{evil}{target}?signature=planted-signature"


def at_evil(act: Act, where: str = "* *", times: int = 1_000_000) -> tuple[Fault, ...]:
    return (Fault(where, act, times=times),)


FOLLOWED = [
    *(
        Case(f"a layer at another host, by {status}", LAYER, acts.redirect(SIGNED, status), at_most={LAYER: 1})
        for status in (301, 302, 303, 307, 308)
    ),
    Case("everything at another host", "GET */sha256:*", acts.redirect(SIGNED)),
    Case("a manifest at another host", ANY_MANIFEST, acts.redirect("{evil}{target}")),
    Case("an address without a scheme", LAYER, acts.redirect("//{evilhost}{target}"), at_most={LAYER: 1}),
    Case("an address with spaces", LAYER, acts.redirect("{evil}{target}?signature=planted-signature of mine")),
    Case("an address with a fragment", LAYER, acts.redirect("{evil}{target}#planted-signature")),
    Case("another address of the same host", LAYER, acts.redirect("{target}?again=1"), times=1, at_most={f"{LAYER}*": 2}),
    Case("ten redirects", f"{LAYER}*", acts.redirect("{target}"), times=10),
    Case(
        "HEAD at another host that allows GET alone",
        ANY_MANIFEST,
        acts.redirect("{evil}{target}"),
        evil=at_evil(acts.instead(403), "HEAD *"),
    ),
    Case(
        "HEAD at another host that takes it for a bad request",
        ANY_MANIFEST,
        acts.redirect("{evil}{target}"),
        evil=at_evil(acts.instead(400), "HEAD *"),
    ),
    Case("HEAD at another host that knows nothing of it", HEAD_MANIFEST, acts.redirect("{evil}/nothing")),
    Case(
        "HEAD at another host that fails",
        HEAD_MANIFEST,
        acts.redirect("{evil}{target}"),
        at_most={HEAD_MANIFEST: 1},
        evil=at_evil(acts.instead(503), "HEAD *"),
    ),
    Case("HEAD at another host that isn't there", HEAD_MANIFEST, acts.redirect("http://127.0.0.1:1{target}"), at_most={HEAD_MANIFEST: 1}),
    Case(
        "another host that fails once: the registry is asked for a new address",
        LAYER,
        acts.redirect(SIGNED),
        evil=at_evil(acts.instead(503), times=1),
        at_most={LAYER: 2},
    ),
    Case(
        "another host that breaks off once: the registry is asked for a new address",
        LAYER,
        acts.redirect(SIGNED),
        evil=at_evil(acts.cut(1000), times=1),
        at_most={LAYER: 2},
    ),
    Case(
        "another host whose signature has ended, and a new one",
        LAYER,
        acts.redirect("{evil}/ended"),
        times=1,
        evil=at_evil(acts.instead(503), "* /ended"),
    ),
]

REFUSED = [
    Case("a loop", LAYER, acts.redirect("{target}"), "registry_error", "redirects more than 10 times", at_most={LAYER: 11}),
    Case("a loop over two hosts", LAYER, acts.redirect("{evil}{target}"), "denied", evil=at_evil(acts.redirect("{registry}{target}"))),
    Case("a redirect without an address", LAYER, acts.instead(307), "registry_error", "307", at_most={LAYER: 1}),
    *(
        Case(f"a redirect to {address or 'nothing'!r}", LAYER, acts.redirect(address), "registry_error", at_most={LAYER: 1})
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
    Case("a redirect to an address with a password", LAYER, acts.redirect("http://u:p@{evilhost}{target}"), "registry_error", at_most={LAYER: 1}),
    Case("a redirect to the registry with another user", LAYER, acts.redirect("http://u:p@{host}{target}"), "registry_error", at_most={LAYER: 1}),
    Case("a redirect to a closed port", LAYER, acts.redirect("http://127.0.0.1:1{target}"), "unreachable", "http://127.0.0.1:1 ", at_most={LAYER: 2}),
    *(
        Case(f"a redirect to a host called {host!r}", LAYER, acts.redirect(f"http://{host}/layer?signature=planted-signature"), error)
        for host, error in (("ex%zzample", "registry_error"), ("a..b", "unreachable"), ("*", "registry_error"))
    ),
    Case("another host that has nothing", LAYER, acts.redirect("{evil}/nothing"), "not_found", at_most={LAYER: 1}),
    Case("another host with other bytes", LAYER, acts.redirect(SIGNED), "digest_mismatch", evil=at_evil(acts.body(lambda data: bytes(len(data))))),
    Case(
        "another host that asks for a password",
        LAYER,
        acts.redirect(SIGNED),
        "denied",
        evil=at_evil(acts.instead(401, b"", ("WWW-Authenticate", 'Basic realm="evil"'))),
        at_most={LAYER: 1},
    ),
    Case(
        "another host that asks for a token",
        LAYER,
        acts.redirect(SIGNED),
        "denied",
        evil=at_evil(acts.instead(401, b"", ("WWW-Authenticate", 'Bearer realm="{evil}/token",service="x"'))),
        at_most={LAYER: 1},
    ),
    Case("back from another host", LAYER, acts.redirect("{evil}{target}"), "denied", evil=at_evil(acts.redirect("{registry}{target}?back")), times=1),
]


@pytest.mark.parametrize("case", [*FOLLOWED, *REFUSED], ids=str)
def test_a_redirect_is_followed_without_credentials_or_refused(worlds: t.Sequence[World], case: Case) -> None:
    check_each(worlds, check_pull, case)


@pytest.mark.parametrize(
    "case",
    [
        Case("another host with TLS", LAYER, acts.redirect(SIGNED), at_most={LAYER: 1}),
        Case("a layer without TLS", LAYER, acts.redirect("{plain}{target}"), "registry_error", "from https to http", at_most={LAYER: 1}),
        Case(
            "a manifest without TLS",
            GET_MANIFEST,
            acts.redirect("{plain}{target}"),
            "registry_error",
            "from https to http",
            at_most={GET_MANIFEST: 1},
        ),
        Case("a config without TLS, on the same port", CONFIG, acts.redirect("http://{host}{target}"), "registry_error", "from https to http"),
        Case("HEAD without TLS", HEAD_MANIFEST, acts.redirect("{plain}{target}"), "registry_error", "from https to http", at_most={ANY_MANIFEST: 1}),
        Case(
            "TLS dropped on the way", LAYER, acts.redirect(SIGNED), "registry_error", "https to http", evil=at_evil(acts.redirect("{plain}{target}"))
        ),
    ],
    ids=str,
)
def test_no_redirect_is_followed_from_https_to_http(make_worlds: MakeWorlds, case: Case) -> None:
    worlds = make_worlds(tls=True)
    with Server(worlds[0].evil.app) as plain:
        for world in worlds:
            for server in world.servers:
                server.placeholders["plain"] = plain.url
        check_each(worlds, check_pull, case)
    assert plain.requests == []
