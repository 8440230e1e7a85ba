# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_verify of a store, with repairs from a real registry."""

from __future__ import annotations

import os
import signal
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.faults import leftovers, wrong_blobs
from tests.support.images import Image, make_image, make_index
from tests.support.measure import peak_memory
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port

NAME = "docker.io/library/app:1"
IMAGE = make_index("verified", layers=1)
PARTS = dict(zip(["layer", "config", "manifest", "index"], [IMAGE.layers[0], IMAGE.blobs[0], IMAGE.graph.images[0].descriptor, IMAGE.root]))


def rot(path: Path) -> None:
    """Change bytes but not size, time and inode, as a failing disk does."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes(status.st_size))
    path.chmod(0o444)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"x")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    (path / "with").mkdir(parents=True)
    (path / "with" / "content").write_text("x")


def replace_by_link(path: Path) -> None:
    aside = path.rename(path.parents[2] / "aside")
    path.symlink_to(aside)


DAMAGE: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "gone": (Path.unlink, "missing"),
    "cut off": (cut, "truncated"),
    "longer": (lengthen, "altered"),
    "rotten": (rot, "altered"),
    "a folder": (replace_by_folder, "irregular"),
    "a link": (replace_by_link, "irregular"),
}
damages = pytest.mark.parametrize(("damage", "word"), DAMAGE.values(), ids=DAMAGE)
parts = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


def blob(store: str, descriptor: Descriptor) -> Path:
    return Path(Store(store).blob_path(descriptor.digest))


def pulled(registry: Registry, repository: str, store: str, image: Image = IMAGE, tag: str = "1") -> str:
    """Push an image, pull it with all of its platforms, and return it."""
    name = registry.put(image, repository, tag)
    modules.run("image_pull", {"store": store, "name": [name], "platform": ["all"]})
    return name


# Finding damage.


@damages
@parts
def test_damage_is_named_and_the_task_fails(store: str, part: Descriptor, damage: t.Callable[[Path], object], word: str) -> None:
    IMAGE.put(Store(store), NAME, "quay.io/team/app:2", platforms=["all"])
    make_image("sound").put(Store(store), "docker.io/library/sound:1")
    damage(blob(store, part))
    before = modules.snapshot(store)

    results = modules.fail("image_verify", {"store": store}, check=True)

    assert modules.snapshot(store) == before
    assert modules.fail("image_verify", {"store": store}) == results
    assert modules.fail("image_verify", {"store": store}) == results
    assert results["error"] == "store_damaged"
    assert str(part.digest) in results["msg"]
    assert not results["changed"]
    assert results["problems"] == [
        {
            "digest": str(part.digest),
            "path": str(blob(store, part)),
            "problem": word,
            "images": [NAME, "quay.io/team/app:2"],
            "repaired": False,
        }
    ]
    assert [row.get("failed", False) for row in results["images"]] == [True, True, False]
    assert modules.run("image_verify", {"store": store, "name": ["sound:1"]})["problems"] == []


def test_a_sound_store_passes_and_nothing_is_written(store: str) -> None:
    IMAGE.sparse("linux/amd64").put(Store(store), NAME, platforms=["linux/amd64"])
    make_image("plain").put(Store(store), "docker.io/library/plain:1")
    done = modules.check_do_again("image_verify", {"store": store}, changes=False)
    assert [row["name"] for row in done["images"]] == [NAME, "docker.io/library/plain:1"]
    assert done["problems"] == []
    assert (done["bytes_transferred"], done["blobs_transferred"]) == (0, 0)
    modules.check_do_again("image_verify", {"store": store, "repair": True}, changes=False)


def test_silent_damage_that_verify_found_is_repaired_by_the_next_pull(anonymous: Registry, repository: str, store: str) -> None:
    name = pulled(anonymous, repository, store)
    rot(blob(store, IMAGE.layers[0]))
    options = {"store": store, "name": [name], "platform": ["all"]}
    assert not modules.run("image_pull", options)["changed"]
    assert modules.fail("image_verify", {"store": store})["problems"][0]["problem"] == "altered"
    assert modules.run("image_pull", options)["blobs_transferred"] == 1
    assert modules.run("image_verify", {"store": store})["problems"] == []


def test_one_damaged_blob_of_many_images_is_one_problem(store: str) -> None:
    base = make_image("base", 1)
    layer = base.content[base.layers[0].digest]
    names = [f"docker.io/library/top:{number}" for number in range(3)]
    for number, name in enumerate(names):
        make_image(f"top-{number}", 1, shared=[layer]).put(Store(store), name)
    cut(blob(store, base.layers[0]))
    results = modules.fail("image_verify", {"store": store})
    assert [problem["images"] for problem in results["problems"]] == [names]
    assert "3 of 3" in results["msg"]


def test_a_damaged_blob_that_no_image_uses_is_reported_and_removed(store: str) -> None:
    IMAGE.put(Store(store), NAME)
    stray = make_image("stray").layers[0]
    for number, damage in enumerate((cut, replace_by_folder)):
        path = blob(store, stray).with_name(f"{number}" * 64)
        path.write_bytes(b"content")
        damage(path)
    results = modules.fail("image_verify", {"store": store})
    assert results["error"] == "store_damaged"
    assert [(problem["problem"], problem["images"]) for problem in results["problems"]] == [("altered", []), ("irregular", [])]
    assert modules.run("image_verify", {"store": store, "name": [NAME]})["problems"] == []
    done = modules.check_do_again("image_verify", {"store": store, "repair": True})
    assert [problem["repaired"] for problem in done["problems"]] == [True, True]
    assert set(Store(store).stored()) == IMAGE.digests


def test_a_child_that_another_tool_deleted_is_missing_only_for_images_that_requested_it(store: str) -> None:
    child = IMAGE.graph.images[1].descriptor
    IMAGE.put(Store(store), NAME, platforms=["linux/amd64"])
    blob(store, child).unlink()
    assert modules.run("image_verify", {"store": store, "name": [NAME]})["problems"] == []
    IMAGE.put(Store(store), NAME, platforms=["all"])
    blob(store, child).unlink()
    assert [problem["digest"] for problem in modules.fail("image_verify", {"store": store})["problems"]] == [str(child.digest)]


def test_missing_images_fail_and_the_others_are_verified(store: str) -> None:
    IMAGE.put(Store(store), NAME)
    results = modules.fail("image_verify", {"store": store, "name": ["absent:1", NAME, str(IMAGE.root.digest)]})
    assert results["error"] == "not_found"
    assert [(row["name"], row.get("error")) for row in results["images"]] == [(NAME, None), ("docker.io/library/absent:1", "not_found")]


def test_a_missing_store_is_sound_and_is_not_created(store: str) -> None:
    modules.check_do_again("image_verify", {"store": store, "repair": True}, changes=False)
    assert not os.path.exists(store)


def test_memory_does_not_grow_with_the_size_of_blobs(store: str) -> None:
    """The measured run must change something, so it deletes a blob that no image uses."""
    peaks = []
    for size in (1_000, 80_000_000):
        make_image(f"large-{size}", 2, size=size).put(Store(store), NAME)
        Path(store, "blobs/sha256", "0" * 64).write_bytes(b"wrong")
        peaks.append(peak_memory("image_verify", {"store": store, "repair": True}))
    assert peaks[1] - peaks[0] < 20_000_000


# Repairs.


@damages
@parts
def test_only_damaged_blobs_are_fetched_again(
    recording: Recorder, anonymous: Registry, repository: str, store: str, part: Descriptor, damage: t.Callable[[Path], object], word: str
) -> None:
    anonymous.put(IMAGE, repository, "1")
    name = f"{recording.host}/{repository}:1"
    modules.run("image_pull", {"store": store, "name": [name], "platform": ["all"]})
    damage(blob(store, part))
    recording.requests.clear()

    done = modules.check_do_again("image_verify", {"store": store, "repair": True})

    assert [(problem["digest"], problem["problem"], problem["repaired"]) for problem in done["problems"]] == [(str(part.digest), word, True)]
    assert done["actions"][0].startswith(f"repair {name} (sha256:")
    assert done["bytes_transferred"] == (0 if part.is_document else part.size)
    assert wrong_blobs(store) == []
    assert leftovers(store) == []
    assert not Store(store).find_missing_blobs(Store(store).get_entry(Reference.parse(name)))
    assert {line.rpartition("/")[2] for line in recording.lines if line.startswith("GET") and line != "GET /v2/"} == {str(part.digest)}


def test_all_lost_blobs_of_an_image_are_fetched_again(anonymous: Registry, repository: str, store: str) -> None:
    name = pulled(anonymous, repository, store)
    for part in IMAGE.graph.content:
        blob(store, part).unlink()
    done = modules.check_do_again("image_verify", {"store": store, "repair": True})
    assert len(done["problems"]) == len(IMAGE.digests)
    assert all(problem["repaired"] and problem["images"] == [name] for problem in done["problems"])
    assert set(Store(store).stored()) == IMAGE.digests


def test_blobs_of_an_unreadable_image_are_not_treated_as_unused(anonymous: Registry, repository: str, store: str) -> None:
    pulled(anonymous, repository, store)
    cut(blob(store, IMAGE.root))
    cut(blob(store, IMAGE.layers[0]))
    done = modules.check_do_again("image_verify", {"store": store, "repair": True})
    assert {problem["digest"] for problem in done["problems"]} == {str(IMAGE.root.digest), str(IMAGE.layers[0].digest)}
    assert set(Store(store).stored()) == IMAGE.digests
    assert wrong_blobs(store) == []


def test_a_sparse_image_stays_sparse(anonymous: Registry, repository: str, store: str) -> None:
    name = anonymous.put(IMAGE, repository, "1")
    modules.run("image_pull", {"store": store, "name": [name], "platform": ["linux/arm64"]})
    digests = set(Store(store).stored())
    for part in (IMAGE.root, IMAGE.sparse("linux/arm64").graph.images[0].descriptor):
        cut(blob(store, part))
    done = modules.check_do_again("image_verify", {"store": store, "repair": True})
    assert done["images"][0]["platforms"] == ["linux/arm64"]
    assert set(Store(store).stored()) == digests


def test_a_tag_that_moved_at_the_registry_keeps_its_image_in_the_store(anonymous: Registry, repository: str, store: str) -> None:
    name = pulled(anonymous, repository, store)
    anonymous.put(make_index("newer"), repository, "1")
    cut(blob(store, IMAGE.layers[0]))
    modules.check_do_again("image_verify", {"store": store, "repair": True})
    assert Store(store).get_entry(Reference.parse(name)).digest == IMAGE.root.digest


def test_the_second_name_of_an_image_is_tried_if_the_first_fails(anonymous: Registry, repository: str, store: str) -> None:
    name = pulled(anonymous, repository, store)
    dead = f"127.0.0.1:{free_port()}/gone/app:1"
    entry = IMAGE.put(Store(store), dead, name, platforms=["all"])
    assert str(entry.name) == dead
    cut(blob(store, IMAGE.layers[0]))
    cut(blob(store, IMAGE.root))
    modules.check_do_again("image_verify", {"store": store, "repair": True, "retries": 1, "timeout": 5})


def test_unavailable_blobs_are_named_and_the_others_are_repaired(anonymous: Registry, repository: str, store: str) -> None:
    name = pulled(anonymous, repository, store)
    lost, unnamed = make_image("lost", 1), make_image("unnamed", 1)
    elsewhere = f"{anonymous.host}/{repository}/never-pushed:1"
    lost.put(Store(store), elsewhere)
    unnamed.put(Store(store), "docker.io/library/x:1")
    make_image("mover", 1).put(Store(store), "docker.io/library/x:1")
    for part in (IMAGE.layers[0], lost.layers[0], unnamed.layers[0]):
        cut(blob(store, part))
    options = {"store": store, "repair": True}
    before = modules.snapshot(store)

    predicted = modules.fail("image_verify", options, check=True)

    assert modules.snapshot(store) == before
    results = modules.fail("image_verify", options)
    assert results == predicted
    assert results["changed"]
    assert results["error"] == "store_damaged"
    failed = {row["name"]: row for row in results["images"] if row.get("failed")}
    assert set(failed) == {elsewhere, None}
    assert str(lost.layers[0].digest) in failed[elsewhere]["msg"]
    assert "no name" in failed[None]["msg"]
    assert {problem["digest"]: problem["repaired"] for problem in results["problems"]} == {
        str(IMAGE.layers[0].digest): True,
        str(lost.layers[0].digest): False,
        str(unnamed.layers[0].digest): False,
    }
    assert not Store(store).find_missing_blobs(Store(store).get_entry(Reference.parse(name)))
    assert not modules.fail("image_verify", options)["changed"]


def test_wrong_credentials_are_reported_and_right_ones_allow_the_repair(protected: Registry, repository: str, store: str) -> None:
    name = protected.put(IMAGE, repository, "1")
    reached = {"store": store, "ca_path": str(protected.ca), "name": [name]}
    right = {**reached, "username": USER, "password": PASSWORD}
    modules.run("image_pull", {**right, "platform": ["all"]})
    cut(blob(store, IMAGE.layers[0]))
    for wrong in (reached, {**reached, "username": USER, "password": "secret-that-is-wrong"}):
        results = modules.fail("image_verify", {**wrong, "repair": True})
        assert results["error"] == "store_damaged"
        assert results["status"] == 401
        assert "secret-that-is-wrong" not in str(results)
    modules.check_do_again("image_verify", {**right, "repair": True})


def test_credentials_for_several_registries_are_refused_if_they_would_be_used(store: str) -> None:
    IMAGE.put(Store(store), NAME, "quay.io/team/app:1")
    options = {"store": store, "username": USER, "password": PASSWORD}
    assert not modules.run("image_verify", options)["problems"]
    assert modules.fail("image_verify", {**options, "repair": True})["error"] == "invalid_option"


def test_a_repair_that_is_killed_is_finished_by_the_next_one(anonymous: Registry, repository: str, store: str) -> None:
    image = make_image("large", 6, size=3_000_000)
    pulled(anonymous, repository, store, image)
    for part in image.graph.content:
        blob(store, part).unlink()
    options = {"store": store, "repair": True, "concurrency": 1}
    process = modules.start_module("image_verify", options)
    while process.poll() is None and not leftovers(store):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wrong_blobs(store) == []
    modules.run("image_verify", options)
    assert set(Store(store).stored()) == image.digests
    assert leftovers(store) == []
    assert not modules.run("image_verify", options)["changed"]


@pytest.mark.parametrize(
    ("options", "error"),
    [({"name": ["No:1"]}, "invalid_reference"), ({"repair": True, "timeout": 0}, "invalid_option"), ({"lock_timeout": -1}, "invalid_option")],
    ids=str,
)
def test_invalid_options_have_a_stable_cause(store: str, options: dict[str, t.Any], error: str) -> None:
    assert modules.fail("image_verify", {"store": store, **options})["error"] == error


def test_digests_of_other_kinds_are_verified_too(store: str) -> None:
    IMAGE.put(Store(store), NAME)
    good = Digest.of(b"content", "sha512")
    path = Path(Store(store).blob_path(good))
    path.parent.mkdir()
    path.write_bytes(b"content")
    assert modules.run("image_verify", {"store": store})["problems"] == []
    path.write_bytes(b"other content")
    assert modules.fail("image_verify", {"store": store})["problems"][0]["digest"] == str(good)
