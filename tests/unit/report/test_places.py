# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stores and engines that a report shows, and which of their images are the same."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.plugin_utils.report.answers import Identity
from ansible_collections.longshore.images.plugins.plugin_utils.report.places import PlaceName, format_places, read_places
from ansible_collections.longshore.images.plugins.plugin_utils.report.sharing import Room
from tests.support.answers import Row, answer, digest, engine_answer, engine_row, row

APP = "docker.io/library/app:1"
CHILD = {"digest": digest("child"), "platform": "linux/amd64"}
INDEX = row(APP, manifests=[CHILD])
APP_ID = digest(f"{APP}-config")


def names(*answers: Row) -> list[str]:
    return [str(place.name) for place in read_places({"web1": answer()}, {"web1": answers})]


@pytest.mark.parametrize(
    ("engines", "expected"),
    [
        ([], ["web1"]),
        ([engine_answer("docker")], ["web1", "web1 docker"]),
        ([engine_answer("containerd", containerd_namespace="k8s.io")], ["web1", "web1 containerd k8s.io"]),
        ([engine_answer("podman"), engine_answer("docker", docker_host="tcp://x")], ["web1", "web1 podman", "web1 docker"]),
        ([engine_answer("docker"), engine_answer("docker", docker_host="tcp://x")], ["web1", "web1 docker", "web1 docker tcp://x"]),
        ([answer()], ["web1", "web1 engine"]),
    ],
    ids=["none", "docker", "containerd", "two engines", "two of a kind", "without a loop"],
)
def test_a_place_is_named_by_its_host_and_as_much_of_its_engine_as_distinguishes_it(engines: list[Row], expected: list[str]) -> None:
    assert names(*engines) == expected


def test_a_store_that_was_skipped_is_left_out_and_one_that_failed_is_not() -> None:
    places = read_places({"web1": {"skipped": True}, "web2": {"failed": True, "msg": "damaged"}}, {"web1": [engine_answer("docker")], "web3": []})
    assert [(str(place.name), place.problem) for place in places] == [("web1 docker", ""), ("web2", "damaged")]


def test_an_engine_that_gave_no_answer_says_why() -> None:
    stopped = {"msg": "docker at /run/docker.sock can't be reached", "error": "engine_error", "failed": False}
    (_store, engine) = read_places({"web1": answer()}, {"web1": [stopped]})
    assert (engine.was_asked, engine.is_engine, engine.problem) == (False, True, "docker at /run/docker.sock can't be reached")


@pytest.mark.parametrize(
    ("described", "identity"),
    [
        (engine_row(APP), Identity(digest(APP))),
        (engine_row(APP, digest=digest("child")), Identity(digest(APP))),
        (engine_row(APP, digest=digest("child"), image_id=None), Identity(digest(APP))),
        (engine_row(APP, text="other"), Identity(digest("other-config"), is_id=True)),
        (engine_row(APP, text="other", digest=digest("other")), Identity(digest("other"))),
    ],
    ids=["the ID of a stored image", "a manifest of a stored index", "only that manifest", "another ID", "another digest"],
)
def test_an_image_that_an_engine_describes_is_the_same_as_one_in_a_store(described: Row, identity: Identity) -> None:
    for engines in ({"a": [engine_answer("docker", described)]}, {"z": [engine_answer("docker", described)]}):
        places = read_places({"a": answer(), "m": answer(INDEX), "z": answer()}, engines)
        assert [image.identity for place in places if place.is_engine for image in place.images] == [identity]


def test_images_of_engines_are_connected_by_one_of_which_digest_and_id_are_known() -> None:
    by_id, by_digest, by_both = engine_row(APP), engine_row(APP, digest=digest(APP), image_id=None), engine_row(APP, digest=digest(APP))
    engines = [engine_answer("docker", one) for one in (by_id, by_digest, by_both)]
    places = read_places({}, {"web1": engines})
    assert {image.identity for place in places for image in place.images} == {Identity(digest(APP))}


def test_images_with_known_content_keep_their_digests_although_they_have_one_id() -> None:
    repacked = row(APP, text="repacked", image_id=APP_ID)
    (place,) = read_places({"web1": answer(INDEX, repacked)}, {})
    assert [image.identity.digest for image in place.images] == [digest(APP), digest("repacked")]


def test_the_size_of_images_that_are_only_described_is_a_limit() -> None:
    exact = row(APP, parts={"base": 10, "app": 5})
    (place,) = read_places({}, {"web1": [engine_answer("docker", engine_row("a", size=700), engine_row("a2", text="a", size=700), exact)]})
    room = Room.of_place(place)
    assert (room.disk, room.unsplit, room.most, room.apart, room.saved) == (15, 700, 715, 15, 0)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([PlaceName("a"), PlaceName("b")], ("a", "b")),
        ([PlaceName("a"), PlaceName("a", "docker"), PlaceName("b", "podman")], ("a (store, docker)", "b (podman)")),
        ([], ()),
    ],
)
def test_places_are_listed_by_host(places: t.Sequence[PlaceName], expected: tuple[str, ...]) -> None:
    assert format_places(places) == expected
