# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that nobody can read, or that other clients change while images are removed from their registry."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.registry import tag_guard
from ansible_collections.longshore.images.plugins.module_utils.places.registry.removal import RemoteRemovalPlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove_remote import plan_remove_remote
from tests.support.registry_model import HOST, ModelRegistry
from tests.support.tag_graphs import TagGraph

Change = t.Callable[[dict[str, str]], object]

CHANGES: dict[str, Change] = {
    "a new tag on a digest": lambda tags: tags.update(new=tags["2"]),
    "a new name that no client can request": lambda tags: tags.update({"no tag": tags["2"]}),
    "a tag that moves away": lambda tags: tags.update({"2": tags["3"]}),
}


@pytest.fixture
def registry() -> ModelRegistry:
    """Return a registry whose repository `app` has three images with one tag each."""
    registry, graph = ModelRegistry(), TagGraph()
    for tag in ("1", "2", "3"):
        graph.tags[tag] = graph.add_image(tag, 1)["digest"]
    registry.put("app", graph)
    return registry


def plan(registry: ModelRegistry, *names: str, force: bool = False) -> RemoteRemovalPlan:
    registries = registry.open()
    references = [Reference.parse(f"{HOST}/app{name}") for name in names]
    with Workers(1) as workers:
        return plan_remove_remote(references, lambda reference: registries.repository(reference, direct=True), force=force, workers=workers)


def apply(planned: RemoteRemovalPlan) -> RemoteRemovalPlan:
    with Workers(1) as workers:
        return planned.apply(workers)


def tags_of(registry: ModelRegistry) -> dict[str, str]:
    return registry.repositories["app"].tags


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_tag_that_changes_before_the_first_deletion_keeps_everything(registry: ModelRegistry, change: Change) -> None:
    planned = plan(registry, ":2")
    change(tags_of(registry))
    before = dict(tags_of(registry))
    applied = apply(planned)
    assert [error.cause for error in applied.errors] == ["plan_outdated"]
    assert applied.facts()["untagged"] == []
    assert tags_of(registry) == before


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_tag_that_changes_between_two_deletions_keeps_the_rest(registry: ModelRegistry, change: Change) -> None:
    pending = [change]

    def intercept(request: str) -> None:
        if request.startswith("DELETE") and pending:
            pending.pop()(tags_of(registry))

    registry.intercept = intercept
    applied = apply(plan(registry, ":1", ":2"))
    assert [error.cause for error in applied.errors] == ["plan_outdated"]
    assert applied.facts()["untagged"] == [f"{HOST}/app:1"]
    assert {"2", "3"} <= tags_of(registry).keys()


def test_a_tag_that_moves_onto_a_digest_before_its_deletion_keeps_it(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(registry, ":1")
    monkeypatch.setattr(tag_guard, "monotonic", lambda: time.monotonic() + 60)
    tags_of(registry)["3"] = tags_of(registry)["1"]
    assert [error.cause for error in apply(planned).errors] == ["plan_outdated"]
    assert tags_of(registry).keys() == {"1", "2", "3"}


def test_a_tag_name_that_no_client_can_request_may_need_the_digest(registry: ModelRegistry) -> None:
    registry.deletes_tags = True
    digest = tags_of(registry)["1"]
    tags_of(registry)["no tag"] = digest
    assert plan(registry, ":1").actions()[0].endswith("keep the digest for registry.test/app:'no tag'")
    (error,) = plan(registry, f"@{digest}").errors
    assert error.cause == "in_use"
    assert "may be needed by registry.test/app:1, registry.test/app:'no tag'; remove those first" in error.message
    assert apply(plan(registry, ":1")).errors == []
    assert tags_of(registry).keys() == {"no tag", "2", "3"}
    assert digest in registry.repositories["app"].manifests


def test_with_force_a_tag_name_that_no_client_can_request_keeps_nothing(registry: ModelRegistry) -> None:
    tags_of(registry)["no tag"] = tags_of(registry)["1"]
    assert apply(plan(registry, ":1", force=True)).errors == []
    assert tags_of(registry).keys() == {"2", "3"}
