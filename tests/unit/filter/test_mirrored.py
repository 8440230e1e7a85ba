# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where images go that are mirrored, and how the mirror is read from."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.longshore.images.plugins.filter.mirrored import mirrored
from ansible_collections.longshore.images.plugins.filter.reference import reference
from ansible_collections.longshore.images.plugins.filter.with_mirror import with_mirror
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.verbs.push import push_destination

DIGEST = f"sha256:{'a' * 64}"
PREFIX = "registry.example.com:5000/hub/"


def destinations(entry: dict[str, Any], *found: str) -> list[str]:
    return [image["image"]["dest"] for image in mirrored([entry], PREFIX, [found])]


@pytest.mark.parametrize("name", ["nginx", "nginx:1.27", "quay.io/team/app:3", f"quay.io/team/app:3@{DIGEST}", f"team/app@{DIGEST}"])
def test_an_image_goes_where_a_push_below_the_same_prefix_puts_it(name: str) -> None:
    (image,) = mirrored([{"name": name}], PREFIX, [[]])
    assert image["image"] == {"src": str(Reference.parse(name)), "dest": str(push_destination(Reference.parse(name), PREFIX, 1))}
    assert image["below"]


@pytest.mark.parametrize(
    ("entry", "found", "expected"),
    [
        ({"name": "nginx", "tags": ["1", "2"]}, [], ["library/nginx:1", "library/nginx:2"]),
        ({"name": "nginx", "tags": ["1", "2"], "newest": 2}, ["3", "2"], ["library/nginx:1", "library/nginx:2", "library/nginx:3"]),
        ({"name": "nginx", "tag_pattern": "x"}, [], []),
    ],
)
def test_tags_that_are_given_and_tags_that_were_found_go_once_each(entry: dict[str, Any], found: list[str], expected: list[str]) -> None:
    assert destinations(entry, *found) == [f"{PREFIX}{name}" for name in expected]


def test_a_destination_is_a_repository_or_one_whole_name() -> None:
    own = {"name": "nginx", "tags": ["1", "2"], "destination": "localhost:5000/web"}
    assert destinations(own) == ["localhost:5000/web:1", "localhost:5000/web:2"]
    assert destinations({"name": f"nginx@{DIGEST}", "destination": "localhost:5000/web:1"}) == ["localhost:5000/web:1"]
    assert not mirrored([own], PREFIX, [[]])[0]["below"]


@pytest.mark.parametrize("destination", ["localhost", "registry.internal", "registry.internal:5000"])
def test_a_destination_that_looks_like_a_registry_without_a_repository_is_refused(destination: str) -> None:
    with pytest.raises(AnsibleFilterError, match="looks like a registry"):
        destinations({"name": "nginx", "destination": destination})


def test_platforms_and_referrers_stay_with_their_images() -> None:
    (one, two) = mirrored([{"name": "one", "platforms": ["linux/amd64"], "referrers": True}, {"name": "two"}], PREFIX, [[], []])
    assert one["settings"] == {"platforms": ["linux/amd64"], "referrers": True}
    assert two["settings"] == {"platforms": [], "referrers": False}


