# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repositories and tags that a search returns."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.search import FoundRepository
from ansible_collections.longshore.images.plugins.module_utils.verbs.search import SearchQuery, TagChoice

TAGS = ["latest", "1.9", "1.10", "1.10-alpine", "2.0-rc1", "v1.2", "7f3a9c2", "edge"]

CHOICES: list[tuple[str | None, str | None, int | None, str]] = [
    # pattern, range, newest, the tags in order
    (None, None, None, "1.10 1.10-alpine 1.9 2.0-rc1 7f3a9c2 edge latest v1.2"),
    ("^[le]", None, None, "edge latest"),
    ("nothing", None, None, ""),
    (None, "*", None, "1.10 1.9 v1.2"),
    (None, "<1.10", None, "1.9 v1.2"),
    (None, "*-alpine", None, "1.10-alpine"),
    (None, ">=2.0-rc1", 5, "2.0-rc1"),
    (None, None, 2, "2.0-rc1 1.10"),
    (None, None, 100, "2.0-rc1 1.10 1.10-alpine 1.9 v1.2"),
    ("^v", "*", 1, "v1.2"),
    (None, "*", 1, "1.10"),
]


@pytest.mark.parametrize(("pattern", "versions", "newest", "chosen"), CHOICES)
def test_tags_are_selected_by_pattern_range_and_number(pattern: str | None, versions: str | None, newest: int | None, chosen: str) -> None:
    assert TagChoice.parse(pattern, versions, newest).select(TAGS) == chosen.split()


@pytest.mark.parametrize(("pattern", "versions", "newest"), [("(", None, None), (None, "new", None), (None, None, 0), (None, None, -1)])
def test_invalid_conditions_for_tags_are_refused(pattern: str | None, versions: str | None, newest: int | None) -> None:
    with pytest.raises(InvalidOption):
        TagChoice.parse(pattern, versions, newest)


def found(stars: int | None, official: bool | None) -> FoundRepository:
    return FoundRepository(Reference.parse("a:1"), None, stars, official, None)


@pytest.mark.parametrize(
    ("official", "min_stars", "one", "fits"),
    [
        (None, None, found(None, None), True),
        (None, None, found(3, False), True),
        (True, None, found(3, True), True),
        (True, None, found(3, False), False),
        (False, None, found(3, True), False),
        (None, 3, found(3, False), True),
        (None, 4, found(3, False), False),
    ],
)
def test_a_repository_has_to_fulfil_all_conditions(official: bool | None, min_stars: int | None, one: FoundRepository, fits: bool) -> None:
    assert SearchQuery("a", official=official, min_stars=min_stars).fits(one) == fits
