# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes within an index, which say nothing of platforms themselves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.filtering import Filters
from ansible_collections.longshore.images.plugins.module_utils.transfer.inspect import Inspector, held_in_store
from ansible_collections.longshore.images.tests.support.images import FakeRepository, Image, make_index
from ansible_collections.longshore.images.tests.support.verbs import HOST, mend, pull

NAME = "r.test/nested:1"


def nested() -> Image:
    """An index of one index for each of two platforms."""
    parts = [make_index(text, (platform,), layers=1) for text, platform in (("first", "linux/amd64"), ("second", "linux/arm64"))]
    roots = [dataclasses.replace(part.root, platform=None).members() for part in parts]
    data = canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": roots})
    root = Descriptor(media_types.OCI_INDEX, Digest.of(data), len(data))
    return Image(root, {**parts[0].content, **parts[1].content, root.digest: data})


def test_what_was_asked_for_is_not_missed_in_the_index_of_another_platform(tmp_path: Path) -> None:
    path = tmp_path / "store"
    entry = nested().put(Store(str(path)), NAME, platforms=["linux/amd64"])
    assert Store(str(path)).missing(entry) == []
    assert not mend(path).changed


def test_what_was_asked_for_is_missed_in_the_index_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "store"
    entry = nested().put(Store(str(path)), NAME, platforms=["linux/amd64"])
    manifest = make_index("first", ("linux/amd64",), layers=1).graph.images[0].descriptor
    Path(Store(str(path)).blob_path(manifest.digest)).unlink()
    assert manifest in Store(str(path)).missing(entry)


def test_the_hosts_part_is_there_when_all_was_pulled(tmp_path: Path) -> None:
    path = tmp_path / "store"
    registry = FakeRepository({NAME: nested()})
    assert pull(path, NAME, platforms=["all"], registry=registry).changed
    assert not pull(path, NAME, registry=registry).changed
    assert Store(str(path)).resolve(Reference.parse(NAME)).selection is not None


def test_an_index_that_is_here_is_told_to_be_present(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    nested().put(store, NAME, platforms=["all"])
    (row,) = Inspector(held_in_store(store), "the store", HOST).asked([Reference.parse(NAME)], Filters())
    assert [child["present"] for child in row["manifests"]] == [True, True]
