# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_lock with a real registry whose tags move."""

from __future__ import annotations

import json
import os
import pwd
import stat
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.support import modules
from tests.support.images import make_image
from tests.support.locks import HOST, OTHER, LockScene, first, second
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port
from tests.support.rootfs import dpkg_layer

# The states: each prepares registry and lock file, and returns the options.


def nothing_locked(locking: LockScene) -> dict[str, t.Any]:
    return {}


def locked(locking: LockScene) -> dict[str, t.Any]:
    locking.lock()
    return {}


def moved_tag(locking: LockScene) -> dict[str, t.Any]:
    locking.lock()
    locking.move()
    return {}


def moved_tag_to_take(locking: LockScene) -> dict[str, t.Any]:
    moved_tag(locking)
    return {"update": True}


def unmoved_tag_to_take(locking: LockScene) -> dict[str, t.Any]:
    locking.lock()
    return {"update": True}


def another_name(locking: LockScene) -> dict[str, t.Any]:
    moved_tag(locking)
    locking.registry.put(make_image("more", platform=HOST), locking.repository, "2")
    return {"name": [locking.name("2"), locking.name()]}


def a_name_less(locking: LockScene) -> dict[str, t.Any]:
    another_name(locking)
    locking.lock(locking.name("2"), locking.name())
    return {}


def another_platform(locking: LockScene) -> dict[str, t.Any]:
    moved_tag(locking)
    return {"platform": [HOST, OTHER]}


def all_platforms(locking: LockScene) -> dict[str, t.Any]:
    locking.lock()
    return {"platform": ["all"]}


def another_platform_of_plain_manifests(locking: LockScene) -> dict[str, t.Any]:
    locking.registry.put(make_image("plain", platform=HOST), locking.repository, "plain")
    locking.lock(locking.name("plain"))
    return {"name": [locking.name("plain")], "platform": ["all"]}


def by_digest(locking: LockScene) -> dict[str, t.Any]:
    return {"name": [f"{locking.registry.host}/{locking.repository}@{first().root.digest}"]}


def another_digest_than_the_locked_one(locking: LockScene) -> dict[str, t.Any]:
    moved_tag(locking)
    return {"name": [f"{locking.name()}@{second().root.digest}"]}


def another_mode(locking: LockScene) -> dict[str, t.Any]:
    locking.lock(mode="0600")
    return {"mode": "0640"}


def first_with_a_mode(locking: LockScene) -> dict[str, t.Any]:
    return {"mode": "0640"}


STATES = [
    nothing_locked,
    locked,
    moved_tag,
    moved_tag_to_take,
    unmoved_tag_to_take,
    another_name,
    a_name_less,
    another_platform,
    all_platforms,
    another_platform_of_plain_manifests,
    by_digest,
    another_digest_than_the_locked_one,
    another_mode,
    first_with_a_mode,
]
UNCHANGED = (locked, moved_tag, unmoved_tag_to_take)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_check_mode_predicts_the_run_that_follows_and_a_second_run_changes_nothing(
    locking: LockScene, state: t.Callable[[LockScene], dict[str, t.Any]]
) -> None:
    options = {**locking.options(), **state(locking)}
    done = modules.check_do_again("image_lock", options, changes=state not in UNCHANGED, place=locking.folder)
    assert "store" not in done
    assert {name: entry["digest"] for name, entry in locking.content["images"].items()} == {row["name"]: row["digest"] for row in done["images"]}
    assert os.listdir(locking.folder) == ["images.lock"]
    if "mode" in options:
        assert f"{stat.S_IMODE(locking.path.stat().st_mode):04o}" == options["mode"]


# The lock file.


def test_the_file_has_the_digest_of_each_name_and_the_time_when_it_was_resolved(locking: LockScene) -> None:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    results = locking.lock(platform=[OTHER])
    root, node = first().root, first().graph.images[1]
    entry = locking.content["images"][locking.name()]
    size = node.descriptor.size + sum(blob.size for blob in node.manifest.blobs)
    assert began <= entry.pop("resolved_at") <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert entry == {
        "digest": str(root.digest),
        "media_type": root.media_type,
        "size": root.size + size,
        "platforms": {OTHER: {"digest": str(node.descriptor.digest), "size": size, "image_id": str(node.manifest.config.digest)}},
    }
    assert locking.content["platform"] == [OTHER]
    assert results["images"][0]["image_id"] == str(node.manifest.config.digest)
    assert results["images"][0]["size"] == root.size + size
    assert results["lock"] == {**locking.content, "images": {locking.name(): entry}}
    assert yaml.safe_load(locking.path.read_text()) == locking.content


def test_an_unchanged_name_keeps_its_time_when_others_change(locking: LockScene) -> None:
    another_name(locking)
    content = locking.content
    content["images"][locking.name()]["resolved_at"] = "2026-01-31T12:00:00Z"
    locking.path.write_text(json.dumps(content))
    locking.lock(locking.name(), locking.name("2"), platform=[HOST, OTHER])
    assert locking.content["images"][locking.name()]["resolved_at"] == "2026-01-31T12:00:00Z"
    locking.lock(locking.name(), update=True)
    assert locking.content["images"][locking.name()]["resolved_at"] > "2026-01-31T12:00:00Z"


