# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes inside an index whose descriptors have no platform."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import PlatformMissing, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.platforms import select_platforms
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.verbs.info import InfoOptions
from tests.support import modules
from tests.support.images import FakeRepository, Image, list_in_index, make_index
from tests.support.verbs import HOST, mend, pull

NAME = "r.test/nested:1"


def nested() -> Image:
    """Return an index of two indexes, one for each of two platforms."""
    return list_in_index(make_index("first", ("linux/amd64",), layers=1), make_index("second", ("linux/arm64",), layers=1))


def test_a_requested_platform_is_not_missing_from_the_index_of_another_platform(tmp_path: Path) -> None:
    path = tmp_path / "store"
    entry = nested().put(Store(str(path)), NAME, platforms=["linux/amd64"])
    assert Store(str(path)).find_missing_blobs(entry) == []
    assert not mend(path).changed


def test_a_requested_platform_is_missing_from_the_index_that_lists_it(tmp_path: Path) -> None:
    path = tmp_path / "store"
    entry = nested().put(Store(str(path)), NAME, platforms=["linux/amd64"])
    manifest = make_index("first", ("linux/amd64",), layers=1).graph.images[0].descriptor
    Path(Store(str(path)).blob_path(manifest.digest)).unlink()
    assert manifest in Store(str(path)).find_missing_blobs(entry)


def test_the_platform_of_the_host_is_present_after_pulling_all_platforms(tmp_path: Path) -> None:
    path = tmp_path / "store"
    registry = FakeRepository({NAME: nested()})
    assert pull(path, NAME, platforms=["all"], registry=registry).changed
    assert not pull(path, NAME, registry=registry).changed
    assert Store(str(path)).get_entry(Reference.parse(NAME)).selection is not None


@pytest.mark.parametrize("platforms", [["linux/amd64"], ["linux/arm64"], ["linux/arm64", "linux/amd64"]], ids=" ".join)
def test_a_platform_is_found_in_each_inner_index(tmp_path: Path, platforms: list[str]) -> None:
    path = tmp_path / "store"
    registry = FakeRepository({NAME: nested()})
    assert pull(path, NAME, platforms=platforms, registry=registry).changed
    assert not pull(path, NAME, platforms=platforms, registry=registry).changed
    store = Store(str(path))
    entry = store.get_entry(Reference.parse(NAME))
    assert store.find_missing_blobs(entry) == []
    graph = store.read_graph(entry)
    assert graph is not None
    assert sorted(graph.platforms) == sorted(platforms)


def test_a_second_platform_is_added_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "store"
    registry = FakeRepository({NAME: nested()})
    for platform in ("linux/amd64", "linux/arm64"):
        pull(path, NAME, platforms=[platform], registry=registry)
    assert not pull(path, NAME, platforms=["linux/amd64", "linux/arm64"], registry=registry).changed


def test_a_platform_that_no_inner_index_has_is_an_error_that_lists_all_platforms(tmp_path: Path) -> None:
    with pytest.raises(PlatformMissing, match="no image for linux/s390x; it has linux/amd64, linux/arm64"):
        pull(tmp_path / "store", NAME, platforms=["linux/s390x"], registry=FakeRepository({NAME: nested()}))


def test_an_index_that_is_listed_for_a_platform_and_does_not_have_it_is_no_image_for_it(tmp_path: Path) -> None:
    inner = make_index("other", ("linux/arm64",), layers=1)
    data = encode_canonical(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": [dataclasses.replace(inner.root, platform=Platform.parse("linux/amd64")).to_dict()],
        }
    )
    root = Descriptor(media_types.OCI_INDEX, Digest.of(data), len(data))
    registry = FakeRepository({NAME: Image(root, {**inner.content, root.digest: data})})
    with pytest.raises(PlatformMissing, match="no image for linux/amd64"):
        pull(tmp_path / "store", NAME, platforms=["linux/amd64"], registry=registry)


@pytest.mark.parametrize("platforms", [["linux/amd64"], ["linux/arm64"], ["linux/arm64", "linux/amd64"]], ids=" ".join)
def test_the_requested_platforms_are_saved(tmp_path: Path, platforms: list[str]) -> None:
    store = str(tmp_path / "store")
    nested().put(Store(store), NAME, platforms=["all"])
    options = {"store": store, "name": [NAME], "path": str(tmp_path / "a.tar"), "platform": platforms}
    (row,) = modules.check_do_again("image_save", options, place=tmp_path / "a.tar")["images"]
    assert sorted(row["platforms"]) == sorted(platforms)
    loaded = modules.run("image_load", {"store": str(tmp_path / "loaded"), "path": options["path"]})
    assert sorted(loaded["images"][0]["platforms"]) == sorted(platforms)


def test_selecting_one_platform_returns_the_manifest_in_the_inner_index() -> None:
    image = nested()
    selected = select_platforms(image.root, NAME, image.read, Selection.parse(["linux/arm64"]))
    assert selected.root == make_index("second", ("linux/arm64",), layers=1).graph.images[0].descriptor


def test_selecting_several_platforms_is_refused_with_one_sentence() -> None:
    with pytest.raises(UnsupportedFormat, match="select one platform, or all"):
        select_platforms(nested().root, NAME, nested().read, Selection.parse(["linux/arm64", "linux/amd64"]))


def test_an_inner_index_in_the_store_is_reported_as_present(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    nested().put(store, NAME, platforms=["all"])
    (row,) = InfoOptions(HOST).inspect_store(store).find_rows([Reference.parse(NAME)], Filters())
    assert [child["present"] for child in row["manifests"]] == [True, True]
