# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_rm with `remote`, for real registries."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import list_in_index, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port, running_registry
from tests.support.tag_deletion import deleting_single_tags
from tests.support.trust import make_key

IMAGE = make_image("removed", 1)
OTHER = make_image("staying", 1)
DIGEST = str(IMAGE.root.digest)


@pytest.fixture
def base(anonymous: Registry, repository: str) -> str:
    """Create a repository with one image under `1`, and another under `other`."""
    anonymous.put(IMAGE, repository, "1")
    anonymous.put(OTHER, repository, "other")
    return f"{anonymous.host}/{repository}"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return the path of a store, and check that it is never created."""
    return str(tmp_path / "store")


def tags(registry: Registry, repository: str) -> dict[str, str | None]:
    listed = registry.request("GET", f"{repository}/tags/list").json()["tags"] or ()
    return {tag: digest for tag in listed if (digest := registry.digest(repository, tag)) is not None}


def test_an_image_that_nothing_else_needs_is_deleted(base: str, anonymous: Registry, repository: str, store: str) -> None:
    done = modules.check_do_again("image_rm", {"name": [f"{base}:1"], "remote": True, "store": store})
    assert (done["untagged"], done["deleted"], done["bytes_freed"]) == ([f"{base}:1"], [DIGEST], 0)
    assert done["diff"] == {"before": {f"{base}:1": {"digest": DIGEST}}, "after": {}}
    assert done["images"][0]["digest"] == DIGEST
    assert "store" not in done
    assert list(tags(anonymous, repository)) == ["other"]
    anonymous.request("GET", f"{repository}/manifests/{DIGEST}", (404,))
    assert not os.path.exists(store)


def test_signatures_leave_with_their_image(base: str, anonymous: Registry, repository: str, store: str) -> None:
    """This registry has no referrers API, so a tag lists the bundle. The other image is signed too."""
    key = make_key().private_pem().decode()
    modules.run("image_sign", {"name": [f"{base}:1", f"{base}:other"], "privatekey_content": key})
    before = tags(anonymous, repository)
    own = {tag for tag in before if DIGEST.replace(":", "-") in tag}
    assert len(own) == 2
    done = modules.check_do_again("image_rm", {"name": [f"{base}:1"], "remote": True, "store": store})
    assert set(done["untagged"]) == {f"{base}:{tag}" for tag in (*own, "1")}
    assert len(done["deleted"]) == 4
    assert tags(anonymous, repository) == {tag: digest for tag, digest in before.items() if tag not in {*own, "1"}}
    for digest in done["deleted"]:
        anonymous.request("GET", f"{repository}/manifests/{digest}", (404,))


def test_a_missing_image_costs_one_request_and_changes_nothing(recording: Recorder, repository: str, store: str) -> None:
    name = f"{recording.host}/{repository}:absent"
    modules.check_do_again("image_rm", {"name": [name], "remote": True, "store": store}, changes=False)
    assert recording.lines == [f"HEAD /v2/{repository}/manifests/absent"] * 4


def test_a_tag_that_moved_away_from_the_requested_digest_stays(base: str, anonymous: Registry, repository: str, store: str) -> None:
    options = {"name": [f"{base}:other@{DIGEST}"], "remote": True, "store": store}
    modules.check_do_again("image_rm", options, changes=False)
    assert set(tags(anonymous, repository)) == {"1", "other"}


def test_all_tags_of_an_image_can_be_removed_together(base: str, anonymous: Registry, repository: str, store: str) -> None:
    anonymous.tag(IMAGE, repository, "2")
    done = modules.check_do_again("image_rm", {"name": [f"{base}:2", f"{base}:1"], "remote": True, "store": store})
    assert (done["untagged"], done["deleted"]) == ([f"{base}:2", f"{base}:1"], [DIGEST])
    assert list(tags(anonymous, repository)) == ["other"]


def test_force_deletes_other_tags_of_the_digest_too_and_names_them(base: str, anonymous: Registry, repository: str, store: str) -> None:
    for tag in ("2", "latest"):
        anonymous.tag(IMAGE, repository, tag)
    done = modules.check_do_again("image_rm", {"name": [f"{base}:1"], "remote": True, "store": store, "force": True})
    assert done["untagged"] == [f"{base}:1", f"{base}:2", f"{base}:latest"]
    assert done["deleted"] == [DIGEST]
    assert [row["name"] for row in done["images"]] == done["untagged"]
    assert list(tags(anonymous, repository)) == ["other"]


def test_a_registry_that_can_not_delete_a_tag_alone_keeps_all_and_the_others_are_named(base: str, anonymous: Registry, repository: str) -> None:
    anonymous.tag(IMAGE, repository, "2")
    before = tags(anonymous, repository)
    with deleting_single_tags(anonymous, deletes=False).running() as registry:
        base = f"{registry.host}/{repository}"
        predicted = modules.run("image_rm", {"name": [f"{base}:1"], "remote": True}, check=True)
        assert predicted["actions"] == [f"remove {base}:1 ({DIGEST[:19]}) from its registry, and keep the digest for {base}:2"]
        assert predicted["deleted"] == []
        results = modules.fail("image_rm", {"name": [f"{base}:1", f"{base}:other"], "remote": True})
    assert results["error"] == "in_use"
    assert f"{base}:2" in results["msg"]
    assert "force would delete the digest, and with it every tag that has it" in results["msg"]
    assert [row.get("failed", False) for row in results["images"]] == [True, False]
    assert results["untagged"] == [f"{base}:other"]
    del before["other"]
    assert tags(anonymous, repository) == before


def test_a_tag_is_deleted_alone_while_others_need_its_digest(anonymous: Registry, repository: str, store: str) -> None:
    with deleting_single_tags(anonymous).running() as registry:
        anonymous.put(IMAGE, repository, "1")
        anonymous.tag(IMAGE, repository, "2")
        name = f"{registry.host}/{repository}:1"
        done = modules.check_do_again("image_rm", {"name": [name], "remote": True, "store": store})
        assert (done["untagged"], done["deleted"]) == ([name], [])
        assert tags(anonymous, repository) == {"2": DIGEST}
        last = f"{registry.host}/{repository}:2"
        done = modules.check_do_again("image_rm", {"name": [last], "remote": True, "store": store})
        assert (done["untagged"], done["deleted"]) == ([last], [DIGEST])


def test_a_manifest_in_another_tags_index_is_kept(anonymous: Registry, repository: str, store: str) -> None:
    image = make_index("parts")
    part = image.graph.images[0].descriptor
    name = anonymous.put(image, repository, "all")
    anonymous.request("PUT", f"{repository}/manifests/part", data=image.content[part.digest], headers={"Content-Type": part.media_type})
    host = name.rpartition(":")[0]
    for asked in (f"{host}:part", f"{host}@{part.digest}"):
        results = modules.fail("image_rm", {"name": [asked], "remote": True})
        assert results["error"] == "in_use"
        assert name in results["msg"]
    assert set(tags(anonymous, repository)) == {"all", "part"}
    forced = modules.run("image_rm", {"name": [f"{host}:part"], "remote": True, "force": True}, check=True)
    assert forced["deleted"] == [str(part.digest)]
    assert name in str(forced["warnings"])
    done = modules.check_do_again("image_rm", {"name": [f"{host}:part", name], "remote": True, "store": store})
    assert done["deleted"] == [str(part.digest), str(image.root.digest)]
    assert tags(anonymous, repository) == {}


def test_a_manifest_stays_if_its_index_could_not_be_removed(anonymous: Registry, repository: str) -> None:
    image = make_index("parts that stay")
    part = image.graph.images[0].descriptor
    anonymous.put(image, repository, "all")
    anonymous.request("PUT", f"{repository}/manifests/part", data=image.content[part.digest], headers={"Content-Type": part.media_type})
    refused = {f"DELETE /v2/{repository}/manifests/{image.root.digest}": 403}
    with Recorder(anonymous.host, refused=refused).running() as registry:
        base = f"{registry.host}/{repository}"
        results = modules.fail("image_rm", {"name": [f"{base}:part", f"{base}:all"], "remote": True})
    assert [row["error"] for row in results["images"]] == ["in_use", "denied"]
    assert results["deleted"] == []
    assert set(tags(anonymous, repository)) == {"all", "part"}


def test_an_index_stays_if_the_index_that_lists_it_could_not_be_removed(anonymous: Registry, repository: str) -> None:
    inner = make_index("listed by another index")
    outer = list_in_index(inner)
    anonymous.put(inner, repository, "inner")
    anonymous.put(outer, repository, "outer")
    refused = {f"DELETE /v2/{repository}/manifests/{outer.root.digest}": 403}
    with Recorder(anonymous.host, refused=refused).running() as registry:
        base = f"{registry.host}/{repository}"
        results = modules.fail("image_rm", {"name": [f"{base}:inner", f"{base}:outer"], "remote": True})
    assert [row["error"] for row in results["images"]] == ["in_use", "denied"]
    assert set(tags(anonymous, repository)) == {"inner", "outer"}


def test_an_image_without_tags_is_deleted_by_digest_and_one_with_tags_only_by_force(
    base: str, anonymous: Registry, repository: str, store: str
) -> None:
    options = {"name": [f"{base}@{DIGEST}"], "remote": True, "store": store}
    for check in (True, False):
        results = modules.fail("image_rm", options, check)
        assert results["error"] == "in_use"
        assert f"{base}:1" in results["msg"]
    anonymous.put(OTHER, repository, "1")
    done = modules.check_do_again("image_rm", options)
    assert (done["untagged"], done["deleted"]) == ([], [DIGEST])
    forced = {**options, "name": [f"{base}@{OTHER.root.digest}"], "force": True}
    assert modules.check_do_again("image_rm", forced)["untagged"] == [f"{base}:1", f"{base}:other"]


def test_a_registry_where_deletion_is_switched_off_denies_it(tmp_path: Path) -> None:
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "data")}}
    with running_registry(tmp_path, storage=storage) as registry:
        name = registry.put(IMAGE, "team/app", "1")
        assert modules.run("image_rm", {"name": [name], "remote": True}, check=True)["changed"]
        results = modules.fail("image_rm", {"name": [name], "remote": True})
        assert (results["error"], results["status"]) == ("denied", 405)
        assert "UNSUPPORTED" in str(results["registry_errors"])
        assert results["untagged"] == results["deleted"] == []
        assert registry.digest("team/app", "1") == DIGEST


def test_a_repository_whose_tags_can_not_be_listed_loses_nothing(base: str, anonymous: Registry, repository: str) -> None:
    with Recorder(anonymous.host, refused={f"/v2/{repository}/tags/list": 403}).running() as closed:
        results = modules.fail("image_rm", {"name": [f"{closed.host}/{repository}:1"], "remote": True})
    assert results["error"] == "denied"
    assert set(tags(anonymous, repository)) == {"1", "other"}


@pytest.mark.parametrize(
    ("name", "error"),
    [("127.0.0.1:1/team/*", "invalid_reference"), (DIGEST, "invalid_reference"), ("No:1", "invalid_reference"), ("", "invalid_reference")],
)
def test_options_that_do_not_apply_to_a_registry_are_refused_before_anything_is_deleted(
    base: str, anonymous: Registry, name: str, error: str
) -> None:
    with Recorder(anonymous.host).running() as recorder:
        asked = base.replace(anonymous.host, recorder.host)
        assert modules.fail("image_rm", {"name": [f"{asked}:1", name], "remote": True})["error"] == error
        assert recorder.lines == []


def test_a_mirror_is_not_asked_and_loses_nothing(base: str, anonymous: Registry, recording: Recorder, store: str) -> None:
    registry = {"name": anonymous.host, "mirrors": [{"url": f"http://{recording.host}"}]}
    done = modules.check_do_again("image_rm", {"name": [f"{base}:1"], "remote": True, "store": store, "registries": [registry]})
    assert done["deleted"] == [DIGEST]
    assert done["images"][0]["endpoint"] == anonymous.url
    assert recording.lines == []


@pytest.mark.parametrize("wrong", [{}, {"username": USER, "password": "planted-Secret"}], ids=["none", "wrong"])
def test_wrong_or_missing_credentials_are_denied_and_delete_nothing(protected: Registry, repository: str, wrong: dict[str, str]) -> None:
    name = protected.put(IMAGE, repository, "1")
    results = modules.fail("image_rm", {"name": [name], "remote": True, "ca_path": str(protected.ca), **wrong})
    assert (results["error"], results["status"]) == ("denied", 401)
    assert "planted-Secret" not in json.dumps(results)
    assert protected.digest(repository, "1") == DIGEST


def test_right_credentials_allow_deleting_an_image(protected: Registry, repository: str, store: str) -> None:
    name = protected.put(IMAGE, repository, "1")
    options = {"name": [name], "remote": True, "ca_path": str(protected.ca), "username": USER, "password": PASSWORD, "store": store}
    assert modules.check_do_again("image_rm", options)["deleted"] == [DIGEST]


def test_a_failing_image_does_not_stop_the_others(base: str) -> None:
    gone = f"127.0.0.1:{free_port()}/a:1"
    results = modules.fail("image_rm", {"name": [gone, f"{base}:1"], "remote": True, "retries": 1})
    assert results["error"] == "unreachable"
    assert [row.get("failed", False) for row in results["images"]] == [True, False]
    assert results["deleted"] == [DIGEST]


def test_a_killed_removal_can_be_repeated(anonymous: Registry, repository: str, store: str) -> None:
    names = [anonymous.put(make_image(f"many-{number}", 1), repository, str(number)) for number in range(6)]
    with Recorder(anonymous.host).running() as slow:
        asked: dict[str, t.Any] = {"name": [name.replace(anonymous.host, slow.host) for name in names], "remote": True, "concurrency": 1}
        process = modules.start_module("image_rm", asked)
        while process.poll() is None and not any(line.startswith("DELETE") for line in slow.lines):
            pass
        process.kill()
        process.communicate()
    left = modules.run("image_rm", {"name": names, "remote": True, "store": store})
    assert len(left["deleted"]) <= 6
    assert tags(anonymous, repository) == {}
