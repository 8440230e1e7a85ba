# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_tag and image_rm of a store."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_image, make_index

NAME = "docker.io/library/app:1"
OTHER = "docker.io/library/other:1"


@pytest.fixture
def filled(store: str) -> Store:
    """Return a store with one image under NAME, and another under OTHER."""
    image().put(Store(store), NAME)
    make_image("other").put(Store(store), OTHER)
    return Store(store)


def image() -> Image:
    return make_image("tagged")


def named(store: str) -> dict[str, str]:
    rows = modules.run("image_info", {"store": store})["images"]
    return {row["name"]: row["digest"] for row in rows if row["name"]}


# Tagging.

TAGS: list[tuple[str, dict[str, t.Any], bool]] = [
    ("a new name", {"targets": ["fresh:1"]}, True),
    ("several names", {"targets": ["fresh:1", "fresh:2", "quay.io/team/fresh:3"]}, True),
    ("its own name", {"targets": ["app:1"]}, False),
    ("a name of another image", {"targets": ["other:1"]}, True),
    ("a name of another image that is kept", {"targets": ["other:1"], "existing": "keep"}, False),
    ("a kept and a new name", {"targets": ["other:1", "fresh:1"], "existing": "keep"}, True),
    ("one name twice", {"targets": ["fresh:1", "docker.io/library/fresh:1"]}, True),
    ("by digest", {"name": str(image().root.digest), "targets": ["fresh:1"]}, True),
    ("by image ID", {"name": str(image().graph.images[0].manifest.config.digest), "targets": ["fresh:1"]}, True),
    ("by tag and digest", {"name": f"app:1@{image().root.digest}", "targets": ["fresh:1"]}, True),
]


@pytest.mark.parametrize(("options", "changes"), [row[1:] for row in TAGS], ids=[row[0] for row in TAGS])
def test_check_mode_predicts_tagging_and_a_second_run_changes_nothing(filled: Store, options: dict[str, t.Any], changes: bool) -> None:
    done = modules.check_do_again("image_tag", {"name": NAME, "store": filled.path, **options}, changes)
    now = named(filled.path)
    for row in done["images"]:
        assert now[row["name"]] == row["digest"]
        kept = row["name"] == OTHER and options.get("existing") == "keep"
        assert row["digest"] == str(make_image("other").root.digest if kept else image().root.digest)


def test_an_image_that_loses_its_name_to_a_tag_stays_unnamed(filled: Store) -> None:
    done = modules.run("image_tag", {"name": NAME, "targets": [OTHER], "store": filled.path})
    assert done["images"][0]["previous_digest"] == str(make_image("other").root.digest)
    unnamed = modules.run("image_info", {"store": filled.path, "filters": {"dangling": True}})["images"]
    assert [row["digest"] for row in unnamed] == [str(make_image("other").root.digest)]


def test_an_unnamed_image_is_named_by_its_digest(filled: Store) -> None:
    modules.run("image_tag", {"name": NAME, "targets": [OTHER], "store": filled.path})
    modules.run("image_tag", {"name": str(make_image("other").root.digest), "targets": ["rescued:1"], "store": filled.path})
    assert modules.run("image_info", {"store": filled.path, "filters": {"dangling": True}})["images"] == []


