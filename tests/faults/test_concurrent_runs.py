# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs on one store at once (promises I3, I4, I6, I7)."""

from __future__ import annotations

import os
import random
import signal
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune import plan_prune
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove import plan_remove
from ansible_collections.longshore.images.plugins.module_utils.verbs.tag import plan_tag
from tests.support.faults import end_of, in_child, leftovers, start_child, wrong_blobs
from tests.support.images import FakeRepository
from tests.support.modules import finish_module, start_module
from tests.support.verbs import (
    HOST,
    INDEX,
    LEAVING,
    MOVING,
    NEW,
    NOW,
    OLD,
    REGISTRY,
    append,
    apply,
    names,
    opened,
    plan_pull,
    prune,
    pull,
    put_blobs,
    put_images,
    put_without_name,
    remove,
    tag,
    whole,
)


def test_eight_processes_that_create_a_store_and_add_tags_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "store"

    def add(worker: int) -> None:
        pull(path, "r.test/new:1")
        for number in range(10):
            tag(path, "r.test/new:1", f"r.test/new:{worker}-{number}")

    children = [start_child(lambda worker=worker: add(worker)) for worker in range(8)]  # type: ignore[misc]
    assert [end_of(child) for child in children] == [0] * 8
    wanted = {"r.test/new:1", *(f"r.test/new:{worker}-{number}" for worker in range(8) for number in range(10))}
    assert names(path) == dict.fromkeys(wanted, str(NEW.root.digest))
    assert whole(path, NEW)
    assert leftovers(path) == []


def test_eight_modules_that_add_tags_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    targets = [[f"r.test/tag:{worker}-{number}" for number in range(3)] for worker in range(8)]
    options = [{"store": str(path), "name": "r.test/old:1", "targets": three} for three in targets]
    results = [finish_module(module) for module in [start_module("image_tag", one) for one in options]]
    assert [result.get("changed") for result in results] == [True] * 8
    assert {name for three in targets for name in three} <= set(names(path))
    assert leftovers(path) == []


def test_acknowledged_tags_survive_concurrent_runs_that_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    (tmp_path / "file").write_text("content")
    seed = random.Random(5)

    def work(worker: int) -> None:
        for number in range(1000):
            tag(path, "r.test/old:1", f"r.test/kept:{worker}-{number}")
            with (tmp_path / f"acknowledged-{worker}").open("a") as log:
                log.write(f"r.test/kept:{worker}-{number}\n")
            pull(path, "r.test/leaving:1")
            remove(path, f"r.test/made:{worker}", "r.test/l*")
            try:
                append(path, f"r.test/made:{worker}", "r.test/old:1", tmp_path / "file")
            except StoreDamaged as error:  # another run removed the layer after the plan was made
                assert "run it again" in error.message or "pull" in error.message  # noqa: PT017

    until = time.monotonic() + 4
    children = [start_child(lambda worker=worker: work(worker)) for worker in range(4)]  # type: ignore[misc]
    workers = 4
    try:
        while time.monotonic() < until:
            time.sleep(seed.uniform(0.05, 0.3))
            victim = children.pop(seed.randrange(len(children)))
            os.kill(victim, signal.SIGKILL)
            assert end_of(victim) == -signal.SIGKILL, "a worker failed by itself"
            children.append(start_child(lambda worker=workers: work(worker)))  # type: ignore[misc]
            workers += 1
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            end_of(child)

    acknowledged = {line for log in tmp_path.glob("acknowledged-*") for line in log.read_text().split()}
    assert len(acknowledged) > 20
    assert acknowledged <= set(names(path))
    assert wrong_blobs(path) == []
    assert whole(path, OLD)
    store = opened(path)
    assert [entry.label for entry in store.index.entries if store.find_missing_blobs(entry)] == []
    tag(path, "r.test/old:1", "r.test/afterwards:1")
    assert leftovers(path) == []


class Interrupted(FakeRepository):
    """A registry that calls a function in the middle of the first blob."""

    def __init__(self, interruption: t.Callable[[], object]) -> None:
        super().__init__(REGISTRY.images)
        self.interruption: t.Callable[[], object] | None = interruption

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        for chunk in super().read_blob(descriptor):
            yield chunk
            if self.interruption is not None:
                interruption, self.interruption = self.interruption, None
                interruption()


