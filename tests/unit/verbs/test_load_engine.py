# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load an archive into an engine in memory, and into a store: which names are taken."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import Archive, open_archive
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import ManagedEngine
from ansible_collections.longshore.images.plugins.module_utils.errors import NameTaken
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine.loading import EngineLoading
from ansible_collections.longshore.images.plugins.module_utils.places.existing import Existing
from ansible_collections.longshore.images.plugins.module_utils.places.loading import LoadingPlace
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from tests.support.forked import run_forked
from tests.support.images import make_image
from tests.support.memory_engine import MemoryEngine, engine_image

HOST = Platform.parse("linux/amd64")
NAME = Reference.parse("r.test/one:1")
ONE, OTHER = make_image("one", 1), make_image("other", 1)
is_usable = pytest.mark.parametrize("usable", [True, False], ids=["unpacked", "not-unpacked"])


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    ONE.put(Store(str(tmp_path / "store")), str(NAME))
    saved = run_forked("image_save", {"store": str(tmp_path / "store"), "name": [str(NAME)], "path": str(tmp_path / "a.tar")})
    assert saved["changed"], saved
    return open_archive(str(tmp_path / "a.tar"))


def engine_with(image: t.Any, usable: bool) -> ManagedEngine:
    return t.cast(ManagedEngine, MemoryEngine(images={NAME: engine_image([NAME], [image.root.digest], usable=usable)}))


@is_usable
def test_the_name_of_another_image_is_kept(archive: Archive, usable: bool) -> None:
    plan = plan_load(EngineLoading(engine_with(OTHER, usable)), archive, LoadOptions(HOST, existing=Existing.KEEP))
    (row,) = plan.rows()
    assert (plan.changed, row["kept"], row["digest"], row["previous_digest"]) == (False, True, str(OTHER.root.digest), str(OTHER.root.digest))


@is_usable
def test_the_name_of_another_image_is_taken(archive: Archive, usable: bool) -> None:
    with pytest.raises(NameTaken, match=str(NAME)):
        plan_load(EngineLoading(engine_with(OTHER, usable)), archive, LoadOptions(HOST, existing=Existing.FAIL))


@pytest.mark.parametrize("existing", [Existing.KEEP, Existing.FAIL])
@is_usable
def test_the_same_image_is_completed(archive: Archive, existing: Existing, usable: bool) -> None:
    plan = plan_load(EngineLoading(engine_with(ONE, usable)), archive, LoadOptions(HOST, existing=existing))
    (row,) = plan.rows()
    assert (plan.changed, row["kept"], row["digest"]) == (not usable, False, str(ONE.root.digest))


@is_usable
def test_the_name_of_another_image_is_overwritten(archive: Archive, usable: bool) -> None:
    plan = plan_load(EngineLoading(engine_with(OTHER, usable)), archive, LoadOptions(HOST))
    (row,) = plan.rows()
    assert (plan.changed, row["digest"], row["previous_digest"]) == (True, str(ONE.root.digest), str(OTHER.root.digest))


def test_the_store_and_an_engine_refuse_a_taken_name_with_one_sentence(archive: Archive, tmp_path: Path) -> None:
    store, engine = Store(str(tmp_path / "target")), engine_with(OTHER, usable=True)
    OTHER.put(store, str(NAME))
    places: dict[str, LoadingPlace] = {store.path: StoreLoading(store), f"{engine.title} at {engine.place}": EngineLoading(engine)}
    for where, place in places.items():
        with pytest.raises(NameTaken) as caught:
            plan_load(place, archive, LoadOptions(HOST, existing=Existing.FAIL))
        assert caught.value.message == (
            f"{NAME} is in {where} already, for another image; set existing to overwrite to move it, or to keep to leave it"
        )
