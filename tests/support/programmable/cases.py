# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cases of a failing network as rows of a table: what goes wrong, and what must come of it."""

from __future__ import annotations

import dataclasses
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store

from ..images import Image, make_image
from .server import Act, Fault
from .world import LOGIN, Ran, World

BEFORE = make_image("before", 1)
WANTED = make_image("wanted", 2, size=200_000)

ANY_MANIFEST = "* */manifests/*"
GET_MANIFEST = "GET */manifests/*"
HEAD_MANIFEST = "HEAD */manifests/*"
LAYER = "GET */blobs/{layer}"
CONFIG = "GET */blobs/{config}"


@dataclasses.dataclass(frozen=True)
class Case:
    """WHAT happens, by ACT to the requests that match WHERE and by MORE faults; then the run works, or fails with the one cause ERROR and SAYS words.

    LOGIN and SETTINGS are what the task says of the registry, OPTIONS what it says else. AT_MOST bounds the requests that match a glob, WITHIN the seconds.
    FRESH: the store is empty before; otherwise it has another image by the name.
    """

    what: str
    where: str
    act: Act
    error: str | None = None
    says: str = ""
    first: int = 1
    times: int = 1_000_000
    unread: bool = False
    more: tuple[Fault, ...] = ()
    evil: tuple[Fault, ...] = ()
    tokens: tuple[Fault, ...] = ()
    options: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    login: t.Mapping[str, t.Any] = dataclasses.field(default_factory=lambda: LOGIN)
    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    at_most: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    within: float = 15
    fresh: bool = False
    image: Image = WANTED

    def __str__(self) -> str:
        return self.what

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (Fault(self.where, self.act, self.first, self.times, unread=self.unread), *self.more)


Check = t.Callable[[World, "Case"], Ran]


def check_each(worlds: t.Sequence[World], check: Check, case: Case) -> list[Ran]:
    """Checks CASE in every world at once: most of the time goes by with waiting."""
    with ThreadPoolExecutor(len(worlds)) as pool:
        checks = {world.libraries: pool.submit(check, world, case) for world in worlds}
    for libraries, checked in checks.items():
        if checked.exception() is not None:
            raise AssertionError(f"with the {libraries} libraries") from checked.exception()
    return [checked.result() for checked in checks.values()]


def check_pull(world: World, case: Case) -> Ran:
    """Pulls through CASE. What comes is whole and is what the registry has, or nothing changed but for one clean error."""
    world.hold(case.image)
    name = world.name()
    before = None if case.fresh else str(BEFORE.put(Store(str(world.store)), name).descriptor.digest)
    world.script(*case.faults, evil=case.evil, tokens=case.tokens)
    ran = world.run("image_pull", name=[name], **{**_options(world, case), "platform": ["linux/amd64"]})
    _check_bounds(world.registry.count, ran, case)
    if case.error is None:
        assert not ran.failed, ran.results["msg"]
        assert world.points_at(name) == ran.results["images"][0]["digest"] == str(case.image.root.digest)
    else:
        _check_failure(ran, case, (name, world.registry.host))
        assert world.points_at(name) == before
    world.check_store()
    return ran


def check_push(world: World, case: Case) -> Ran:
    """Pushes through CASE, over a tag that points at another image: it points at the new one then, which is there in full, or still at the old one."""
    world.hold(case.image)
    world.distribution.repositories.clear()
    world.distribution.content.clear()
    world.distribution.put(BEFORE, "app", "1")
    case.image.put(Store(str(world.store)), "docker.io/library/local:1")
    world.script(*case.faults, evil=case.evil, tokens=case.tokens)
    ran = world.run("image_push", name=["local:1"], destination=world.name(), **_options(world, case))
    _check_bounds(world.registry.count, ran, case)
    there = world.distribution.repositories["app"]
    if case.error is None:
        assert not ran.failed, ran.results["msg"]
        assert there.tags["1"] == str(case.image.root.digest)
        assert {str(blob.digest) for blob in case.image.blobs} <= there.blobs
    else:
        _check_failure(ran, case, ("local:1", world.name(), world.registry.host))
        assert there.tags["1"] == str(BEFORE.root.digest)
    world.check_store()
    return ran


def _options(world: World, case: Case) -> dict[str, t.Any]:
    return {**world.access(case.login, **case.settings), "timeout": 3, "retries": 2, **case.options}


def _check_failure(ran: Ran, case: Case, names: t.Sequence[str]) -> None:
    results = ran.results
    assert ran.failed, results
    assert results["error"] == case.error, results["msg"]
    assert case.says in results["msg"], results["msg"]
    assert any(name in results["msg"] for name in names), results["msg"]
    assert len(results["msg"]) <= 1500
    assert results["msg"].isprintable()
    assert not results["changed"], results


def _check_bounds(count: t.Callable[[str], int], ran: Ran, case: Case) -> None:
    assert ran.seconds < case.within
    for pattern, most in case.at_most.items():
        assert count(pattern) <= most, pattern
