# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls through mirrors that fail or lie. The registry is asked instead, unless only mirrors are allowed. No mirror gets credentials of the registry."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.programmable import reactions
from tests.support.programmable.cases import CONFIG, LAYER, Case, check_each, check_pull
from tests.support.programmable.sandbox import ModuleRun, Sandbox
from tests.support.programmable.server import Fault, Reaction

EVERYTHING = "* *"


def mirror(what: str, reaction: Reaction, error: str | None = None, where: str = EVERYTHING, times: int = 1_000_000, **more: t.Any) -> Case:
    """Return a case in which REACTION answers the requests to the mirror."""
    return Case(what, "nothing", reactions.wire(), error, evil=(Fault(where, reaction, times=times),), **more)


def check_mirrored(sandbox: Sandbox, case: Case) -> ModuleRun:
    """Check a pull in which the second server is a mirror of the registry."""
    given = {"mirrors": [{"url": sandbox.evil.url}], **case.settings}
    return check_pull(sandbox, Case(**{**vars(case), "settings": given}))


def check_two_mirrors(sandbox: Sandbox, case: Case) -> ModuleRun:
    return check_mirrored(sandbox, Case(**{**vars(case), "settings": {"mirrors": [{"url": "http://127.0.0.1:1"}, {"url": sandbox.evil.url}]}}))


FALLING_BACK = [
    *(mirror(f"a mirror that answers {status}", reactions.instead(status)) for status in (400, 401, 403, 404, 410, 429, 500, 502, 503)),
    mirror("a mirror that hangs up", reactions.raw()),
    mirror("a mirror that isn't HTTP", reactions.raw(b"SSH-2.0-OpenSSH_9.2\r\n")),
    mirror("a mirror that never answers", reactions.wire(delay=5), options={"timeout": 1}),
    mirror("a mirror that wants a password", reactions.instead(401, b"", ("WWW-Authenticate", 'Basic realm="mirror"'))),
    mirror("a mirror that redirects in a loop", reactions.redirect("{target}")),
    mirror("a mirror that redirects to the registry", reactions.redirect("{registry}{target}")),
    mirror("a mirror without layers", reactions.instead(404), where=LAYER + "*"),
    mirror("a mirror that breaks off a layer, once", reactions.cut(1000), where=LAYER + "*", times=1),
    mirror("a mirror that always breaks off a layer at once", reactions.cut(0), where=LAYER + "*"),
    mirror("a mirror with a page for people", reactions.instead(200, b"<html>Sign in</html>", ("Content-Type", "text/html"))),
    mirror("a mirror with other manifests", reactions.body(lambda data: data + b" "), where="GET */manifests/*"),
    mirror("a mirror with other configs", reactions.body(lambda data: bytes(len(data))), where=CONFIG + "*"),
    mirror("a mirror with other layers", reactions.body(lambda data: bytes(len(data))), where=LAYER + "*"),
    mirror("a mirror with longer layers", reactions.body(lambda data: data + b"x"), where=LAYER + "*"),
    mirror(
        "a mirror with other layers that breaks off",
        reactions.both(reactions.body(lambda data: bytes(len(data))), reactions.cut(50_000)),
        where=LAYER + "*",
    ),
    mirror("a mirror with a limit for a year", reactions.instead(429, b"", ("Retry-After", "31536000")), within=10),
]

MIRROR_ONLY = [
    mirror("only a mirror that fails", reactions.instead(500), "registry_error", settings={"mirror_only": True}),
    mirror("only a mirror that has nothing", reactions.instead(404), "not_found", settings={"mirror_only": True}),
    mirror(
        "only a mirror that wants a password",
        reactions.instead(401, b"", ("WWW-Authenticate", 'Basic realm="x"')),
        "denied",
        settings={"mirror_only": True},
    ),
    mirror(
        "only a mirror with other bytes",
        reactions.body(lambda data: bytes(len(data))),
        "digest_mismatch",
        LAYER + "*",
        settings={"mirror_only": True},
    ),
]


@pytest.mark.parametrize("case", FALLING_BACK, ids=str)
def test_the_registry_is_asked_if_a_mirror_fails(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_mirrored, case)
    assert all(sandbox.evil.requests for sandbox in sandboxes)


@pytest.mark.parametrize("case", MIRROR_ONLY, ids=str)
def test_the_failure_of_mirrors_is_reported_if_only_they_may_be_asked(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    for sandbox, outcome in zip(sandboxes, check_each(sandboxes, check_mirrored, case)):
        assert sandbox.registry.requests == []
        assert sandbox.evil.host in outcome.results["msg"] or case.error == "digest_mismatch"


def test_content_of_a_mirror_is_not_requested_from_the_registry(sandboxes: t.Sequence[Sandbox]) -> None:
    check_each(sandboxes, check_mirrored, mirror("a good mirror", reactions.wire()))
    for sandbox in sandboxes:
        assert sandbox.registry.requests == []
        assert all(request.value("ns") == sandbox.registry.host for request in sandbox.evil.requests)


def test_the_next_mirror_is_asked_if_one_is_down(sandboxes: t.Sequence[Sandbox]) -> None:
    for sandbox, outcome in zip(sandboxes, check_each(sandboxes, check_two_mirrors, mirror("one mirror down", reactions.wire()))):
        assert sandbox.registry.requests == []
        assert outcome.results["images"][0]["endpoint"] == sandbox.evil.url


def test_a_mirror_for_digests_only_is_never_asked_for_tags(sandboxes: t.Sequence[Sandbox]) -> None:
    def check(sandbox: Sandbox, case: Case) -> ModuleRun:
        return check_mirrored(sandbox, Case(**{**vars(case), "settings": {"mirrors": [{"url": sandbox.evil.url, "resolve_tags": False}]}}))

    check_each(sandboxes, check, mirror("a mirror for digests", reactions.wire()))
    for sandbox in sandboxes:
        assert sandbox.evil.count("* */manifests/1*") == 0
        assert sandbox.evil.count("GET *") > 0
        assert sandbox.registry.count("GET *") == 0
