# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter new_images converts the list of the role build into options of image_append."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.longshore.images.plugins.filter.new_images import new_images
from ansible_collections.longshore.images.plugins.modules import image_append

RUNTIME = {"name": "r.test/runtime:1", "base": "python:3", "platforms": ["linux/amd64", "linux/arm64"], "push": False, "created": None}
APP = {"name": "r.test/app:1", "base": "r.test/runtime:1", "tags": ["latest", 1.5, "1"], "layers": [{"src": "/a"}], "compression": ""}
TOOL = {"name": "tool", "base": "scratch", "config": {"cmd": ["/tool"]}}


def test_an_entry_becomes_the_options_of_image_append() -> None:
    runtime, app, tool = new_images([RUNTIME, APP, TOOL])
    assert runtime["options"] == {
        "name": "r.test/runtime:1", "base": "docker.io/library/python:3", "targets": [], "platform": ["linux/amd64", "linux/arm64"],
    }  # fmt: skip
    assert app["options"] == {
        "name": "r.test/app:1", "base": "r.test/runtime:1", "targets": ["r.test/app:latest", "r.test/app:1.5"], "layers": [{"src": "/a"}],
    }  # fmt: skip
    assert tool["options"] == {"name": "docker.io/library/tool:latest", "base": "scratch", "targets": [], "config": {"cmd": ["/tool"]}}
    assert {key for image in (runtime, app, tool) for key in image["options"]} <= set(image_append.IMAGE)


def test_only_bases_that_the_list_does_not_make_are_pulled() -> None:
    on_tag = {"name": "r.test/other:1", "base": "r.test/app:latest"}
    assert [image["pulled"] for image in new_images([RUNTIME, APP, TOOL, on_tag])] == [True, False, False, False]
    assert [image["pushed"] for image in new_images([RUNTIME, APP])] == [False, True]


@pytest.mark.parametrize("base", ["python:3", f"python:3@sha256:{'0' * 64}"])
def test_images_on_a_pending_base_wait_with_all_that_are_based_on_them(base: str) -> None:
    images = [{**RUNTIME, "base": base}, {**APP, "base": "runtime:1"}, {**APP, "name": "r.test/b:1"}, {"name": "c", "base": "r.test/b:latest"}, TOOL]
    waits = [image["waits"] for image in new_images(images, ["docker.io/library/python:3"])]
    assert waits == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("app", "the images must be in a list"),
        ([{"name": "a"}], "each image has to be a dictionary whose name and base are text"),
        ([{"name": "a", "base": 3.1}], "each image has to be a dictionary whose name and base are text"),
        ([{"name": "A", "base": "scratch"}], "an image: "),
        ([{"name": "a", "base": "B"}], "the base of docker.io/library/a:latest: "),
        ([{"name": "a", "base": "b", "tags": ["x y"]}], "a tag of docker.io/library/a:latest: "),
        ([{"name": "a", "base": "b", "tags": "latest"}], "the tags of docker.io/library/a:latest must be in a list"),
    ],
    ids=str,
)
def test_invalid_entries_are_named(entries: t.Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        new_images(entries)