def test_an_image_that_is_listed_twice_goes_once() -> None:
    assert len(mirrored([{"name": "nginx:1"}, {"name": "docker.io/library/nginx", "tags": ["1"]}], PREFIX, [[], []])) == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"name": "Nginx/Web"}], "not a reference"),
        ([{"name": "nginx", "tags": ["no tag"]}], "'no tag' is not a tag of docker.io/library/nginx"),
        ([{"name": "nginx", "tags": [1.1]}], "nginx: the tag 1.1 is no text"),
        ([{"name": "nginx:1", "tags": ["2"]}], "nginx:1 has a tag or digest already"),
        ([{"name": f"nginx@{DIGEST}", "newest": 1}], "has a tag or digest already"),
        ([{"name": "nginx", "tags": ["1", "2"], "destination": "r.test/web:1"}], "r.test/web:1 is one image, and nginx means 2"),
        ([{"name": "quay.io/a/b:1"}, {"name": "ghcr.io/a/b:1"}], "quay.io/a/b:1 and ghcr.io/a/b:1 would both become"),
        ([{"name": "a/b:1"}, {"name": "a/b:1", "referrers": True}], "docker.io/a/b:1 is listed twice"),
    ],
    ids=str,
)
def test_an_invalid_entry_is_reported_with_its_name(entries: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as raised:
        mirrored(entries, PREFIX, [[] for entry in entries])
    assert message in str(raised.value)


def test_a_mirror_has_the_settings_of_its_own_host_and_takes_the_place_of_others() -> None:
    given: list[dict[str, Any]] = [
        {"name": "docker.io", "username": "hub", "mirrors": [{"url": "https://old"}]},
        {"name": "r.test:5000", "username": "me", "password": "it", "plain_http": True},
    ]
    mirror = {"url": "http://r.test:5000/hub", "username": "me", "password": "it"}
    assert with_mirror(given, "http://r.test:5000/hub", ["docker.io", "quay.io"], True) == [
        {"name": "docker.io", "username": "hub", "mirrors": [mirror], "mirror_only": True},
        given[1],
        {"name": "quay.io", "mirrors": [mirror], "mirror_only": True},
    ]
    assert with_mirror([], "https://r.test", []) == []


def test_a_name_is_split_into_its_parts() -> None:
    assert reference("nginx") == {
        "name": "docker.io/library/nginx:latest",
        "registry": "docker.io",
        "repository": "library/nginx",
        "context": "docker.io/library/nginx",
        "tag": "latest",
        "digest": None,
    }
    assert reference(f"r.test/a@{DIGEST}")["digest"] == DIGEST
    with pytest.raises(AnsibleFilterError, match="not a reference"):
        reference("no name")


def test_one_registry_may_be_named_without_a_list() -> None:
    listed = with_mirror([], "https://mirror.test", ["docker.io"])
    assert with_mirror([], "https://mirror.test", "docker.io") == listed
    assert with_mirror([], "https://mirror.test", (name for name in ["docker.io"])) == listed


@pytest.mark.parametrize(
    ("registries", "url", "names", "message"),
    [
        ([{"nam": "x"}], "https://mirror.test", ["docker.io"], "name"),
        ("docker.io", "https://mirror.test", ["docker.io"], "list"),
        ({"name": "x"}, "https://mirror.test", ["docker.io"], "list"),
        ([], 5000, ["docker.io"], "5000"),
        ([], "https://mirror.test", [5000], "5000"),
        ([], "https://mirror.test", {"docker.io": 1}, "list"),
        ([], "https://mirror.test", None, "list"),
    ],
)
def test_settings_of_another_type_are_refused_with_a_clear_message(registries: Any, url: Any, names: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"with_mirror.*{message}"):
        with_mirror(registries, url, names)


@pytest.mark.parametrize("name", [5000, 1.27, None, True, ["nginx"]])
def test_what_is_no_text_is_no_name_of_an_image(name: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="is no text"):
        reference(name)


@pytest.mark.parametrize(
    "value", [None, True, 7, 1.5, {}, {"a": 1}, [None], [7], [[]], [{}], "\x00", b"nginx", object()], ids=lambda value: repr(value)[:20]
)
@pytest.mark.parametrize("place", ["entries", "prefix", "found", "tags of one", "name", "tags", "destination", "platforms"])
def test_a_value_of_another_type_is_an_error_with_a_sentence(place: str, value: Any) -> None:
    """Only a FilterError has a sentence for the user; any other exception is a traceback in the middle of a play."""
    entry = {"name": "nginx", **({place: value} if place in ("name", "tags", "destination", "platforms") else {})}
    arguments = {"entries": [entry], "prefix": PREFIX, "found": [[]], **({place: value} if place in ("entries", "prefix", "found") else {})}
    if place == "tags of one":
        arguments["found"] = [value]
    with contextlib.suppress(AnsibleFilterError):
        mirrored(**arguments)


@pytest.mark.parametrize(
    ("entries", "found", "message"),
    [
        ("nginx", [[]], "the images must be in a list"),
        ([{}], [[]], "whose name is text"),
        ([{"name": 7}], [[]], "whose name is text"),
        ([{"name": "nginx", "tags": "1.27"}], [[]], "each tag must be in a list"),
        ([{"name": "nginx", "tags": [1.27]}], [[]], "the tag 1.27 is no text"),
        ([{"name": "nginx", "platforms": "linux/amd64"}], [[]], "each platform must be in a list"),
        ([{"name": "nginx"}], [], "1 images and 0 lists"),
    ],
)
def test_the_error_says_which_value_is_wrong(entries: Any, found: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        mirrored(entries, PREFIX, found)