def test_a_removal_deletes_nothing_that_a_running_pull_reuses(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    pull(path, "r.test/new:1", registry=Interrupted(lambda: remove(path, "r.test/old:1", "r.test/leaving:1")))
    assert set(names(path)) == {"r.test/moving:1", "r.test/new:1"}
    assert whole(path, NEW)
    assert all(digest in NEW.digests for digest in LEAVING.digests if opened(path).blob_status(digest) is not None)


def test_pruning_deletes_nothing_that_a_running_pull_reuses_or_has_fetched(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    pull(path, "r.test/new:1", registry=Interrupted(lambda: prune(path)))
    assert set(names(path)) == {"r.test/new:1"}
    assert whole(path, NEW)
    assert wrong_blobs(path) == []
    prune(path, "r.test/new:1")
    assert set(opened(path).stored()) == NEW.digests


def test_images_that_were_pulled_or_tagged_after_a_pruning_was_planned_stay(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    put_without_name(path, NEW)
    put_blobs(path, INDEX)
    with Workers(1) as workers:
        plan = plan_prune(StoreCatalog(opened(path), HOST), RetentionPolicy(keep=0), Filters(), Protection(), NOW)
        tag(path, "r.test/leaving:1", "r.test/saved:1")
        pull(path, "r.test/new:1", "r.test/index:1", "r.test/moving:1", platforms=["all"])
        apply(plan, workers)
    lost_its_name = str(MOVING.root.digest)
    assert set(names(path)) == {"r.test/saved:1", "r.test/new:1", "r.test/index:1", "r.test/moving:1", lost_its_name}
    assert whole(path, LEAVING)
    assert whole(path, NEW)
    assert whole(path, INDEX)


def test_pruning_and_pulling_at_once_leave_whole_images(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)

    def pull_often() -> None:
        for _round in range(15):
            pull(path, "r.test/new:1", "r.test/index:1", platforms=["all"])

    def prune_often() -> None:
        for _round in range(40):
            prune(path, "r.test/old:1")

    children = [start_child(work) for work in (pull_often, prune_often, pull_often, prune_often)]
    assert [end_of(child) for child in children] == [0] * 4
    pull(path, "r.test/new:1", "r.test/index:1", platforms=["all"])
    prune(path, "r.test/*:1")
    assert set(opened(path).stored()) == OLD.digests | NEW.digests | INDEX.digests
    assert wrong_blobs(path) == []
    assert leftovers(path) == []


def test_a_removal_deletes_blobs_that_only_a_killed_pull_needed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    assert in_child(lambda: pull(path, "r.test/new:1", registry=Interrupted(lambda: os.kill(os.getpid(), signal.SIGKILL)))) == -signal.SIGKILL
    assert leftovers(path) != []
    remove(path, "r.test/old:1", "r.test/leaving:1")
    assert [digest for digest in OLD.digests | LEAVING.digests if opened(path).blob_status(digest) is not None] == []
    assert leftovers(path) == []


def test_blobs_that_were_removed_after_a_pull_was_planned_are_fetched(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    with Workers(2) as workers:
        plan = plan_pull(opened(path), workers, "r.test/new:1")
        remove(path, "r.test/old:1", "r.test/leaving:1")
        apply(plan, workers)
    assert whole(path, NEW)


def test_an_image_that_was_removed_after_a_tag_was_planned_gets_no_name(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    store = opened(path)
    with Workers(1) as workers:
        plan = plan_tag(StoreCatalog(store, HOST), Reference.parse("r.test/leaving:1"), [Reference.parse("r.test/late:1")])
        remove(path, "r.test/leaving:1")
        with pytest.raises(LongshoreError):
            apply(plan, workers)
    assert set(names(path)) == {"r.test/old:1", "r.test/moving:1"}
    assert leftovers(path) == []


def test_an_image_that_got_another_name_after_its_removal_was_planned_stays(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    with Workers(1) as workers:
        plan = plan_remove(StoreCatalog(opened(path), HOST), [Reference.parse("r.test/leaving:1")])
        tag(path, "r.test/leaving:1", "r.test/saved:1")
        apply(plan, workers)
    assert "r.test/leaving:1" not in names(path)
    assert names(path)["r.test/saved:1"] == str(LEAVING.root.digest)
    assert whole(path, LEAVING)


def test_a_name_that_moved_after_its_removal_was_planned_stays(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    with Workers(1) as workers:
        plan = plan_remove(StoreCatalog(opened(path), HOST), [Reference.parse("r.test/moving:1")])
        pull(path, "r.test/moving:1")
        apply(plan, workers)
    assert names(path)["r.test/moving:1"] == str(NEW.root.digest)
    assert whole(path, NEW)


def test_a_removal_while_an_image_is_moved_under_a_lease_counts_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    pull(path, "r.test/moving:1", registry=Interrupted(lambda: remove(path, "r.test/leaving:1")))
    assert whole(path, NEW)
    assert whole(path, OLD)
