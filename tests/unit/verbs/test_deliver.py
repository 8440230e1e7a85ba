# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a delivery to an engine in memory."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import TransferPlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import PROGRESS_VARIABLE, Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.deliver import plan_deliver
from tests.support.images import Image, make_image, make_index, make_layer
from tests.support.memory_engine import MemoryEngine, engine_image

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
BASE = make_layer("base", 5000)
ONE, TWO = make_image("one", 1, shared=[BASE]), make_image("two", 1, shared=[BASE])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def planned(store: Store, engine: MemoryEngine, *names: str, platform: Platform | None = None) -> TransferPlan:
    return plan_deliver(store, engine, platform=platform, host=AMD64, names=[Reference.parse(name) for name in names])


def delivered(store: Store, engine: MemoryEngine, *names: str, platform: Platform | None = None) -> TransferPlan:
    plan = planned(store, engine, *names, platform=platform)
    with Workers(1) as workers:
        return plan.apply(workers)


def blobs_of(image: Image) -> set[str]:
    return {blob.digest.hex for blob in image.blobs}


@pytest.mark.parametrize("loads_oci", [True, False])
def test_images_are_listed_once_and_layers_never_if_nothing_is_missing(store: Store, loads_oci: bool) -> None:
    ONE.put(store, "one:1")
    TWO.put(store, "two:1")
    engine = MemoryEngine(loads_oci)
    assert delivered(store, engine, "one:1", "two:1").changed
    engine.requests.clear()
    assert not delivered(store, engine, "one:1", "two:1").changed
    assert engine.requests == ["images"]


@pytest.mark.parametrize(("loads_oci", "key"), [(True, "digest"), (False, "image_id")])
def test_the_diff_calls_an_image_id_no_digest(store: Store, loads_oci: bool, key: str) -> None:
    """Docker's classic image store knows no digests. A push in the same play shows the digest, so one word can't mean both."""
    ONE.put(store, "one:1")
    engine = MemoryEngine(loads_oci)
    state = {key: str(ONE.root.digest if loads_oci else ONE.graph.images[0].manifest.config.digest)}
    name = "docker.io/library/one:1 in docker"
    assert delivered(store, engine, "one:1").diff() == {"before": {}, "after": {name: state}}
    assert planned(store, engine, "one:1").diff() == {"before": {name: state}, "after": {name: state}}


@pytest.mark.parametrize("trouble", [[], ["refuses"]])
def test_the_progress_of_a_delivery_is_written(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: list[t.Any]) -> None:
    (tmp_path / "watched").mkdir()
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "watched"))
    ONE.put(store, "one:1")
    TWO.put(store, "two:1")
    engine = MemoryEngine()
    delivered(store, engine, "one:1")
    engine.reactions += trouble
    (tmp_path / "watched").mkdir()
    with Workers(1) as workers:
        planned(store, engine, "two:1").apply(workers)
        progress = json.loads((tmp_path / "watched" / "progress").read_text())
    assert progress["bytes"] == progress["all_bytes"]
    assert progress["what"] == "docker.io/library/two:1"
    # One archive of two layers is smaller than this; a second try with the layer that the engine should have makes it larger.
    assert (progress["bytes"] > 10_000) == bool(trouble)


def test_a_plan_asks_and_sends_nothing(store: Store) -> None:
    ONE.put(store, "one:1")
    engine = MemoryEngine()
    assert planned(store, engine, "one:1").changed
    assert engine.requests == ["images", "layers"]
    assert engine.loaded_blobs == []


@pytest.mark.parametrize("trouble", ["refuses", "forgets"])
def test_what_an_engine_refuses_or_loses_without_a_layer_is_sent_in_full(store: Store, trouble: t.Literal["refuses", "forgets"]) -> None:
    ONE.put(store, "one:1")
    TWO.put(store, "two:1")
    engine = MemoryEngine()
    delivered(store, engine, "one:1")
    engine.reactions = [trouble]
    plan = delivered(store, engine, "two:1")
    assert not plan.errors
    without, whole = (set(names) for names in engine.loaded_blobs[1:])
    assert blobs_of(TWO) - without == {TWO.layers[0].digest.hex}
    assert blobs_of(TWO) <= whole
    assert plan.facts()["bytes_transferred"] == sum(blob.size for blob in TWO.blobs)


def test_what_was_sent_in_full_is_not_sent_twice(store: Store) -> None:
    ONE.put(store, "one:1")
    engine = MemoryEngine(reactions=["refuses"])
    plan = delivered(store, engine, "one:1")
    assert [error.message for error in plan.errors] == ["docker.io/library/one:1 could not be delivered: docker at memory refused the request: no"]
    assert len(engine.loaded_blobs) == 1
    assert not plan.changed
    assert plan.diff() == {"before": {}, "after": {}}
    assert plan.facts()["bytes_transferred"] == 0


def test_an_engine_that_took_an_image_and_does_not_have_it_is_an_error(store: Store) -> None:
    ONE.put(store, "one:1")
    plan = delivered(store, MemoryEngine(reactions=["forgets"]), "one:1")
    assert "reported success, but doesn't have the image" in plan.errors[0].message