def test_other_spacing_is_no_difference(locking: LockScene) -> None:
    locking.lock()
    locking.path.write_text(json.dumps(locking.content, indent=None))
    before = modules.snapshot(locking.folder)
    assert not locking.lock()["changed"]
    assert modules.snapshot(locking.folder) == before


def test_a_moved_tag_is_reported_and_locked_only_on_request(locking: LockScene) -> None:
    moved_tag(locking)
    drift = {"name": locking.name(), "locked_digest": str(first().root.digest), "current_digest": str(second().root.digest)}
    kept = locking.lock()
    assert kept["drift"] == [drift]
    assert kept["images"][0]["digest"] == str(first().root.digest)
    old, new = str(first().root.digest)[:19], str(second().root.digest)[:19]
    assert f"{locking.name()} stays locked to {old}, but points at {new} now; " in json.dumps(kept["warnings"])
    taken = locking.lock(update=True)
    assert (taken["drift"], taken.get("warnings")) == ([], None)
    assert taken["images"][0]["digest"] == str(second().root.digest)
    assert taken["images"][0]["previous_digest"] == str(first().root.digest)
    assert taken["diff"]["before"][locking.name()]["digest"] == str(first().root.digest)
    assert taken["diff"]["after"][locking.name()]["digest"] == str(second().root.digest)


def test_the_packages_of_a_moved_tag_are_shown_on_request(locking: LockScene) -> None:
    before = dpkg_layer(nginx="1.27.2", openssl="3.0.15")
    images = [make_image("app", 1, HOST, shared=[before]), make_image("app", 1, HOST, shared=[before, dpkg_layer(nginx="1.27.3", openssl="3.0.16")])]
    locking.registry.put(images[0], locking.repository, "1")
    assert locking.lock(show_changes=True)["drift"] == []
    locking.registry.put(images[1], locking.repository, "1")
    summary = "nginx 1.27.2 -> 1.27.3, openssl 3.0.15 -> 3.0.16"

    predicted = modules.run("image_lock", locking.options(show_changes=True), check=True)
    kept = locking.lock(show_changes=True)
    assert predicted["drift"] == kept["drift"]
    (drift,) = kept["drift"]
    assert drift["changes"] == summary
    assert [(row["platform"], row["name"], row["before"], row["after"]) for row in drift["packages"]] == [
        (HOST, "nginx", "1.27.2", "1.27.3"),
        (HOST, "openssl", "3.0.15", "3.0.16"),
    ]
    assert f"now ({summary}); set update" in json.dumps(kept["warnings"])

    taken = locking.lock(update=True, show_changes=True)
    assert taken["diff"]["prepared"] == f"{locking.name()}: {summary}\n"
    again = locking.lock(update=True, show_changes=True)
    assert (again["changed"], again["drift"], again["diff"].get("prepared")) == (False, [], None)


def test_images_that_can_not_be_compared_are_locked_with_a_warning(locking: LockScene) -> None:
    locking.lock()
    locking.registry.request("DELETE", f"{locking.repository}/manifests/{first().root.digest}")
    locking.move()
    kept = locking.lock(show_changes=True)
    assert (kept["drift"][0]["changes"], kept["drift"][0]["packages"]) == (None, None)
    assert f"the packages of {locking.name()} can't be compared" in json.dumps(kept["warnings"])
    assert locking.lock(update=True, show_changes=True)["images"][0]["digest"] == str(second().root.digest)


def test_a_deleted_tag_stays_locked_and_cannot_be_updated(locking: LockScene) -> None:
    locking.lock()
    locking.registry.request("DELETE", f"{locking.repository}/manifests/{first().root.digest}")
    results = locking.lock()
    assert not results["changed"]
    assert results["drift"] == [{"name": locking.name(), "locked_digest": str(first().root.digest), "current_digest": None}]
    assert "no longer exists" in json.dumps(results["warnings"])
    failed = locking.fail(update=True)
    assert failed["error"] == "not_found"
    assert locking.name() in failed["msg"]


def test_a_name_that_is_no_longer_listed_is_removed_from_the_file_and_reported(locking: LockScene) -> None:
    options = a_name_less(locking)
    results = locking.lock(**options)
    assert list(locking.content["images"]) == [locking.name()]
    assert results["actions"] == [f"unlock {locking.name('2')}: it is no longer requested"]
    assert set(results["diff"]["before"]) - set(results["diff"]["after"]) == {locking.name("2")}
    assert not results["images"][0]["changed"]


# Requests.


def test_a_locked_tag_costs_one_head_and_a_digest_nothing(locking: LockScene, recording: Recorder) -> None:
    name = f"{recording.host}/{locking.repository}:1"
    pinned = f"{recording.host}/{locking.repository}:pinned@{first().root.digest}"
    locking.lock(name, pinned)
    assert not [line for line in recording.lines if "/blobs/" in line], "layers were fetched"
    recording.requests.clear()
    locking.lock(name, pinned, update=True)
    assert recording.lines == [f"HEAD /v2/{locking.repository}/manifests/1"]


