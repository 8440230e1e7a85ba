# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images a selector of `image_rm` means, in the store and in engines."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InUse
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector, select_for_removal

D1, D2, ID1, ID2, ABSENT = (Digest("sha256", number * 64) for number in "12345")


class Named(t.NamedTuple):
    """An image under one of its names."""

    text: str | None
    digest: Digest
    image_id: Digest

    @property
    def name(self) -> Reference | None:
        return Reference.parse(self.text) if self.text is not None else None


IMAGES = [
    Named("r.test/a:1", D1, ID1),
    Named("r.test/a:2", D1, ID1),
    Named("r.test/b:1", D1, ID1),
    Named(f"r.test/a@{D1}", D1, ID1),
    Named("r.test/a:3", D2, ID2),
    Named(None, D2, ID2),
]
A_OF_D1 = ["r.test/a:1", "r.test/a:2", f"r.test/a@{D1}"]


def select(text: str, *, force: bool, by_ids: bool) -> list[str | None]:
    """Return the names of the selected images. BY_IDS is a place that knows an image by its ID and its digest, else IDs are read."""
    read: list[Named] = []

    def image_ids(image: Named) -> t.Collection[Digest]:
        read.append(image)
        return () if by_ids else (image.image_id,)

    def digests(image: Named) -> t.Collection[Digest]:
        return (image.digest, image.image_id) if by_ids else (image.digest,)

    found = select_for_removal(IMAGES, parse_removal_selector(text), image_ids, digests, force=force)
    assert not read or text.startswith("sha256:")
    return [image.text for image in found]


@pytest.mark.parametrize("by_ids", [True, False], ids=["knows-ids", "reads-ids"])
@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("r.test/a:1", ["r.test/a:1"]),
        (f"r.test/a:1@{D1}", ["r.test/a:1"]),
        (f"r.test/a:1@{D2}", []),
        ("r.test/a:4", []),
        (f"r.test/a@{D2}", ["r.test/a:3"]),
        (f"r.test/c@{D1}", []),
        (f"r.test/a@{ABSENT}", []),
        (f"r.test/b@{D1}", ["r.test/b:1"]),
        (str(D2), ["r.test/a:3", None]),
        (str(ID2), ["r.test/a:3", None]),
        (str(ABSENT), []),
        ("r.test/a:*", ["r.test/a:1", "r.test/a:2", "r.test/a:3"]),
    ],
)
def test_a_selector_means_the_same_with_and_without_force(selector: str, names: list[str | None], by_ids: bool) -> None:
    assert [select(selector, force=force, by_ids=by_ids) for force in (False, True)] == [names, names]


@pytest.mark.parametrize("by_ids", [True, False], ids=["knows-ids", "reads-ids"])
@pytest.mark.parametrize(
    ("selector", "names"), [(f"r.test/a@{D1}", A_OF_D1), (str(D1), sorted([*A_OF_D1, "r.test/b:1"])), (str(ID1), sorted([*A_OF_D1, "r.test/b:1"]))]
)
def test_several_names_need_force(selector: str, names: list[str], by_ids: bool) -> None:
    with pytest.raises(InUse) as caught:
        select(selector, force=False, by_ids=by_ids)
    assert all(name in caught.value.message for name in names)
    assert sorted(map(str, select(selector, force=True, by_ids=by_ids))) == names
