# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images that a policy removes: those that no rule keeps."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionCandidate, RetentionPolicy

NOW = datetime.datetime(2026, 6, 30, tzinfo=datetime.timezone.utc)


def digest(number: int) -> Digest:
    return Digest("sha256", f"{number:064x}")


def image(number: int, name: str | None = None, days: float | None = None, **facts: t.Any) -> RetentionCandidate:
    """The image NUMBER under NAME, made DAYS ago."""
    created = None if days is None else NOW - datetime.timedelta(days)
    return RetentionCandidate(Reference.parse(f"r.test/{name}") if name else None, digest(number), created, **facts)


def about(*numbers: int) -> frozenset[Digest]:
    return frozenset(digest(number) for number in numbers)


FOUR = [image(1, "app:1", 40), image(2, "app:2", 30.5), image(3, "app:3", 20), image(4, "app:4", 10)]
UNNAMED = [image(8, None, 40), image(9, None, 1)]
SAME_TIME = [image(1, "app:1.9", 5), image(2, "app:1.10", 5), image(3, "app:latest", 5), image(4, "app:1.10-rc1", 5)]

CASES: dict[str, tuple[list[RetentionCandidate], dict[str, t.Any], list[int]]] = {
    "unnamed images alone without rules": ([*FOUR, *UNNAMED], {}, [8, 9]),
    "nothing where unnamed ones are to stay": ([*FOUR, *UNNAMED], {"dangling": False}, []),
    "what isn't among the newest": (FOUR, {"keep": 2}, [1, 2]),
    "none where there are fewer than to keep": (FOUR, {"keep": 9}, []),
    "all where none is to be kept": (FOUR, {"keep": 0}, [1, 2, 3, 4]),
    "unnamed images even if keep is set": ([*FOUR, *UNNAMED], {"keep": 9}, [8, 9]),
    "what is older": (FOUR, {"older_than": "30d"}, [1, 2]),
    "nothing that is just as old": ([image(1, "app:1", 30)], {"older_than": "30d"}, []),
    "neither new nor young": (FOUR, {"keep": 3, "older_than": "15d"}, [1]),
    "none of the newest, however old": (FOUR, {"keep": 1, "older_than": "1d"}, [1, 2, 3]),
    "none of the young, however many": (FOUR, {"keep": 1, "older_than": "35d"}, [1]),
    "unnamed images that are old": (UNNAMED, {"older_than": "30d"}, [8]),
    "old ones with a name alone": ([*FOUR, *UNNAMED], {"older_than": "30d", "dangling": False}, [1, 2]),
    "by the version where the time is the same": (SAME_TIME, {"keep": 1}, [1, 3, 4]),
    "first what has no version": (SAME_TIME, {"keep": 3}, [3]),
    "one of each repository": ([image(1, "a:1", 9), image(2, "a:2", 8), image(3, "b:1", 99)], {"keep": 1}, [1]),
    "images, not names": ([image(1, "a:1", 9), image(2, "a:2", 8), image(2, "a:latest", 8), image(2, "a:2.0", 8)], {"keep": 2}, []),
    "by the best tag of an image": ([image(1, "a:2", 5), image(2, "a:1", 5), image(2, "a:3", 5)], {"keep": 1}, [1]),
    "one name of an image that another repository keeps": ([image(1, "a:1", 9), image(2, "a:2", 8), image(1, "b:1", 9)], {"keep": 1}, [1]),
    "first what has no time": ([image(1, "a:9"), image(2, "a:1", 500)], {"keep": 1}, [1]),
    "nothing without a time by age": ([image(1, "a:1"), image(2)], {"older_than": "1s"}, []),
    "nothing by age with the time of Unix or Go": ([image(1, "a:1", 20635), image(2, "a:2", 739790)], {"older_than": "1s"}, []),
    "first what has the time of 1970": ([image(1, "a:9", 20635), image(2, "a:1", 500)], {"keep": 1}, [1]),
    "nothing from the future": ([image(1, "a:1", -3)], {"older_than": "0s"}, []),
    "a repository by digest as well": ([image(1, f"a@{digest(1)}", 3), image(2, f"a@{digest(2)}", 2)], {"keep": 1}, [1]),
    "none that doesn't pass the filters": ([image(1, "a:1", 9, chosen=False), image(2, chosen=False)], {"keep": 0}, []),
    "the rest of those that pass": ([image(1, "a:1", 9), image(2, "a:2", 8), image(3, "a:3", 7, chosen=False)], {"keep": 1}, [1]),
    "none that is protected": ([image(1, "a:1", 9, protected=True), image(2, protected=True)], {"keep": 0}, []),
    "no other name of what is protected": ([image(1, "a:1", 9), image(1, "b:stable", 9, protected=True)], {"keep": 0}, []),
    "by counting the protected as well": ([image(1, "a:1", 9), image(2, "a:2", 8, protected=True)], {"keep": 1}, [1]),
    "no signature of what stays": ([image(1, "a:1", 9), image(5, "a:sig", referrer_of=about(1)), image(6, referrer_of=about(1))], {"keep": 1}, []),
    "the signature with the image": ([image(1, "a:1", 9), image(5, "a:sig", referrer_of=about(1))], {"keep": 0}, [1, 5]),
    "the unnamed signature with the image": ([image(1, "a:1", 9), image(5, referrer_of=about(1))], {"keep": 0, "dangling": False}, [1, 5]),
    "no signature that another image needs": ([image(1), image(2, "a:1", 9), image(5, referrer_of=about(1, 2))], {}, [1]),
    "no protected signature": ([image(1), image(5, "a:sig", referrer_of=about(1), protected=True)], {}, [1]),
    "an unnamed signature of nothing": ([image(5, referrer_of=about(77))], {}, [5]),
    "a named signature of nothing by the rules": ([image(5, "a:sig", referrer_of=about(77))], {"keep": 0}, [5]),
    "no named signature of nothing without rules": ([image(5, "a:sig", referrer_of=about(77))], {}, []),
}


