# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_pull with a lock file of image_lock, from a real registry whose tags move."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image
from tests.support.locks import HOST, OTHER, LockScene, first, second
from tests.support.plays import play
from tests.support.recorder import Recorder


def pulled(locking: LockScene, **options: t.Any) -> modules.Results:
    return modules.run("image_pull", {"store": locking.store, **options})


def test_a_pull_with_a_lock_is_independent_of_a_tag_that_moves(locking: LockScene) -> None:
    locking.lock()
    locking.move()
    done = modules.check_do_again("image_pull", {"name": [locking.name()], "lock": locking.content, "store": locking.store})
    assert done["images"][0]["digest"] == str(first().root.digest)
    assert done["images"][0]["name"] == locking.name()
    assert pulled(locking, name=[locking.name()])["images"][0]["digest"] == str(second().root.digest)
    back = modules.check_do_again("image_pull", {"name": [locking.name()], "lock": locking.path.read_text(), "store": locking.store})
    assert back["images"][0]["digest"] == str(first().root.digest)
    assert back["images"][0]["previous_digest"] == str(second().root.digest)


def test_a_pull_with_a_lock_works_after_the_tag_is_deleted(locking: LockScene, tmp_path: Path) -> None:
    locking.lock()
    links = locking.registry.folder / "data/docker/registry/v2/repositories" / locking.repository / "_manifests/tags/1"
    shutil.rmtree(links)
    assert locking.registry.digest(locking.repository, "1") is None
    assert pulled(locking, lock=locking.content)["images"][0]["digest"] == str(first().root.digest)


def test_without_names_all_locked_images_are_pulled_and_stored_ones_cost_no_request(locking: LockScene, recording: Recorder) -> None:
    locking.registry.put(make_image("more", platform=HOST), locking.repository, "2")
    names = [f"{recording.host}/{locking.repository}:{tag}" for tag in ("2", "1")]
    lock = locking.lock(*names)["lock"]
    done = pulled(locking, lock=lock)
    assert [row["name"] for row in done["images"]] == sorted(names)
    recording.requests.clear()
    assert not pulled(locking, lock=lock)["changed"]
    assert recording.lines == []


def test_a_lock_predicted_by_check_mode_can_be_pulled_in_check_mode(locking: LockScene) -> None:
    lock = modules.run("image_lock", locking.options(), check=True)["lock"]
    assert not locking.path.exists()
    assert modules.run("image_pull", {"lock": lock, "store": locking.store}, check=True)["changed"]


def test_a_platform_that_is_not_in_the_lock_is_resolved_by_digest(locking: LockScene) -> None:
    locking.lock(platform=[HOST])
    locking.move()
    results = pulled(locking, lock=locking.content, platform=[OTHER])
    assert results["images"][0]["platforms"] == [OTHER]
    assert results["images"][0]["image_id"] == str(first().graph.images[1].manifest.config.digest)


def test_a_name_that_is_not_locked_fails_and_the_others_are_pulled(locking: LockScene) -> None:
    locking.lock()
    locking.registry.put(second(), locking.repository, "2")
    options = {"name": [locking.name("2"), locking.name()], "lock": locking.content, "store": locking.store}
    results = modules.fail("image_pull", options)
    assert results["error"] == "not_locked"
    assert locking.name("2") in results["msg"]
    assert [row.get("failed", False) for row in results["images"]] == [True, False]
    stored = modules.run("image_info", {"store": locking.store})["images"]
    assert [row["name"] for row in stored] == [locking.name()]


def test_a_name_with_another_digest_than_the_locked_one_fails(locking: LockScene) -> None:
    locking.lock()
    locking.move()
    options = {"name": [f"{locking.name()}@{second().root.digest}"], "lock": locking.content, "store": locking.store}
    assert modules.fail("image_pull", options)["error"] == "not_locked"
    assert not os.path.exists(locking.store)


def test_a_digest_that_the_registry_no_longer_has_is_not_found(locking: LockScene) -> None:
    lock = locking.lock()["lock"]
    lock["images"][locking.name()]["digest"] = str(second().root.digest)
    results = modules.fail("image_pull", {"lock": lock, "store": locking.store})
    assert results["error"] == "not_found"
    assert str(second().root.digest) in results["msg"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"lock": {}}, "unsupported_format"),
        ({"lock": "no JSON"}, "unsupported_format"),
        ({"lock": {"version": 1, "platform": ["all"], "images": {"nginx": {}}}}, "unsupported_format"),
        ({"lock": ["nginx"]}, "invalid_option"),
        ({"lock_file": "images.lock"}, "invalid_option"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_invalid_lock_is_refused_and_nothing_is_written(locking: LockScene, options: dict[str, t.Any], error: str) -> None:
    results = modules.fail("image_pull", {"store": locking.store, "name": [locking.name()], **options})
    assert results["error"] == error
    assert "lock" in results["msg"]
    assert not os.path.exists(locking.store)


def test_names_a_lock_file_or_its_content_are_required_and_the_latter_exclude_each_other(locking: LockScene) -> None:
    for options in ({}, {"lock": {}, "lock_file": "x"}):
        results = modules.attempt("image_pull", {"store": locking.store, **options})
        assert results["failed"]
        assert "lock_file" in results["msg"]


# A lock file on the controller.


def test_a_lock_file_of_the_controller_is_found_beside_the_playbook_and_pulled_in_check_mode_too(locking: LockScene, tmp_path: Path) -> None:
    locking.lock()
    locking.move()
    options = {"lock_file": "images.lock", "store": locking.store}
    predicted = play(tmp_path, "image_pull", options, "--check")
    assert predicted["changed"]
    assert not os.path.exists(locking.store)
    done = play(tmp_path, "image_pull", options)
    assert done == predicted | {"images": done["images"]}
    assert done["images"][0]["digest"] == str(first().root.digest)
    before = modules.snapshot(locking.store)
    again = play(tmp_path, "image_pull", {**options, "lock_file": str(locking.path), "name": locking.name()})
    assert not again["changed"]
    assert modules.snapshot(locking.store) == before


@pytest.mark.core
def test_a_pull_with_a_lock_file_can_run_asynchronously(locking: LockScene, tmp_path: Path) -> None:
    locking.lock()
    done = play(tmp_path, "image_pull", {"lock_file": "images.lock", "store": locking.store}, keywords={"async": 60, "poll": 1})
    assert done["images"][0]["digest"] == str(first().root.digest)
    assert [str(entry.name) for entry in Store(locking.store).index.entries] == [locking.name()]


@pytest.mark.parametrize(
    ("lock_file", "error"),
    [("absent.lock", "io_error"), ("broken.lock", "unsupported_format"), ("/etc/passwd", "unsupported_format"), ("", "invalid_option")],
)
def test_an_unreadable_lock_file_is_named_and_nothing_is_pulled(locking: LockScene, tmp_path: Path, lock_file: str, error: str) -> None:
    (locking.folder / "broken.lock").write_text("{")
    results = play(tmp_path, "image_pull", {"lock_file": lock_file, "store": locking.store})
    assert results["failed"]
    assert results["error"] == error
    assert lock_file in results["msg"]
    assert not os.path.exists(locking.store)
