# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ranges of versions: which tags they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.version_range import VersionRange
from ansible_collections.longshore.images.plugins.module_utils.oci.versions import Version

HELD: list[tuple[str, str, str]] = [
    # range, tags that it holds, tags that it doesn't
    (">=1.2,<2", "1.2 1.2.0 1.10 v1.99.99 1.2.3.4", "1.1.9 2 2.0.0 2.0-rc1 1 1.3-alpine"),
    (">= 1.2 < 2", "1.2 1.10", "1.1 2"),
    (">1.2", "1.2.1 2", "1.2 1.2.0 1"),
    ("<=1.25", "1.25 1.25.0 1.3", "1.25.1 1.26"),
    ("1.25.x", "1.25 1.25.0 1.25.19 1.25.3.1", "1.2 1.26 1.250 1.25-alpine 1.25-rc1"),
    ("1.25", "1.25 1.25.3", "1.26 1"),
    ("1.25.*", "1.25.3", "1.24"),
    ("1.0.x", "1 1.0 1.0.7", "1.1 10"),
    ("=1.25", "1.25 1.25.0 v1.25", "1.25.1"),
    ("==1.25.x", "1.25.4", "1.26"),
    ("!=1.25.x,>=1.24", "1.24.9 1.26", "1.25 1.25.3 1.23"),
    ("!=1.3", "1.2 1.3.1", "1.3 1.3.0"),
    ("~1.25", "1.25 1.25.9", "1.24.9 1.26 1.26-rc1"),
    ("~1.25.3", "1.25.3 1.25.10", "1.25.2 1.26"),
    ("~1", "1 1.99", "2 0.9"),
    ("^1.2", "1.2 1.99.1", "1.1 2"),
    ("^0.2", "0.2 0.2.9", "0.1 0.3"),
    ("3.x-alpine", "3-alpine 3.9.1-alpine", "3.9 4-alpine 2.9-alpine"),
    ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3"),
    ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
    ("^0", "0 0.9", "1"),
    ("*", "0.1 7 20240501", "7-alpine 7-rc1"),
    ("x", "1", "1-alpine"),
    ("*-alpine", "1-alpine 2.7-alpine", "1 1-alpine3.20"),
    (">=1.25-alpine,<1.28", "1.25-alpine 1.27.3-alpine", "1.27 1.24-alpine 1.28-alpine 1.27-alpine3.20 1.27-bookworm"),
    ("1.27.x-alpine3.20", "1.27.1-alpine3.20", "1.27.1-alpine"),
    ("~3.12-slim-bookworm", "3.12.4-slim-bookworm", "3.12.4-slim 3.12.4-bookworm 3.13-slim-bookworm"),
    (">=2.0.0-rc.1", "2.0.0-rc.1 2.0.0-rc2 2.0rc10 2 2.1", "2.0.0-beta.9 2.1.0-rc1 1.9"),
    ("1.5-rc1", "1.5-rc1 1.5.0-rc.1 1.5rc1", "1.5 1.5-rc2"),
    ("<2.0-beta", "1.9 2.0-alpha.3", "2.0-beta 2.0 1.9-rc1"),
    (">=1.5-rc1-alpine", "1.5-rc1-alpine 1.5-alpine 1.6-alpine", "1.5 1.5-rc1 1.6-rc1-alpine"),
    ("v1.2.x", "1.2.3 v1.2.4", "v1.3"),
    # `-0` comes before every step towards a release, and so finds them all from there on, as in semver.
    (">=1.2.0-0", "1.2.0-0 1.2.0-alpha 1.2.0-rc.1 1.2 1.3.0-beta.2 1.3 2.0.0-rc1 2", "1.1.9 1.1.9-rc1 1.2.0-alpine 1.3-alpine"),
    (">=1.2-0,<2", "1.2-alpha 1.9.0-rc1 1.9", "2 2.0.0-rc1 2.0.0-0 1.1"),
    (">=1.2.0-0 <2.0.0-rc2", "1.5-beta 2.0.0-rc1", "2.0.0-rc2 2"),
    (">1.2.0-0", "1.2.0-alpha 1.2 1.3-rc1", "1.2.0-0 1.1"),
    ("^1.2.0-0", "1.2.0-alpha 1.9-rc1 1.9", "2.0.0-alpha 2 1.1.9"),
    ("~1.2.0-0", "1.2.0-alpha 1.2.9-rc1 1.2", "1.3.0-alpha 1.3 1.1.9"),
    ("1.2.x-0", "1.2.0-alpha 1.2.3-rc1 1.2.3", "1.3.0-alpha 1.1 1.2.3-alpine"),
    ("*-0", "1-rc1 1", "1-alpine"),
    ("<2.0.0-0", "1.9 1.99", "2 2.0.0-alpha 1.9-rc1 2.0.0-0"),
    (">=1.2,<2.0.0-0", "1.2 1.9", "2.0.0-rc1 1.9-rc1"),
    (">=1.2.0-0-alpine", "1.2.0-rc1-alpine 1.3-alpine 1.3-beta-alpine", "1.2.0 1.3-rc1 1.1-alpine"),
    (">=1.2", "1.2", "1.2.0-0 1.3.0-0"),
    ("1.2.0-1", "1.2.0-1", "1.2.0 1.2.0-0"),
    (">=24.04", "24.04 24.10", "23.10 24.3"),
]


@pytest.mark.parametrize(("text", "held", "left_out"), HELD, ids=[row[0] for row in HELD])
def test_a_range_contains_ordered_versions_of_its_own_variant(text: str, held: str, left_out: str) -> None:
    wanted = VersionRange.parse(text)
    for tag in held.split():
        version = Version.read(tag)
        assert version is not None
        assert version in wanted, tag
    for tag in left_out.split():
        version = Version.read(tag)
        assert version is not None
        assert version not in wanted, tag


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "latest",
        ">=",
        ">=latest",
        "1.2 - 1.4",
        ">1.x",
        "~1.x",
        "||",
        "=>1",
        "1..2",
        ">=1-alpine,<2-slim",
        "1.x.3",
        ">=1.2<2",
        ">=1.2<2,!=1.3",
        "1.2||1.3",
        ">=1.2&<2",
        "~1.2^1.3",
        ">=1-alpine<2",
        "1.2=1.3",
        ">=1.2;<2",
        "1.2/1.3",
        "1.x<2",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption):
        VersionRange.parse(text)


@given(some.lists(some.integers(0, 30), min_size=1, max_size=4), some.lists(some.integers(0, 30), min_size=1, max_size=4))
def test_numbers_are_compared_as_numbers(left: list[int], right: list[int]) -> None:
    version = Version.read(".".join(map(str, left)))
    assert version is not None
    padded = [numbers + [0] * (4 - len(numbers)) for numbers in (left, right)]
    assert (version in VersionRange.parse(f">={'.'.join(map(str, right))}")) == (padded[0] >= padded[1])


@given(some.text(alphabet="<>=!~^ ,.-x*v0123rcalpine", max_size=20))
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    try:
        wanted = VersionRange.parse(text)
    except InvalidOption:
        return
    for tag in ("1", "1.2-alpine", "1.0-rc1"):
        version = Version.read(tag)
        assert version is not None
        assert (version in wanted) in (True, False)
