# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls from a registry that answers late, wrongly, partially, or not at all."""

from __future__ import annotations

import datetime
import email.utils
import importlib.metadata
import json
import subprocess
import sys
import typing as t

import pytest

from tests.support.modules import environment
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
from tests.support.programmable.server import Answer, Fault, Server

from .conftest import MakeSandboxes

EVERYTHING = "* /v2/*"
SOON = email.utils.format_datetime(datetime.datetime.now(datetime.timezone.utc), usegmt=True)
QUOTA = (("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "0;w=21600"))
WORDS = json.dumps({"errors": [{"code": "DENIED", "message": "not for you"}]}).encode()


def passing(status: int) -> Case:
    return Case(f"status {status} once", LAYER, reactions.instead(status), times=1, at_most={LAYER: 2})


def staying(status: int) -> Case:
    return Case(f"status {status} always", LAYER, reactions.instead(status), "registry_error", str(status), at_most={LAYER: 2})


def final(status: int, error: str) -> Case:
    return Case(f"status {status} of a manifest", GET_MANIFEST, reactions.instead(status), error, at_most={GET_MANIFEST: 1})


STATUSES = [
    *(passing(status) for status in (408, 429, 500, 502, 503, 504)),
    *(staying(status) for status in (408, 500, 502, 503, 504)),
    final(400, "registry_error"),
    final(403, "denied"),
    final(404, "not_found"),
    final(405, "registry_error"),
    final(410, "registry_error"),
    final(451, "registry_error"),
    final(501, "registry_error"),
    Case("status 404 of a layer", LAYER, reactions.instead(404), "not_found", at_most={LAYER: 1}),
    Case("status 403 of a layer, in the registry's words", LAYER, reactions.instead(403, WORDS), "denied", "DENIED: not for you", at_most={LAYER: 1}),
    Case("status 204 of a manifest", GET_MANIFEST, reactions.instead(204), "registry_error", "204"),
    Case("status 206 of a manifest", GET_MANIFEST, reactions.instead(206, b"{}"), "registry_error", "206"),
    Case("status 299 of a layer", LAYER, reactions.instead(299), "registry_error", "299", at_most={LAYER: 1}),
    Case("status 304 without an address", GET_MANIFEST, reactions.instead(304), "registry_error", "304"),
    Case("only the third try works", LAYER, reactions.instead(503), times=2, options={"retries": 3}, at_most={LAYER: 3}),
]

WAITS = [
    Case("Retry-After in seconds", LAYER, reactions.instead(429, b"", ("Retry-After", "1")), times=1, at_most={LAYER: 2}),
    Case("Retry-After as a date that has come", LAYER, reactions.instead(503, b"", ("Retry-After", SOON)), times=1, at_most={LAYER: 2}),
    Case("Retry-After that is garbage", LAYER, reactions.instead(503, b"", ("Retry-After", "soon, maybe")), times=1, at_most={LAYER: 2}),
    Case("Retry-After that is negative", LAYER, reactions.instead(503, b"", ("Retry-After", "-5")), times=1, at_most={LAYER: 2}),
    Case("Retry-After in digits of another script", LAYER, reactions.instead(503, b"", ("Retry-After", "\u00b2")), times=1, at_most={LAYER: 2}),
    Case(
        "Retry-After of a year",
        LAYER,
        reactions.instead(429, b"", ("Retry-After", "31536000")),
        "rate_limited",
        at_most={LAYER: 1},
        within=5,
    ),
    Case(
        "Retry-After with more digits than a number of seconds has",
        LAYER,
        reactions.instead(503, b"", ("Retry-After", "9" * 5000)),
        "registry_error",
        at_most={LAYER: 1},
        within=5,
    ),
    Case("too many requests, with a quota", GET_MANIFEST, reactions.instead(429, b"", *QUOTA), "rate_limited", at_most={GET_MANIFEST: 2}),
]

BROKEN = [
    Case("a connection that ends without a word, once", LAYER, reactions.raw(), times=1, at_most={LAYER: 2}),
    Case("a connection that ends without a word, always", LAYER, reactions.raw(), "unreachable", at_most={LAYER: 2}),
    Case("a connection that ends in the middle of the headers", GET_MANIFEST, reactions.raw(b"HTTP/1.1 200 OK\r\nContent-Le"), "digest_mismatch"),
    Case("an answer that isn't HTTP", EVERYTHING, reactions.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "unreachable", at_most={EVERYTHING: 2}),
    Case("a status line without a number", GET_MANIFEST, reactions.raw(b"HTTP/1.1 fine\r\n\r\n"), "unreachable"),
    Case("a header longer than a line may be", GET_MANIFEST, reactions.raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), "unreachable"),
    Case("more headers than there may be", GET_MANIFEST, reactions.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"), "unreachable"),
    Case("a manifest that ends early, once", GET_MANIFEST, reactions.cut(100), times=1),
    Case("a manifest that ends early, always", GET_MANIFEST, reactions.cut(100), "unreachable", at_most={GET_MANIFEST: 2}),
    Case("a config that ends early, once", CONFIG, reactions.cut(10), times=1),
    Case("a layer that ends early, once", LAYER, reactions.cut(1000), times=1, at_most={LAYER: 2}),
    Case("a layer that always ends early, a little later each time", LAYER, reactions.cut(50_000), at_most={LAYER: 6}),
    Case("a layer that always ends before its first byte", LAYER, reactions.cut(0), "unreachable", at_most={LAYER: 2}),
    Case("a layer without a length that ends early, once", LAYER, reactions.cut(1000, announce_length=False), times=1, at_most={LAYER: 2}),
    Case("an answer that never comes, once", LAYER, reactions.wire(delay=5), times=1, options={"timeout": 1}, at_most={LAYER: 2}),
    Case("an answer that never comes, always", LAYER, reactions.wire(delay=5), "unreachable", "no answer in time", options={"timeout": 1}),
    Case("a layer that stops in the middle, once", LAYER, reactions.wire(pace=(100_000, 5)), times=1, options={"timeout": 1}),
    Case("a slow layer that never stops", LAYER, reactions.wire(pace=(20_000, 0.1)), options={"timeout": 1}, at_most={LAYER: 1}),
]

FRAMING = [
    Case("a manifest in chunks, without a length", GET_MANIFEST, reactions.wire(framing="chunks")),
    Case("a manifest up to the end of the connection", GET_MANIFEST, reactions.wire(framing="end")),
    Case("a layer in chunks", LAYER, reactions.wire(framing="chunks", pace=(7000, 0)), at_most={LAYER: 1}),
    Case("a layer up to the end of the connection", LAYER, reactions.wire(framing="end"), at_most={LAYER: 1}),
    Case("a layer in chunks that break off, once", LAYER, reactions.wire(framing="chunks", cut=1000), times=1, at_most={LAYER: 2}),
    Case("a layer whose announced length is too small", LAYER, reactions.header("Content-Length", "10"), "unreachable", at_most={LAYER: 10}),
    Case(
        "a layer whose announced length is too large",
        LAYER,
        reactions.both(reactions.wire(cut=10**9), reactions.header("Content-Length", "999999999")),
    ),
    Case("a length that isn't a number", LAYER, reactions.header("Content-Length", "many")),
    Case("a compressed manifest", GET_MANIFEST, reactions.gzipped(), "registry_error", "Content-Encoding", at_most={GET_MANIFEST: 1}),
    Case("a compressed layer", LAYER, reactions.gzipped(), "registry_error", "Content-Encoding", at_most={LAYER: 1}),
    Case("a Content-Encoding that is identity", LAYER, reactions.header("Content-Encoding", "identity")),
    Case("cookies", EVERYTHING, reactions.header("Set-Cookie", "id=planted-cookie; Path=/")),
]

HEADS = [
    *(Case(f"HEAD refused with {status}", HEAD_MANIFEST, reactions.instead(status)) for status in (403, 405, 501)),
    Case(
        "HEAD refused, and the image not there",
        HEAD_MANIFEST,
        reactions.instead(405),
        "not_found",
        more=(Fault(GET_MANIFEST, reactions.instead(404)),),
    ),
    Case("HEAD without a digest", HEAD_MANIFEST, reactions.header("Docker-Content-Digest", None)),
    Case("HEAD without a type", HEAD_MANIFEST, reactions.header("Content-Type", None)),
    Case("HEAD without a length", HEAD_MANIFEST, reactions.wire(framing="none")),
    Case("HEAD with another type", HEAD_MANIFEST, reactions.header("Content-Type", "text/html")),
    Case("HEAD with a digest that is a path", HEAD_MANIFEST, reactions.header("Docker-Content-Digest", "sha256:../../../../etc/passwd")),
    Case("HEAD with a digest of an unknown kind", HEAD_MANIFEST, reactions.header("Docker-Content-Digest", "md5:d41d8cd98f00b204e9800998ecf8427e")),
    Case("HEAD with another length", HEAD_MANIFEST, reactions.header("Content-Length", "99999999999")),
    Case("HEAD with another image's digest", HEAD_MANIFEST, reactions.header("Docker-Content-Digest", f"sha256:{'0' * 64}"), "not_found"),
    Case("HEAD with status 500, once", HEAD_MANIFEST, reactions.instead(500), times=1, at_most={HEAD_MANIFEST: 2}),
    Case("HEAD with status 404", HEAD_MANIFEST, reactions.instead(404), "not_found", at_most={ANY_MANIFEST: 1}),
]


def test_modules_run_with_the_oldest_and_the_current_libraries(libraries: dict[str, dict[str, str]]) -> None:
    versions = {
        name: subprocess.check_output(
            [sys.executable, "-c", "import requests, urllib3; print(requests.__version__, urllib3.__version__)"], env=environment(**env), text=True
        ).split()
        for name, env in libraries.items()
    }
    assert versions["oldest"][0].startswith("2.25.")
    assert versions["oldest"][1].startswith("1.26.")
    assert all(int(version.partition(".")[0]) >= 2 for version in versions["current"])
    assert versions["current"][0] == importlib.metadata.version("requests")


@pytest.mark.parametrize("case", [*STATUSES, *WAITS, *BROKEN, *FRAMING, *HEADS], ids=str)
def test_a_pull_stores_the_complete_image_or_fails_and_changes_nothing(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    runs = check_each(sandboxes, check_pull, case)
    for sandbox, outcome in zip(sandboxes, runs):
        assert [request for request in sandbox.registry.requests if "Cookie" in request.headers] == []
        if "quota" in case.what:
            assert outcome.results["rate_limit"] == {"limit": 100, "remaining": 0}


def test_a_tls_handshake_that_breaks_off_is_retried(make_sandboxes: MakeSandboxes) -> None:
    sandboxes = make_sandboxes(tls=True)
    for sandbox in sandboxes:
        sandbox.registry.hang_up(2)  # the first connection finds out whether the registry uses TLS
    check_each(sandboxes, check_pull, Case("a handshake that breaks off", "nothing", reactions.wire()))


def test_tls_handshakes_that_always_break_off_are_one_clean_error(make_sandboxes: MakeSandboxes) -> None:
    sandboxes = make_sandboxes(tls=True)
    for sandbox in sandboxes:
        sandbox.registry.hang_up(1000)
    check_each(sandboxes, check_pull, Case("handshakes that break off", "nothing", reactions.wire(), "unreachable"))


def test_a_proxy_that_intercepts_is_named(sandboxes: t.Sequence[Sandbox]) -> None:
    case = Case(
        "a proxy that is down",
        "nothing",
        reactions.wire(),
        "unreachable",
        "through the proxy http://127.0.0.1:1",
        options={"proxy": "http://127.0.0.1:1"},
    )
    check_each(sandboxes, check_pull, case)


def test_a_proxy_that_requires_a_password_is_reported(sandboxes: t.Sequence[Sandbox]) -> None:
    challenge = reactions.instead(407, b"", ("Proxy-Authenticate", 'Basic realm="proxy"'))
    check_each(
        sandboxes, check_pull, Case("a proxy with a password", "* *", challenge, "denied", "proxy", more=(Fault("* *", challenge, anyone=True),))
    )


@pytest.mark.parametrize(("status", "error", "tries"), [(403, "denied", 1), (407, "denied", 1), (503, "unreachable", 2)])
def test_a_proxy_that_refuses_a_tunnel_is_retried_only_for_temporary_errors(
    make_sandboxes: MakeSandboxes, status: int, error: str, tries: int
) -> None:
    sandboxes = make_sandboxes(tls=True)
    with Server(lambda request: Answer(status)) as proxy:
        case = Case(
            "a proxy",
            "nothing",
            reactions.wire(),
            error,
            f"through the proxy {proxy.url}",
            options={"proxy": proxy.url},
            settings={"plain_http": False},
        )
        for outcome in check_each(sandboxes, check_pull, case):
            assert str(status) in outcome.results["msg"]
    assert proxy.count("CONNECT *") == tries * len(sandboxes)
