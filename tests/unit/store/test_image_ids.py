# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are selected by their ID."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.images import FakeRepository, make_image, make_index
from tests.support.verbs import pull

IMAGES = [make_image(f"image-{number}", 1) for number in range(5)]


def test_each_image_is_read_once_for_any_number_of_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "store")
    for number, image in enumerate(IMAGES):
        image.put(Store(path), f"r.test/image:{number}")
    read: list[Descriptor] = []
    real = Store.read_document

    def record_read(self: Store, descriptor: Descriptor) -> bytes | None:
        read.append(descriptor)
        return real(self, descriptor)

    monkeypatch.setattr(Store, "read_document", record_read)
    store = Store(path)
    for number, image in enumerate(IMAGES):
        (entry,) = store.find_entries(image.graph.images[0].manifest.config.digest)
        assert str(entry.name) == f"r.test/image:{number}"
    manifests = [descriptor for descriptor in read if descriptor.is_document]
    assert len(manifests) == len(IMAGES)


def test_the_id_of_a_platform_that_was_added_later_is_found_after_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "store"
    index = make_index("added", layers=1)
    registry = FakeRepository({"r.test/added:1": index})
    pull(path, "r.test/added:1", platforms=["linux/amd64"], registry=registry)
    store = Store(str(path))
    added = index.graph.images[1].manifest.config.digest
    assert store.find_entries(added) == []
    pull(path, "r.test/added:1", platforms=ALL.texts(), registry=registry)
    store.reload()
    assert [entry.digest for entry in store.find_entries(added)] == [index.root.digest]
