# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cases of a failing network as rows of a table: the fault, and the expected outcome."""

from __future__ import annotations

import dataclasses
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store

from ..images import Image, make_image
from .sandbox import LOGIN, ModuleRun, Sandbox
from .server import Fault, Reaction

BEFORE = make_image("before", 1)
IMAGE = make_image("wanted", 2, size=200_000)

ANY_MANIFEST = "* */manifests/*"
GET_MANIFEST = "GET */manifests/*"
HEAD_MANIFEST = "HEAD */manifests/*"
LAYER = "GET */blobs/{layer}"
CONFIG = "GET */blobs/{config}"


@dataclasses.dataclass(frozen=True)
class Case:
    """A fault described by WHAT: REACTION is applied to the requests that match WHERE, and MORE faults too. The run works, or fails with the cause ERROR
    and a message that contains MESSAGE.

    LOGIN and SETTINGS are the registry options of the task, OPTIONS all others. AT_MOST limits the requests that match a glob, WITHIN the seconds.
    FRESH means that the store is empty before; otherwise it has another image under the name.
    """

    what: str
    where: str
    reaction: Reaction
    error: str | None = None
    message: str = ""
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
    image: Image = IMAGE

    def __str__(self) -> str:
        return self.what

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (Fault(self.where, self.reaction, self.first, self.times, unread=self.unread), *self.more)


Check = t.Callable[[Sandbox, "Case"], ModuleRun]


def check_each(sandboxes: t.Sequence[Sandbox], check: Check, case: Case) -> list[ModuleRun]:
    """Check CASE in all sandboxes at the same time, since most of it is waiting."""
    with ThreadPoolExecutor(len(sandboxes)) as pool:
        checks = {sandbox.libraries: pool.submit(check, sandbox, case) for sandbox in sandboxes}
    for libraries, checked in checks.items():
        if checked.exception() is not None:
            raise AssertionError(f"with the {libraries} libraries") from checked.exception()
    return [checked.result() for checked in checks.values()]


def check_pull(sandbox: Sandbox, case: Case) -> ModuleRun:
    """Pull through CASE. The image is complete and the one of the registry, or nothing changed and there is one clean error."""
    sandbox.put_image(case.image)
    name = sandbox.name()
    before = None if case.fresh else str(BEFORE.put(Store(str(sandbox.store)), name).descriptor.digest)
    sandbox.script(*case.faults, evil=case.evil, tokens=case.tokens)
    outcome = sandbox.run("image_pull", name=[name], **{**_options(sandbox, case), "platform": ["linux/amd64"]})
    _check_bounds(sandbox.registry.count, outcome, case)
    if case.error is None:
        assert not outcome.failed, outcome.results["msg"]
        assert sandbox.points_at(name) == outcome.results["images"][0]["digest"] == str(case.image.root.digest)
    else:
        _check_failure(outcome, case, (name, sandbox.registry.host))
        assert sandbox.points_at(name) == before
    sandbox.check_store()
    return outcome


def check_push(sandbox: Sandbox, case: Case) -> ModuleRun:
    """Push through CASE to a tag that points to another image. Afterwards it points to the new, complete image, or still to the old one."""
    sandbox.put_image(case.image)
    sandbox.distribution.repositories.clear()
    sandbox.distribution.content.clear()
    sandbox.distribution.put(BEFORE, "app", "1")
    case.image.put(Store(str(sandbox.store)), "docker.io/library/local:1")
    sandbox.script(*case.faults, evil=case.evil, tokens=case.tokens)
    outcome = sandbox.run("image_push", name=["local:1"], destination=sandbox.name(), **_options(sandbox, case))
    _check_bounds(sandbox.registry.count, outcome, case)
    repository = sandbox.distribution.repositories["app"]
    if case.error is None:
        assert not outcome.failed, outcome.results["msg"]
        assert repository.tags["1"] == str(case.image.root.digest)
        assert {str(blob.digest) for blob in case.image.blobs} <= repository.blobs
    else:
        _check_failure(outcome, case, ("local:1", sandbox.name(), sandbox.registry.host))
        assert repository.tags["1"] == str(BEFORE.root.digest)
    sandbox.check_store()
    return outcome


def _options(sandbox: Sandbox, case: Case) -> dict[str, t.Any]:
    return {**sandbox.access(case.login, **case.settings), "timeout": 3, "retries": 2, **case.options}


def _check_failure(outcome: ModuleRun, case: Case, names: t.Sequence[str]) -> None:
    results = outcome.results
    assert outcome.failed, results
    assert results["error"] == case.error, results["msg"]
    assert case.message in results["msg"], results["msg"]
    assert any(name in results["msg"] for name in names), results["msg"]
    assert len(results["msg"]) <= 1500
    assert results["msg"].isprintable()
    assert not results["changed"], results


def _check_bounds(count: t.Callable[[str], int], outcome: ModuleRun, case: Case) -> None:
    assert outcome.seconds < case.within
    for pattern, most in case.at_most.items():
        assert count(pattern) <= most, pattern
