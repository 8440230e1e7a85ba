# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pruning 1,000 random repositories of a registry in memory: all that is kept is complete, all that should go is gone, and the preview is exact."""

from __future__ import annotations

import re

import pytest

from ansible_collections.longshore.images.plugins.module_utils.places.registry.pruning import RegistryPrunePlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.pruning import plan_pruning
from tests.support.registry_model import HOST, ModelRegistry
from tests.support.tag_graphs import GraphPolicy, TagGraph, expected_deletions, random_graph, random_policy

GRAPHS = 1000


def plan(registry: ModelRegistry, policy: GraphPolicy) -> RegistryPrunePlan:
    return plan_pruning(registry.open(), HOST, "app", policy)


def find_damage(registry: ModelRegistry, graph: TagGraph) -> list[str]:
    """Return what is missing of the images that still have a tag."""
    place = registry.repositories["app"]
    missing = [digest for digest in graph.below(place.tags.values()) if digest not in place.manifests]
    for digest in graph.below(place.tags.values()):
        blobs = re.findall(r"sha256:[0-9a-f]{64}", re.sub(r'"subject": \{[^}]*\}', "", graph.manifests[digest][0].decode()))
        missing += [blob for blob in (digest, *blobs) if blob not in registry.blobs]
    return missing


@pytest.mark.parametrize("first", range(0, GRAPHS, 100))
def test_all_that_is_kept_pulls_and_all_that_should_go_is_gone(first: int) -> None:
    for seed in range(first, first + 100):
        graph = random_graph(seed)
        policy = random_policy(graph, seed)
        registry = ModelRegistry()
        registry.put("app", graph)
        place = registry.repositories["app"]
        before, tags = set(place.manifests), dict(place.tags)

        planned = plan(registry, policy)
        preview = planned.facts()
        assert not any(request.startswith("DELETE") for request in registry.requests)
        assert planned.errors == [], seed
        assert set(preview["deleted"]) == expected_deletions(graph, policy), (seed, policy)

        with Workers(1) as workers:
            applied = planned.apply(workers)
        assert applied.facts() == preview, seed
        assert applied.rows() == planned.rows()
        assert before - set(place.manifests) == set(preview["deleted"]), seed
        assert {f"{HOST}/app:{tag}" for tag in tags.keys() - place.tags.keys()} == set(preview["untagged"]), seed
        size = sum(map(len, registry.blobs.values()))
        registry.collect_garbage()
        assert find_damage(registry, graph) == [], seed
        # The module can't know manifests that nothing leads to, and these may share blobs.
        freed = size - sum(map(len, registry.blobs.values()))
        assert freed == preview["bytes_freed"] or (freed < preview["bytes_freed"] and before - graph.below(tags.values())), seed

        again = plan(registry, policy)
        assert not again.changed, (seed, again.actions())


def test_the_random_repositories_are_not_all_alike() -> None:
    deletions = [expected_deletions(graph, random_policy(graph, seed)) for seed in range(200) for graph in [random_graph(seed)]]
    graphs = [random_graph(seed) for seed in range(200)]
    assert sum(not digests for digests in deletions) > 20
    assert sum(len(digests) > 3 for digests in deletions) > 20
    assert sum(any(graph.members(member) for digest in graph.manifests for member in graph.members(digest)) for graph in graphs) > 20
    assert sum(len(set(graph.tags.values())) < len(graph.tags) for graph in graphs) > 50
    assert sum(None in graph.created.values() for graph in graphs) > 20
