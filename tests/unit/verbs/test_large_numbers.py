# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images with as many layers as are allowed, and pulls of very many tags."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_ENTRIES
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove import plan_remove
from tests.support.images import FakeRepository, make_image
from tests.support.verbs import HOST, apply, opened, plan_pull

TAGS = [f"r.test/app:{number}" for number in range(1000)]


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait for the disk, which would take most of the time."""
    monkeypatch.setattr(os, "fsync", lambda unused_descriptor: None)


def test_an_image_with_as_many_layers_as_are_allowed_is_pulled_and_removed(tmp_path: Path) -> None:
    image = make_image("layers", MAX_ENTRIES)
    assert len(image.layers) == MAX_ENTRIES == 1000
    registry = FakeRepository({"r.test/app:1": image})
    with Workers(4) as workers:
        done = apply(plan_pull(opened(tmp_path), workers, "r.test/app:1", registry=registry), workers)
        assert done.facts()["bytes_transferred"] == sum(blob.size for blob in image.blobs)
        store = opened(tmp_path)
        assert store.find_missing_blobs(store.get_entry(Reference.parse("r.test/app:1"))) == []
        assert not plan_pull(opened(tmp_path), workers, "r.test/app:1", registry=registry).changed
        removed = apply(plan_remove(StoreCatalog(opened(tmp_path), HOST), [parse_removal_selector("r.test/app:1")]), workers)
    assert removed.facts()["bytes_freed"] == image.graph.size
    assert list(opened(tmp_path).stored()) == []


def test_a_thousand_tags_are_pulled_at_once_and_removed_by_a_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [make_image(f"tag {number}", 1) for number in range(10)]
    registry = FakeRepository({tag: images[number % 10] for number, tag in enumerate(TAGS)})
    probed: list[str] = []
    probe = FakeRepository.probe

    def recorded_probe(repository: FakeRepository, reference: Reference) -> Descriptor | None:
        probed.append(str(reference))
        return probe(repository, reference)

    monkeypatch.setattr(FakeRepository, "probe", recorded_probe)
    with Workers(4) as workers:
        apply(plan_pull(opened(tmp_path), workers, *TAGS, registry=registry), workers)
        assert [str(entry.name) for entry in opened(tmp_path).index.entries] == TAGS
        probed.clear()
        again = plan_pull(opened(tmp_path), workers, *TAGS, registry=registry)
        assert (again.changed, sorted(probed)) == (False, sorted(TAGS))
        moved = FakeRepository({**registry.images, TAGS[500]: make_image("moved", 1)})
        moving = apply(plan_pull(opened(tmp_path), workers, *TAGS, registry=moved), workers)
        assert [row["name"] for row in moving.rows() if row["changed"]] == [TAGS[500]]
        removed = apply(plan_remove(StoreCatalog(opened(tmp_path), HOST), [parse_removal_selector("r.test/app:*")]), workers)
    assert len(removed.facts()["untagged"]) == len(TAGS)
    assert opened(tmp_path).index.entries == ()
