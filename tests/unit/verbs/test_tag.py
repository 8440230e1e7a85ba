# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are set only if they are free, while another run sets names too (promise I3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import NameTaken
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.tag import plan_tag
from tests.support.images import make_image
from tests.support.verbs import HOST

SOURCE = "r.test/source:1"
FIRST = Reference.parse("r.test/first:1")
SECOND = Reference.parse("r.test/second:1")


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "store")
    make_image("source").put(Store(path), SOURCE)
    return path


def tag_while_another_run_does(path: str, text: str, keep: bool) -> Store:
    """Return the store after one run tagged SOURCE with FIRST and SECOND, and another run tagged the image of TEXT as SECOND between plan and apply."""
    store = Store(path)
    plan = plan_tag(StoreCatalog(store, HOST), Reference.parse(SOURCE), [FIRST, SECOND], keep=keep)
    make_image(text).put(Store(path), str(SECOND))
    with Workers(1) as workers:
        plan = plan.apply(workers)
    assert [type(error) for error in plan.errors] == ([NameTaken] if keep and text != "source" else [])
    assert plan.changed == (not plan.errors)
    return Store(path)


def test_an_existing_name_is_kept_even_if_it_was_set_after_the_plan(path: str) -> None:
    index = tag_while_another_run_does(path, "other", keep=True).index
    second = index.get_named(SECOND)
    assert second is not None
    assert second.digest == make_image("other").root.digest
    assert index.get_named(FIRST) is None


@pytest.mark.parametrize(("text", "keep"), [("other", False), ("source", True)])
def test_a_name_is_set_if_it_may_be_moved_or_has_the_same_image_already(path: str, text: str, keep: bool) -> None:
    index = tag_while_another_run_does(path, text, keep).index
    assert {entry.digest for name in (FIRST, SECOND) for entry in index.find_by_selector(name)} == {make_image("source").root.digest}
    assert len(index.find_by_selector(FIRST)) == 1


def test_an_image_for_a_free_name_is_not_published_if_another_image_has_it(path: str) -> None:
    image = make_image("new")
    with Store(path).open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)
        with pytest.raises(NameTaken, match=SOURCE):
            writer.publish_images([NamedGraph(image.graph, (Reference.parse(SOURCE),), None, free=True)])
    assert Store(path).get_entry(Reference.parse(SOURCE)).digest == make_image("source").root.digest
