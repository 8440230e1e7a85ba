# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sums of what images take and share."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.plugin_utils.report.answers import Identity, Image
from ansible_collections.longshore.images.plugins.plugin_utils.report.places import Place
from ansible_collections.longshore.images.plugins.plugin_utils.report.sharing import Room
from tests.support.answers import answer, digest, row

Parts = t.Mapping[str, int]


@pytest.mark.parametrize(
    ("images", "sums"),
    [
        ([], (0, 0, 0, 0, 0)),
        ([{"a": 10, "b": 5}], (15, 15, 0, 15, 0)),
        ([{"base": 10, "a": 5}, {"base": 10, "b": 7}], (32, 22, 10, 12, 10)),
        ([{"base": 10, "a": 5}, {"base": 10}, {"base": 10, "c": 1}], (36, 16, 20, 6, 10)),
        ([{"a": 1}, {"b": 2}], (3, 3, 0, 3, 0)),
    ],
    ids=str,
)
def test_what_is_shared_counts_once_on_disk(images: list[Parts], sums: tuple[int, ...]) -> None:
    room = Room.of([Image.read(row(f"{number}", parts=parts)) for number, parts in enumerate(images)])
    assert (room.apart, room.disk, room.saved, room.alone, room.shared) == sums


def test_another_name_takes_no_space() -> None:
    place = Place.read("node1", answer(row("one", text="same"), row("two", text="same")))
    assert (Room.of_place(place).apart, Room.of_place(place).saved) == (100, 0)


SIZES = {word: 3**position for position, word in enumerate("abcdef")}


@given(st.lists(st.sets(st.sampled_from(sorted(SIZES)), min_size=1), max_size=5))
def test_removing_an_image_frees_what_it_alone_needs(chosen: list[set[str]]) -> None:
    images = [Image.read(row(f"{number}", parts={word: SIZES[word] for word in sorted(words)})) for number, words in enumerate(chosen)]
    room = Room.of(images)
    for number, image in enumerate(images):
        left = Room.of(images[:number] + images[number + 1 :])
        assert room.disk - left.disk == room.own[Identity(digest(f"{number}"))] == room.own[image.identity]
    assert room.shared >= 0
    assert room.saved >= 0
