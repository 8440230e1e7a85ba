# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are given only where they are free, while other runs give names too (promise I3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import NameTaken
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
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


def meanwhile(path: str, text: str, keep: bool) -> Store:
    """The store after a run that names SOURCE, into which another run comes that gives one of the names to the image of TEXT."""
    store = Store(path)
    plan = plan_tag(store, store.get_entry(Reference.parse(SOURCE)), [FIRST, SECOND], keep=keep, host=HOST)
    make_image(text).put(Store(path), str(SECOND))
    with Workers(1) as workers:
        plan = plan.apply(workers)
    assert [type(error) for error in plan.errors] == ([NameTaken] if keep and text != "source" else [])
    assert plan.changed == (not plan.errors)
    return Store(path)


def test_a_name_that_is_to_be_kept_stays_though_it_was_given_after_the_plan_was_made(path: str) -> None:
    index = meanwhile(path, "other", keep=True).index
    second = index.get_named(SECOND)
    assert second is not None
    assert second.digest == make_image("other").root.digest
    assert index.get_named(FIRST) is None


@pytest.mark.parametrize(("text", "keep"), [("other", False), ("source", True)])
def test_a_name_that_may_be_moved_or_has_the_same_image_is_given(path: str, text: str, keep: bool) -> None:
    index = meanwhile(path, text, keep).index
    assert {entry.digest for name in (FIRST, SECOND) for entry in index.find_by_selector(name)} == {make_image("source").root.digest}
    assert len(index.find_by_selector(FIRST)) == 1


def test_an_image_for_a_free_name_is_not_published_where_another_has_it(path: str) -> None:
    image = make_image("new")
    with Store(path).open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)
        with pytest.raises(NameTaken, match=SOURCE):
            writer.publish_images([NamedGraph(image.graph, (Reference.parse(SOURCE),), None, free=True)])
    assert Store(path).get_entry(Reference.parse(SOURCE)).digest == make_image("source").root.digest
