# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of tags by version, and the parsing of ages."""

from __future__ import annotations

import datetime
import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.times import parse_age
from ansible_collections.longshore.images.plugins.module_utils.oci.versions import Version, version_order

OLDEST_FIRST = [
    ["latest", "1", "2", "10"],
    ["1.2", "1.2.1", "1.10", "2.0"],
    ["v1.9.9", "v1.10.0", "v2.0.0"],
    ["1.9", "v2.0", "2.1"],
    ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"],
    ["3.12a1", "3.12rc2", "3.12rc10", "3.12"],
    ["1.26-alpine", "1.27-alpine", "1.27"],
    ["1.9-debian12", "1.10.1-debian9", "1.10.1-debian12"],
    ["2024.05.01", "2024.5.2", "2024.12.1"],
    ["20240501", "20241201"],
    ["0.9.9", "1_1", "1"],
    ["7f3a9c2", "edge", "latest", "sha256-0a39.sig", "1"],
    ["", "latest", "0"],
]


@pytest.mark.parametrize("tags", OLDEST_FIRST, ids=" ".join)
def test_tags_sort_by_version_and_those_without_one_come_first(tags: list[str]) -> None:
    shuffled = random.Random(1).sample(tags, len(tags))
    assert sorted(shuffled, key=version_order) == tags


@pytest.mark.parametrize("same", [("1", "1.0", "v1.0.0"), ("1.5-rc1", "1.5.0-rc.1", "1.5rc1"), ("01.2", "1.02")])
def test_a_version_is_the_same_however_it_is_written(same: tuple[str, ...]) -> None:
    assert len({Version.read(tag) for tag in same}) == 1


@pytest.mark.parametrize("tag", ["latest", "edge-2", "7f3a9c2", "v", "", ".1", "stable_1", "_1"])
def test_a_tag_without_a_version_has_none(tag: str) -> None:
    assert Version.read(tag) is None


def test_a_version_keeps_all_of_its_numbers() -> None:
    assert Version.read("3.12.10rc1") == Version((3, 12, 10), False, ((True, 0, "rc"), (False, 1, "")))


@given(some.lists(some.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True), max_size=8))
def test_all_tags_can_be_compared(tags: list[str]) -> None:
    assert sorted(sorted(tags, key=version_order, reverse=True), key=version_order) == sorted(tags, key=version_order)


AGES = {"30d": (30, 0), "12h": (0, 43200), "2w": (14, 0), "90m": (0, 5400), "5s": (0, 5), "0d": (0, 0)}


@pytest.mark.parametrize("text", AGES)
def test_an_age_is_a_number_and_a_unit(text: str) -> None:
    days, seconds = AGES[text]
    assert parse_age(text) == datetime.timedelta(days, seconds)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 d", "1y", "1d12h", "٣d", "999999999w", "30D"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption):
        parse_age(text)
