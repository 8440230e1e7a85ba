# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_info and image_history_info with `remote`, for real registries."""

from __future__ import annotations

import json
import os
import typing as t

import pytest

from tests.support import modules
from tests.support.images import Image, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
DIGEST = "sha256:" + "0" * 64


def index() -> Image:
    return make_index("asked", (OTHER, HOST))


@pytest.fixture
def name(anonymous: Registry, recording: Recorder, repository: str) -> str:
    """Push an index, and return a name whose requests are recorded."""
    anonymous.put(index(), repository, "1")
    return f"{recording.host}/{repository}:1"


def info(name: str | list[str], **options: t.Any) -> list[dict[str, t.Any]]:
    rows: list[dict[str, t.Any]] = modules.run("image_info", {"name": name, "remote": True, **options})["images"]
    return rows


def test_the_result_from_a_registry_equals_that_of_the_store_after_a_pull(name: str, store: str) -> None:
    modules.run("image_pull", {"name": name, "store": store, "platform": "all"})
    (stored,) = modules.run("image_info", {"name": name, "store": store})["images"]
    (asked,) = info(name)
    assert asked.pop("endpoint") == f"http://{name.partition('/')[0]}"
    assert asked.pop("size") < stored.pop("size")
    of_one_platform, of_all = asked.pop("content"), stored.pop("content")
    assert 0 < len(of_one_platform) < len(of_all)
    assert all(entry in of_all for entry in of_one_platform)
    assert asked == stored


def test_three_requests_are_sent_for_an_index_and_none_for_a_layer(name: str, recording: Recorder, repository: str) -> None:
    mine = index().graph.images[1]
    info([name, name], referrers=False)
    assert recording.lines == [
        f"GET /v2/{repository}/manifests/1",
        f"GET /v2/{repository}/manifests/{mine.descriptor.digest}",
        f"GET /v2/{repository}/blobs/{mine.manifest.config.digest}",
    ]


def test_two_requests_are_sent_for_an_image_of_one_platform(anonymous: Registry, recording: Recorder, repository: str) -> None:
    image = make_image("plain", platform=OTHER)
    anonymous.put(image, repository, "1")
    (row,) = info(f"{recording.host}/{repository}:1", referrers=False)
    assert (row["platforms"], row["image_id"]) == ([OTHER], str(image.graph.images[0].manifest.config.digest))
    assert len(recording.lines) == 2


def test_referrers_are_listed_with_few_requests(anonymous: Registry, recording: Recorder, repository: str) -> None:
    image = make_image("signed", platform=OTHER)
    anonymous.put(image, repository, "1")
    tag = f"sha256-{image.root.digest.hex}"
    anonymous.put(make_image("signature"), repository, f"{tag}.sig")
    (row,) = info(f"{recording.host}/{repository}:1")
    assert [(referrer["tag"], referrer["subject"]) for referrer in row["referrers"]] == [(f"{tag}.sig", str(image.root.digest))]
    # The registry has no referrers API: its list would be a tag.
    assert [line.rpartition("/")[2] for line in recording.lines[2:5]] == [str(image.root.digest), tag, f"{tag}.sig"]
    assert len(recording.lines) <= 14


def test_nothing_is_stored_and_both_runs_and_check_mode_return_the_same(name: str, store: str) -> None:
    options = {"name": name, "remote": True, "store": store}
    results = modules.run("image_info", options)
    assert not results["changed"]
    assert "store" not in results
    assert results["rate_limit"] is None
    assert modules.run("image_info", options) == results == modules.run("image_info", options, check=True)
    assert not os.path.exists(store)


@pytest.mark.parametrize("platform", [HOST, OTHER])
def test_the_platform_decides_which_image_is_shown(name: str, platform: str) -> None:
    node = next(node for node in index().graph.images if str(node.platform) == platform)
    (row,) = info(name, platform=platform)
    assert row["image_id"] == str(node.manifest.config.digest)
    assert f"{row['os']}/{row['architecture']}" == platform
    assert row["labels"] == {"text": f"asked-{platform.replace('/', '-')}"}
    assert [layer["digest"] for layer in row["layers"]] == [str(layer.digest) for layer in node.manifest.layers]
    assert row["platforms"] == [OTHER, HOST]
    history = modules.run("image_history_info", {"name": name, "remote": True, "platform": platform})["history"]
    assert [step["digest"] for step in history] == [str(layer.digest) for layer in reversed(node.manifest.layers)]


def test_an_image_without_the_platform_asked_for_is_absent_and_has_no_history(name: str) -> None:
    assert not info(name, platform="linux/s390x")[0]["present"]
    assert info(name, platform=["linux/s390x", HOST])[0]["architecture"] == HOST.partition("/")[2]
    results = modules.fail("image_history_info", {"name": name, "remote": True, "platform": "linux/s390x"})
    assert results["error"] == "platform_missing"
    assert HOST in results["msg"]


def test_an_index_without_the_hosts_platform_shows_its_first(anonymous: Registry, repository: str) -> None:
    foreign = anonymous.put(make_index("foreign", ("linux/s390x", "linux/ppc64le")), repository, "1")
    (row,) = info(foreign)
    assert (row["architecture"], row["platforms"]) == ("s390x", ["linux/s390x", "linux/ppc64le"])


