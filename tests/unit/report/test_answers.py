# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report takes of the hosts' answers."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.plugin_utils.report.answers import Image
from ansible_collections.longshore.images.plugins.plugin_utils.report.places import Place
from tests.support.answers import answer, row

APP = "docker.io/library/app:1"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"unreachable": True, "msg": "No route to host"}, "No route to host"),
        ({"failed": True, "msg": "/srv/images is damaged"}, "/srv/images is damaged"),
        ({"failed": True, "images": [], "msg": "one of them failed"}, "one of them failed"),
        ({"failed": True, "msg": "No JSON", "module_stderr": "a\npython: Permission denied\n"}, "No JSON (python: Permission denied)"),
        ({"failed": True, "msg": "No JSON", "module_stderr": " \n"}, "No JSON"),
        ({}, "It wasn't asked: an earlier task failed on it."),
        ({"msg": "up\x1b[2Jset \u202eback\n"}, "up [2Jset  back"),
    ],
    ids=str,
)
def test_a_host_without_an_answer_says_why(answer: dict[str, t.Any], problem: str) -> None:
    place = Place.read("node1", answer)
    assert (place.was_asked, place.problem, place.images) == (False, problem, ())


def test_an_empty_store_is_an_answer() -> None:
    place = Place.read("node1", answer())
    assert (place.was_asked, place.store, place.images) == (True, "/srv/images", ())


def test_an_image_of_two_names_is_one_image() -> None:
    place = Place.read("node1", answer(row(APP), row("quay.io/team/app:1", text=APP), row(None, text="old")))
    assert list(place.by_name) == [APP, "quay.io/team/app:1"]
    assert len(place.by_identity) == 2


@pytest.mark.parametrize(
    ("created", "day"),
    [
        ("2026-01-31T12:00:00Z", datetime.date(2026, 1, 31)),
        ("2026-01-31T23:30:00.123456789-02:00", datetime.date(2026, 2, 1)),
        ("1970-01-01T00:00:00Z", None),
        ("1980-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("<script>", None),
        ("", None),
        (None, None),
    ],
)
def test_the_creation_day_is_in_utc_and_none_for_reproducible_builds(created: str | None, day: datetime.date | None) -> None:
    assert Image.read(row(APP, created=created)).created == day


def test_an_image_without_a_whole_platform_is_not_whole() -> None:
    assert Image.read(row(APP)).is_complete
    assert not Image.read(row(APP, image_id=None, platforms=[])).is_complete