def test_a_sparse_index_is_tagged_with_its_platforms(store: str) -> None:
    whole = make_index("sparse")
    whole.sparse("linux/amd64").put(Store(store), NAME, platforms=["linux/amd64"])
    modules.check_do_again("image_tag", {"name": NAME, "targets": ["fresh:1"], "store": store})
    entry = Store(store).get_entry(Reference.parse("fresh:1"))
    assert entry.descriptor.digest == whole.root.digest
    assert entry.selection is not None
    assert entry.selection.texts() == ["linux/amd64"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "absent:1"}, "not_found"),
        ({"name": "sha256:" + "0" * 64}, "not_found"),
        ({"name": "sha256:abc"}, "invalid_reference"),
        ({"targets": [f"fresh@{image().root.digest}"]}, "invalid_reference"),
        ({"targets": ["fine:1", "No:1"]}, "invalid_reference"),
        ({"targets": [str(image().root.digest)]}, "invalid_reference"),
        ({"name": f"app:1@sha256:{'0' * 64}"}, "not_found"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_impossible_tag_has_a_stable_cause_and_changes_nothing(filled: Store, options: dict[str, t.Any], error: str) -> None:
    before = modules.snapshot(filled.path)
    assert modules.fail("image_tag", {"name": NAME, "targets": ["fresh:1"], "store": filled.path, **options})["error"] == error
    assert modules.snapshot(filled.path) == before


def test_a_damaged_image_gets_no_further_name(filled: Store) -> None:
    os.unlink(filled.blob_path(image().layers[0].digest))
    results = modules.fail("image_tag", {"name": NAME, "targets": ["fresh:1"], "store": filled.path})
    assert results["error"] == "store_damaged"
    assert "fresh" not in str(named(filled.path))


# Removing.

REMOVALS: list[tuple[str, dict[str, t.Any], bool, list[str]]] = [
    ("a name", {"name": ["app:1"]}, True, [NAME]),
    ("an absent name", {"name": ["absent:1"]}, False, []),
    ("a name and an absent one", {"name": ["absent:1", "app:1"]}, True, [NAME]),
    ("a glob", {"name": ["docker.io/library/*"]}, True, [NAME, OTHER]),
    ("a glob that matches nothing", {"name": ["quay.io/*"]}, False, []),
    ("a glob doesn't cross a slash", {"name": ["docker.io/*"]}, False, []),
    ("a digest", {"name": [str(image().root.digest)]}, True, [NAME]),
    ("an image ID", {"name": [str(image().graph.images[0].manifest.config.digest)]}, True, [NAME]),
    ("a repository and digest", {"name": [f"app@{image().root.digest}"]}, True, [NAME]),
    ("a name with its digest", {"name": [f"app:1@{image().root.digest}"]}, True, [NAME]),
    ("a name with another image's digest", {"name": [f"other:1@{image().root.digest}"]}, False, []),
    ("an absent name with the digest of another name", {"name": [f"app:9@{image().root.digest}"]}, False, []),
    ("another repository with the digest", {"name": [f"other@{image().root.digest}"]}, False, []),
    ("without pruning", {"name": ["app:1"], "prune": False}, True, [NAME]),
    ("one image twice", {"name": ["app:1", "docker.io/library/app:1"]}, True, [NAME]),
]


@pytest.mark.parametrize(("options", "changes", "untagged"), [row[1:] for row in REMOVALS], ids=[row[0] for row in REMOVALS])
def test_check_mode_predicts_removal_and_a_second_run_changes_nothing(
    filled: Store, options: dict[str, t.Any], changes: bool, untagged: list[str]
) -> None:
    size = sum(Path(folder, file).stat().st_size for folder, _folders, files in os.walk(filled.path + "/blobs") for file in files)
    done = modules.check_do_again("image_rm", {"store": filled.path, **options}, changes)
    left = sum(Path(folder, file).stat().st_size for folder, _folders, files in os.walk(filled.path + "/blobs") for file in files)
    assert done["untagged"] == untagged
    assert set(named(filled.path)) == {NAME, OTHER} - set(untagged)
    assert done["bytes_freed"] == size - left
    assert (done["bytes_freed"] > 0) == (changes and options.get("prune", True))


def test_content_shared_with_another_image_stays(store: str) -> None:
    base = make_image("base", 1)
    base.put(Store(store), NAME)
    top = make_image("top", 1, shared=[base.content[base.layers[0].digest]])
    top.put(Store(store), OTHER)
    modules.check_do_again("image_rm", {"name": [NAME], "store": store})
    assert Store(store).find_missing_blobs(Store(store).get_entry(Reference.parse(OTHER))) == []
    assert not os.path.exists(Store(store).blob_path(base.root.digest))


DAMAGE: dict[str, t.Callable[[Path], object]] = {"gone": Path.unlink, "cut off": lambda path: os.truncate(path, 9)}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("document", [0, 1], ids=["index", "manifest"])
def test_no_blob_is_deleted_while_a_remaining_image_cannot_be_read(store: str, damage: t.Callable[[Path], object], document: int) -> None:
    base = make_image("base", 1)
    base.put(Store(store), NAME)
    top = make_index("top", layers=1, shared=[base.content[base.layers[0].digest]])
    top.put(Store(store), OTHER, platforms=["all"])
    lost = Path(Store(store).blob_path((top.root, top.graph.images[0].descriptor)[document].digest))
    lost.chmod(0o644)
    damage(lost)
    blobs = set(Store(store).stored())

    done = modules.check_do_again("image_rm", {"name": [NAME], "store": store})

    assert done["untagged"] == [NAME]
    assert done["bytes_freed"] == 0
    assert OTHER in str(done["warnings"])
    assert set(Store(store).stored()) == blobs
    assert "warnings" not in modules.run("image_rm", {"name": [OTHER], "store": store})
    modules.run("image_prune", {"store": store})
    assert list(Store(store).stored()) == []


def test_a_damaged_layer_of_a_remaining_image_does_not_stop_a_removal(filled: Store) -> None:
    os.unlink(filled.blob_path(make_image("other").layers[0].digest))
    done = modules.check_do_again("image_rm", {"name": [NAME], "store": filled.path})
    assert done["bytes_freed"] == image().graph.size
    assert "warnings" not in done


def test_blobs_of_a_running_task_stay_and_check_mode_predicts_it(filled: Store) -> None:
    options = {"name": [NAME], "store": filled.path}
    with filled.open_writer([image().layers[0].digest]):
        preview = modules.run("image_rm", options, check=True)
        assert modules.run("image_rm", options) == preview
    assert preview["bytes_freed"] == image().graph.size - image().layers[0].size
    assert os.path.exists(filled.blob_path(image().layers[0].digest))


def test_removing_one_of_two_names_keeps_the_image(filled: Store) -> None:
    modules.run("image_tag", {"name": NAME, "targets": ["second:1"], "store": filled.path})
    done = modules.check_do_again("image_rm", {"name": [NAME], "store": filled.path})
    assert done["bytes_freed"] == 0
    assert done["deleted"] == []
    assert "docker.io/library/second:1" in named(filled.path)


def test_a_digest_with_several_names_needs_force(filled: Store) -> None:
    modules.run("image_tag", {"name": NAME, "targets": ["second:1"], "store": filled.path})
    options = {"name": [str(image().root.digest)], "store": filled.path}
    results = modules.fail("image_rm", options)
    assert results["error"] == "in_use"
    assert "second:1" in results["msg"]
    done = modules.check_do_again("image_rm", {**options, "force": True})
    assert done["untagged"] == [NAME, "docker.io/library/second:1"]
    assert done["deleted"] == [str(image().root.digest)]


def test_a_digest_of_a_repository_with_several_names_there_needs_force(filled: Store) -> None:
    pinned = f"docker.io/library/app@{image().root.digest}"
    image().put(Store(filled.path), pinned)
    modules.run("image_tag", {"name": NAME, "targets": ["elsewhere:1"], "store": filled.path})
    options = {"name": [pinned], "store": filled.path}
    results = modules.fail("image_rm", options)
    assert results["error"] == "in_use"
    assert "elsewhere" not in results["msg"]
    done = modules.check_do_again("image_rm", {**options, "force": True})
    assert sorted(done["untagged"]) == [NAME, pinned]
    assert done["deleted"] == []


def test_a_damaged_image_can_be_removed(filled: Store) -> None:
    os.unlink(filled.blob_path(image().root.digest))
    done = modules.check_do_again("image_rm", {"name": [NAME], "store": filled.path})
    assert done["untagged"] == [NAME]
    assert (done["images"][0]["name"], done["images"][0]["digest"]) == (NAME, str(image().root.digest))


def test_a_damaged_image_without_a_name_has_none_in_its_row(filled: Store) -> None:
    modules.run("image_tag", {"name": OTHER, "targets": [NAME], "store": filled.path})
    os.unlink(filled.blob_path(image().root.digest))
    digest = str(image().root.digest)
    done = modules.check_do_again("image_rm", {"name": [digest], "store": filled.path})
    assert (done["images"][0]["name"], done["images"][0]["digest"]) == (None, digest)
    absent = modules.run("image_rm", {"name": [digest], "store": filled.path})["images"]
    assert absent == [{"name": None, "digest": digest, "changed": False}]


def test_removing_from_a_missing_store_changes_and_creates_nothing(store: str) -> None:
    modules.check_do_again("image_rm", {"name": [NAME], "store": store}, changes=False)
    assert not os.path.exists(store)


@pytest.mark.parametrize("name", ["sha256:abc", "No:1", "a b", ""])
def test_an_invalid_name_is_refused(filled: Store, name: str) -> None:
    before = modules.snapshot(filled.path)
    assert modules.fail("image_rm", {"name": [NAME, name], "store": filled.path})["error"] == "invalid_reference"
    assert modules.snapshot(filled.path) == before


def test_a_short_id_is_read_as_a_name_with_a_warning(filled: Store) -> None:
    results = modules.run("image_rm", {"name": [str(image().root.digest)[7:19]], "store": filled.path})
    assert not results["changed"]
    assert "in full" in str(results["warnings"])


@pytest.mark.parametrize("seconds", [-3, "nan"])
def test_an_invalid_lock_timeout_is_refused(filled: Store, seconds: object) -> None:
    assert modules.fail("image_rm", {"name": [NAME], "store": filled.path, "lock_timeout": seconds})["error"] == "invalid_option"