def test_an_engine_that_breaks_off_is_not_asked_again_for_that_image_and_the_others_are_done(store: Store) -> None:
    ONE.put(store, "one:1")
    TWO.put(store, "two:1")
    engine = MemoryEngine(reactions=["dies"])
    plan = delivered(store, engine, "one:1", "two:1")
    assert [plan.error_of(row) is not None for row in plan.images] == [True, False]
    assert plan.rows()[0]["engine_digest"] is None
    assert set(engine.images) == {Reference.parse("two:1")}


def test_an_image_that_is_listed_but_can_not_run_is_delivered(store: Store) -> None:
    ONE.put(store, "one:1")
    name = Reference.parse("one:1")
    engine = MemoryEngine(images={name: engine_image([name], [ONE.root.digest], usable=False)})
    plan = planned(store, engine, "one:1")
    assert plan.changed
    assert plan.diff()["before"] == {}


def test_an_id_decides_before_a_digest(store: Store) -> None:
    """An index's digest is that of several images: an engine may have it for another platform."""
    index = make_index("index")
    index.put(store, "index:1")
    name = Reference.parse("index:1")
    ids = {str(node.platform): node.manifest.config.digest for node in index.graph.images}
    for platform, changed in (("linux/amd64", False), ("linux/arm64", True)):
        engine = MemoryEngine(images={name: engine_image([name], [index.root.digest], ids[platform])})
        assert planned(store, engine, "index:1").changed == changed


def test_an_engine_on_another_architecture_gets_its_own_platform(store: Store) -> None:
    index = make_index("index")
    index.put(store, "index:1")
    engine = MemoryEngine(platform=ARM64)
    plan = delivered(store, engine, "index:1")
    assert plan.rows()[0]["platforms"] == ["linux/arm64"]
    assert (engine.images[Reference.parse("index:1")].digests, engine.platforms) == ((index.root.digest,), [ARM64])
    asked = delivered(store, engine, "index:1", platform=AMD64)
    assert asked.rows()[0]["platforms"] == ["linux/amd64"]
    manifest = next(node.descriptor.digest for node in index.graph.images if node.platform == AMD64)
    assert engine.images[Reference.parse("index:1")].digests == (manifest,)


def test_the_variant_of_the_host_counts_if_the_engine_reports_none(store: Store) -> None:
    index = make_index("index", ("linux/arm/v7", "linux/arm/v6"))
    index.put(store, "index:1")
    engine = MemoryEngine(platform=Platform.parse("linux/arm"))
    plan = plan_deliver(store, engine, platform=None, host=Platform.parse("linux/arm/v6"), names=[Reference.parse("index:1")])
    assert plan.rows()[0]["platforms"] == ["linux/arm/v6"]


def test_an_image_without_a_name_can_not_be_delivered(store: Store) -> None:
    ONE.put(store, "one:1")
    TWO.put(store, "one:1")
    engine = MemoryEngine()
    plan = plan_deliver(store, engine, platform=None, host=AMD64, names=[ONE.root.digest, TWO.root.digest])
    assert [error.cause for error in plan.errors] == ["invalid_option"]
    assert [row.requested for row in plan.images] == [str(ONE.root.digest), "docker.io/library/one:1"]


def test_layers_of_an_image_that_only_the_engine_knows_are_sent(store: Store) -> None:
    ONE.put(store, "one:1")
    name = Reference.parse("stranger:1")
    engine = MemoryEngine(images={name: engine_image([name], [Digest.of(b"stranger")])})
    plan = planned(store, engine, "one:1")
    assert plan.facts()["bytes_transferred"] == sum(blob.size for blob in ONE.blobs)


def test_layers_are_known_by_a_manifest_that_the_store_no_longer_names(store: Store) -> None:
    ONE.put(store, "app:1")
    engine = MemoryEngine()
    delivered(store, engine, "app:1")
    TWO.put(store, "app:1")
    plan = delivered(store, engine, "app:1")
    assert plan.facts()["bytes_reused"] == TWO.layers[0].size
    (change,) = plan.images[0].changes
    assert change.before is not None
    assert (change.before.digest, change.after and change.after.digest) == (ONE.root.digest, TWO.root.digest)


def test_an_image_that_is_asked_for_in_two_ways_is_delivered_once(store: Store) -> None:
    ONE.put(store, "one:1")
    engine = MemoryEngine()
    selectors: list[Reference | Digest] = [Reference.parse("one:1"), Reference.parse(f"one:1@{ONE.root.digest}"), ONE.root.digest]
    plan = plan_deliver(store, engine, platform=None, host=AMD64, names=selectors)
    assert [row.requested for row in plan.images] == ["docker.io/library/one:1"]


def test_a_name_can_not_be_two_images(store: Store) -> None:
    ONE.put(store, "one:1")
    TWO.put(store, "one:2")
    selectors = [Reference.parse("one:1"), Reference.parse(f"one:1@{TWO.root.digest}")]
    plan = plan_deliver(store, MemoryEngine(), platform=None, host=AMD64, names=selectors)
    assert [row.error and row.error.cause for row in plan.images] == [None, "invalid_option"]