@pytest.mark.parametrize(("candidates", "rules", "gone"), CASES.values(), ids=CASES.keys())
def test_a_policy_lets_go(candidates: list[RetentionCandidate], rules: dict[str, t.Any], gone: list[int]) -> None:
    policy = RetentionPolicy.parse(**{"dangling": True, "keep": None, "older_than": None, **rules})
    for given_order in (candidates, candidates[::-1]):
        let_go = policy.select_removable(given_order, NOW)
        assert sorted(int(candidate.digest.hex, 16) for candidate in let_go) == gone
        assert let_go == [candidate for candidate in given_order if candidate in let_go]


TAGS = some.sampled_from(["latest", "1", "1.1", "2", "2.0-rc1"])
NAMES = some.one_of(some.none(), some.builds("{}:{}".format, some.sampled_from("ab"), TAGS))
IMAGES = some.lists(some.tuples(some.integers(0, 5), NAMES, some.booleans(), some.booleans()), max_size=12, unique_by=lambda row: row[:2])
POLICIES = some.builds(
    RetentionPolicy,
    some.booleans(),
    some.one_of(some.none(), some.integers(0, 3)),
    some.sampled_from([None, *(datetime.timedelta(days) for days in (0, 2, 4))]),
)


@given(IMAGES, POLICIES)
def test_images_that_a_policy_keeps_are_kept_by_a_second_run(rows: list[tuple[int, str | None, bool, bool]], policy: RetentionPolicy) -> None:
    """A second run right after the first one lets nothing go, so that a module is idempotent."""
    candidates = [image(number, name, number or None, chosen=chosen, protected=protected) for number, name, chosen, protected in rows]
    gone = policy.select_removable(candidates, NOW)
    kept = [candidate for candidate in candidates if candidate not in gone]
    assert policy.select_removable(kept, NOW) == []
    assert all(candidate.chosen and not candidate.protected for candidate in gone)


@pytest.mark.parametrize("rules", [{"keep": -1}, {"older_than": "a week"}])
def test_a_policy_that_makes_no_sense_is_refused(rules: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidOption):
        RetentionPolicy.parse(**{"dangling": True, "keep": None, "older_than": None, **rules})
