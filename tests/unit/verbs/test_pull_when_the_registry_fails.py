# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With `pull_policy: newer` the store and an engine keep the same images if the registry fails."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, LongshoreError, RateLimited, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine.pulling import EnginePulling
from ansible_collections.longshore.images.plugins.module_utils.places.store.pulling import StorePulling
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull import PullPlace, PullPolicy, plan_pull
from tests.support.images import FakeRepository, make_image
from tests.support.memory_engine import MemoryEngine, engine_image
from tests.support.verbs import HOST

NAME = "r.test/team/app:1"
OLD, NEW = make_image("old", platform=str(HOST)), make_image("new", platform=str(HOST))


class FailingRegistry(FakeRepository):
    """A registry that fails with `error`, at once or only when a manifest is fetched."""

    def __init__(self, error: LongshoreError, *, answers_head: bool = False) -> None:
        super().__init__({NAME: NEW})
        self._error = error
        self._answers_head = answers_head

    def probe(self, reference: Reference) -> Descriptor | None:
        if not self._answers_head:
            raise self._error
        return super().probe(reference)

    def read_document(self, descriptor: Descriptor) -> bytes:
        raise self._error


@pytest.fixture(params=["store", "engine"])
def open_place(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[t.Callable[[FailingRegistry], PullPlace[t.Any, t.Any]]]:
    """Return a function that opens a place with the old image under the name."""
    with Workers(1) as workers:

        def open_one(registry: t.Any) -> PullPlace[t.Any, t.Any]:
            if request.param == "store":
                store = Store(str(tmp_path))
                OLD.put(store, NAME)
                return StorePulling(store, lambda unused: registry, Selection((HOST,), explicit=False), HOST, workers)
            name = Reference.parse(NAME)
            engine = MemoryEngine(images={name: engine_image([name], [OLD.root.digest])})
            return EnginePulling(engine, lambda unused: registry, selection=None, host=HOST)

        yield open_one


def test_a_tag_that_moved_is_kept_if_its_manifest_can_not_be_read(open_place: t.Callable[[FailingRegistry], PullPlace[t.Any, t.Any]]) -> None:
    # Docker Hub counts the GET of a manifest, but not the HEAD before it.
    registry = FailingRegistry(RateLimited("too many requests", 429), answers_head=True)
    plan = plan_pull(open_place(registry), [Reference.parse(NAME)], PullPolicy.NEWER)
    assert (plan.errors, plan.changed) == ([], False)
    assert plan.rows()[0]["digest"] == str(OLD.root.digest)
    assert "was not compared with its registry: too many requests" in str(plan.warnings)


def test_another_digest_is_not_kept_in_place_of_the_one_that_was_asked_for(
    open_place: t.Callable[[FailingRegistry], PullPlace[t.Any, t.Any]],
) -> None:
    registry = FailingRegistry(Unreachable("no answer"))
    plan = plan_pull(open_place(registry), [Reference.parse(f"{NAME}@{NEW.root.digest}")], PullPolicy.NEWER)
    assert [error.cause for error in plan.errors] == ["unreachable"]


def test_an_engine_that_can_not_be_reached_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(unused_engine: MemoryEngine, unused_host: Platform) -> t.NoReturn:
        raise EngineError("no engine")

    monkeypatch.setattr(MemoryEngine, "list_images", fail)
    place = EnginePulling(MemoryEngine(), t.cast(t.Any, None), selection=None, host=HOST)
    with pytest.raises(EngineError):
        plan_pull(place, [Reference.parse(NAME)], PullPolicy.NEVER)