def test_all_platforms_are_read_when_all_are_asked_for(name: str) -> None:
    (row,) = info(name, platform="all")
    assert row["size"] == index().graph.size
    assert row["architecture"] == HOST.partition("/")[2]


def test_an_image_is_asked_for_by_digest_too(name: str) -> None:
    repository, digest = name.rpartition(":")[0], str(index().root.digest)
    rows = info([f"{repository}@{digest}", f"{name}@{digest}", name])
    assert [row["digest"] for row in rows] == [digest] * 3
    assert [row["name"] for row in rows] == [f"{repository}@{digest}", name, name]
    assert [row["repo_tags"] for row in rows] == [[], [name], [name]]


def test_absent_images_are_rows_and_not_a_failure(name: str, anonymous: Registry) -> None:
    rows = info([f"{name}x", name, f"{anonymous.host}/nobody/has:1", f"{name}@{DIGEST}"])
    assert [row["present"] for row in rows] == [False, True, False, False]
    assert rows[0]["name"] == f"{name}x"
    assert rows[3]["digest"] == DIGEST
    results = modules.fail("image_history_info", {"name": f"{name}x", "remote": True})
    assert results["error"] == "not_found"
    assert "registry" in results["msg"]


@pytest.mark.parametrize(
    ("filters", "present"),
    [
        ({"label": ["text"]}, True),
        ({"label": ["text=other"]}, False),
        ({"reference": ["127.0.0.1:*/*/*:1"]}, True),
        ({"reference": ["127.0.0.1:*/*/*:2"]}, False),
    ],
    ids=str,
)
def test_filters_by_name_and_label_work_at_a_registry(name: str, filters: dict[str, t.Any], present: bool) -> None:
    assert info(name, filters=filters)[0]["present"] == present


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": None}, "invalid_option"),
        ({"name": []}, "invalid_option"),
        ({"archive": "/srv/images.tar"}, "invalid_option"),
        ({"filters": {"dangling": False}}, "invalid_option"),
        ({"filters": {"before": "a:1"}}, "invalid_option"),
        ({"filters": {"since": "a:1"}}, "invalid_option"),
        ({"name": ["127.0.0.1:1/a/*"]}, "invalid_reference"),
        ({"name": [DIGEST]}, "invalid_reference"),
        ({"name": ["No:1"]}, "invalid_reference"),
        ({"name": ["a.test/x:1", "b.test/y:1"], "username": "u", "password": "secret-word"}, "invalid_option"),
        ({"ca_path": "/nowhere/ca.pem"}, "invalid_option"),
        ({"platform": ["amd64"]}, "invalid_option"),
    ],
    ids=str,
)
def test_options_that_do_not_apply_to_a_registry_are_refused(name: str, recording: Recorder, options: dict[str, t.Any], error: str) -> None:
    assert modules.fail("image_info", {"name": [name], "remote": True, **options})["error"] == error
    assert recording.lines == []


def test_a_failing_image_does_not_hide_the_others(name: str) -> None:
    gone = f"127.0.0.1:{free_port()}/a:1"
    results = modules.fail("image_info", {"name": [gone, name], "remote": True, "retries": 1})
    assert results["error"] == "unreachable"
    assert results["images"][0] == {"name": gone, "changed": False, "failed": True, "msg": results["msg"], "error": "unreachable"}
    assert results["images"][1]["present"]


@pytest.mark.parametrize("module", ["image_info", "image_history_info"])
@pytest.mark.parametrize("wrong", [{}, {"username": USER, "password": "planted-Secret"}], ids=["none", "wrong"])
def test_wrong_or_missing_credentials_are_denied(protected: Registry, repository: str, module: str, wrong: dict[str, str]) -> None:
    name = protected.put(make_image("secured", platform=HOST), repository, "1")
    results = modules.fail(module, {"name": name, "remote": True, "ca_path": str(protected.ca), **wrong})
    assert (results["error"], results["status"]) == ("denied", 401)
    assert "planted-Secret" not in json.dumps(results)


def test_right_credentials_allow_reading_an_image(protected: Registry, repository: str) -> None:
    name = protected.put(make_image("secured", platform=HOST), repository, "1")
    options = {"ca_path": str(protected.ca), "username": USER, "password": PASSWORD}
    assert info(name, **options)[0]["present"]
    assert len(modules.run("image_history_info", {"name": name, "remote": True, **options})["history"]) == 2


def test_an_index_with_a_child_missing_at_the_registry_shows_the_rest(anonymous: Registry, repository: str) -> None:
    image = index()
    name = anonymous.put(image, repository, "1")
    lost = image.graph.images[1].descriptor.digest
    anonymous.request("DELETE", f"{repository}/manifests/{lost}")
    (row,) = info(name)
    assert row["present"]
    assert row["layers"] == []
    assert [(child["digest"], child["present"]) for child in row["manifests"]] == [
        (str(image.graph.images[0].descriptor.digest), True),
        (str(lost), False),
    ]
    assert row["platforms"] == [OTHER]