# Errors.


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "unsupported_format"),
        ("images:\n  - nginx\n", "unsupported_format"),
        ('{"lockfileVersion": 3}', "unsupported_format"),
        ("<<<<<<< HEAD\n", "unsupported_format"),
        ('{"version": 2, "images": {}}', "unsupported_format"),
        ('{"version": 1, "platform": ["all"], "images": {}, "mine": 1}', "unsupported_format"),
    ],
)
def test_a_file_that_is_no_lock_file_is_refused_and_left_alone(locking: LockScene, recording: Recorder, content: str, error: str) -> None:
    locking.path.write_text(content)
    for update in (False, True):
        results = locking.fail(f"{recording.host}/{locking.repository}:1", update=update)
        assert results["error"] == error
        assert str(locking.path) in results["msg"]
    assert recording.lines == []


def test_a_folder_at_the_path_and_a_missing_parent_folder_are_refused(locking: LockScene) -> None:
    locking.path.mkdir()
    assert locking.fail()["error"] == "io_error"
    results = locking.fail(path=str(locking.folder / "absent" / "images.lock"))
    assert results["error"] == "io_error"
    assert "absent doesn't exist" in results["msg"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": ["UPPER/Case"]}, "invalid_reference"),
        ({"name": ["sha256:" + "0" * 64]}, "invalid_reference"),
        ({"name": ["a.test/x:1", "a.test/x:1@sha256:" + "0" * 64]}, "invalid_option"),
        ({"platform": ["amd64"]}, "invalid_option"),
        ({"mode": "rwx"}, "invalid_option"),
        ({"owner": "nobody-of-this-name"}, "invalid_option"),
        ({"retries": -1}, "invalid_option"),
        ({"platform": ["linux/s390x"]}, "platform_missing"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_input_has_a_stable_cause_and_writes_nothing(locking: LockScene, options: dict[str, t.Any], error: str) -> None:
    assert locking.fail(**options)["error"] == error


def test_a_plain_manifest_of_another_platform_is_a_warning_or_an_error_when_a_platform_was_given(locking: LockScene) -> None:
    locking.registry.put(make_image("foreign", platform=OTHER), locking.repository, "foreign")
    for _run in range(2):
        assert OTHER in json.dumps(locking.lock(locking.name("foreign"))["warnings"])
    assert locking.fail(locking.name("foreign"), platform=[HOST])["error"] == "platform_missing"


def test_an_image_that_cannot_be_resolved_leaves_the_file_unchanged_and_all_failures_are_listed(locking: LockScene) -> None:
    moved_tag(locking)
    results = locking.fail(locking.name(), locking.name("absent"), update=True)
    assert results["error"] == "not_found"
    assert [row.get("failed", False) for row in results["images"]] == [False, True]
    assert results["images"][0]["digest"] == str(first().root.digest)
    assert results["diff"]["before"] == results["diff"]["after"]


def test_a_registry_that_does_not_answer_is_unreachable(locking: LockScene) -> None:
    assert locking.fail(f"127.0.0.1:{free_port()}/a:1", retries=1)["error"] == "unreachable"


def test_credentials_are_used_and_wrong_ones_are_denied_and_never_shown(protected: Registry, repository: str, tmp_path: Path) -> None:
    name = protected.put(make_image("secured", platform=HOST), repository, "1")
    options = {"name": [name], "path": str(tmp_path / "images.lock"), "ca_path": str(protected.ca), "username": USER}
    results = modules.fail("image_lock", {**options, "password": "planted-Secret"})
    assert results["error"] == "denied"
    assert "planted-Secret" not in json.dumps(results)
    assert os.listdir(tmp_path) == []
    assert modules.run("image_lock", {**options, "password": PASSWORD})["changed"]
    assert PASSWORD not in (tmp_path / "images.lock").read_text()


def test_a_killed_run_leaves_the_old_file_and_the_next_one_deletes_leftovers(locking: LockScene, recording: Recorder) -> None:
    locking.lock()
    before = locking.path.read_bytes()
    (locking.folder / ".images.lock.longshore-0123456789abcdef").write_text("left by a dead run")
    process = modules.start_module("image_lock", locking.options(f"{recording.host}/{locking.repository}:1"))
    while process.poll() is None and not recording.requests:
        pass
    process.kill()
    process.communicate()
    assert locking.path.read_bytes() == before
    locking.lock(f"{recording.host}/{locking.repository}:1")
    assert os.listdir(locking.folder) == ["images.lock"]


def test_a_link_stays_a_link_and_its_target_is_written(locking: LockScene, tmp_path: Path) -> None:
    locking.path.symlink_to(tmp_path / "elsewhere.lock")
    locking.lock()
    assert locking.path.is_symlink()
    assert not locking.lock()["changed"]
    assert (tmp_path / "elsewhere.lock").is_file()


def test_a_new_file_has_the_requested_owner(locking: LockScene) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    modules.check_do_again("image_lock", locking.options(owner=user), place=locking.folder)
    assert locking.path.owner() == user
