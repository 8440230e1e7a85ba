# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls through mirrors that fail or lie. The registry is asked instead, unless only mirrors are allowed. No mirror gets credentials of the registry."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.programmable import acts
from tests.support.programmable.cases import CONFIG, LAYER, Case, check_each, check_pull
from tests.support.programmable.server import Act, Fault
from tests.support.programmable.world import ModuleRun, World

EVERYTHING = "* *"


def mirror(what: str, act: Act, error: str | None = None, where: str = EVERYTHING, times: int = 1_000_000, **more: t.Any) -> Case:
    """Return a case in which ACT answers the requests to the mirror."""
    return Case(what, "nothing", acts.wire(), error, evil=(Fault(where, act, times=times),), **more)


def check_mirrored(world: World, case: Case) -> ModuleRun:
    """Check a pull in which the second server is a mirror of the registry."""
    given = {"mirrors": [{"url": world.evil.url}], **case.settings}
    return check_pull(world, Case(**{**vars(case), "settings": given}))


def check_two_mirrors(world: World, case: Case) -> ModuleRun:
    return check_mirrored(world, Case(**{**vars(case), "settings": {"mirrors": [{"url": "http://127.0.0.1:1"}, {"url": world.evil.url}]}}))


FALLING_BACK = [
    *(mirror(f"a mirror that answers {status}", acts.instead(status)) for status in (400, 401, 403, 404, 410, 429, 500, 502, 503)),
    mirror("a mirror that hangs up", acts.raw()),
    mirror("a mirror that isn't HTTP", acts.raw(b"SSH-2.0-OpenSSH_9.2\r\n")),
    mirror("a mirror that never answers", acts.wire(delay=5), options={"timeout": 1}),
    mirror("a mirror that wants a password", acts.instead(401, b"", ("WWW-Authenticate", 'Basic realm="mirror"'))),
    mirror("a mirror that redirects in a loop", acts.redirect("{target}")),
    mirror("a mirror that redirects to the registry", acts.redirect("{registry}{target}")),
    mirror("a mirror without layers", acts.instead(404), where=LAYER + "*"),
    mirror("a mirror that breaks off a layer, once", acts.cut(1000), where=LAYER + "*", times=1),
    mirror("a mirror that always breaks off a layer at once", acts.cut(0), where=LAYER + "*"),
    mirror("a mirror with a page for people", acts.instead(200, b"<html>Sign in</html>", ("Content-Type", "text/html"))),
    mirror("a mirror with other manifests", acts.body(lambda data: data + b" "), where="GET */manifests/*"),
    mirror("a mirror with other configs", acts.body(lambda data: bytes(len(data))), where=CONFIG + "*"),
    mirror("a mirror with other layers", acts.body(lambda data: bytes(len(data))), where=LAYER + "*"),
    mirror("a mirror with longer layers", acts.body(lambda data: data + b"x"), where=LAYER + "*"),
    mirror("a mirror with other layers that breaks off", acts.both(acts.body(lambda data: bytes(len(data))), acts.cut(50_000)), where=LAYER + "*"),
    mirror("a mirror with a limit for a year", acts.instead(429, b"", ("Retry-After", "31536000")), within=10),
]

MIRROR_ONLY = [
    mirror("only a mirror that fails", acts.instead(500), "registry_error", settings={"mirror_only": True}),
    mirror("only a mirror that has nothing", acts.instead(404), "not_found", settings={"mirror_only": True}),
    mirror(
        "only a mirror that wants a password",
        acts.instead(401, b"", ("WWW-Authenticate", 'Basic realm="x"')),
        "denied",
        settings={"mirror_only": True},
    ),
    mirror(
        "only a mirror with other bytes", acts.body(lambda data: bytes(len(data))), "digest_mismatch", LAYER + "*", settings={"mirror_only": True}
    ),
]


@pytest.mark.parametrize("case", FALLING_BACK, ids=str)
def test_the_registry_is_asked_if_a_mirror_fails(worlds: t.Sequence[World], case: Case) -> None:
    check_each(worlds, check_mirrored, case)
    assert all(world.evil.requests for world in worlds)


@pytest.mark.parametrize("case", MIRROR_ONLY, ids=str)
def test_the_failure_of_mirrors_is_reported_if_only_they_may_be_asked(worlds: t.Sequence[World], case: Case) -> None:
    for world, outcome in zip(worlds, check_each(worlds, check_mirrored, case)):
        assert world.registry.requests == []
        assert world.evil.host in outcome.results["msg"] or case.error == "digest_mismatch"


def test_content_of_a_mirror_is_not_requested_from_the_registry(worlds: t.Sequence[World]) -> None:
    check_each(worlds, check_mirrored, mirror("a good mirror", acts.wire()))
    for world in worlds:
        assert world.registry.requests == []
        assert all(request.value("ns") == world.registry.host for request in world.evil.requests)


def test_the_next_mirror_is_asked_if_one_is_down(worlds: t.Sequence[World]) -> None:
    for world, outcome in zip(worlds, check_each(worlds, check_two_mirrors, mirror("one mirror down", acts.wire()))):
        assert world.registry.requests == []
        assert outcome.results["images"][0]["endpoint"] == world.evil.url


def test_a_mirror_for_digests_only_is_never_asked_for_tags(worlds: t.Sequence[World]) -> None:
    def check(world: World, case: Case) -> ModuleRun:
        return check_mirrored(world, Case(**{**vars(case), "settings": {"mirrors": [{"url": world.evil.url, "resolve_tags": False}]}}))

    check_each(worlds, check, mirror("a mirror for digests", acts.wire()))
    for world in worlds:
        assert world.evil.count("* */manifests/1*") == 0
        assert world.evil.count("GET *") > 0
        assert world.registry.count("GET *") == 0
