# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root in another user's store: the user owns all new files and can still use the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.partials import Partial
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import in_child
from tests.support.images import Image, make_image
from tests.support.privileges import needs_root

USER, GROUP = 4321, 8765


def as_the_user() -> None:
    os.setgroups([])
    os.setgid(GROUP)
    os.setuid(USER)


def put_as_the_user(path: Path, text: str) -> int:
    def put() -> None:
        as_the_user()
        make_image(text).put(Store(str(path)), f"r.test/{text}:1")

    return in_child(put)


def owners(path: Path) -> set[tuple[int, int]]:
    return {(status.st_uid, status.st_gid) for status in (found.lstat() for found in (path, *path.rglob("*")))}


@pytest.fixture
def path(open_path: Path) -> Path:
    """An empty folder of the user."""
    needs_root()
    path = open_path / "store"
    path.mkdir(0o700)
    os.chown(path, USER, GROUP)
    return path


def test_a_user_can_use_a_store_that_root_filled(path: Path) -> None:
    make_image("roots").put(Store(str(path)), "r.test/roots:1")
    assert owners(path) == {(USER, GROUP)}
    assert put_as_the_user(path, "own") == 0
    assert len(Store(str(path)).index.entries) == 2


def test_a_user_can_use_a_store_that_root_added_to(path: Path) -> None:
    assert put_as_the_user(path, "own") == 0
    make_image("roots").put(Store(str(path)), "r.test/roots:1")
    assert owners(path) == {(USER, GROUP)}
    assert put_as_the_user(path, "another") == 0


def test_a_user_does_not_remove_what_a_live_run_of_root_needs(path: Path) -> None:
    image = make_image("roots")
    image.put(Store(str(path)), "r.test/roots:1")
    root = Store(str(path)).open_writer(image.digests)

    def remove() -> None:
        as_the_user()
        store = Store(str(path))
        entry = store.get_entry(Reference.parse("r.test/roots:1"))
        with store.open_writer(()) as writer:
            writer.remove_images([entry], image.digests)

    with root:
        assert in_child(remove) == 0
    assert all(Store(str(path)).blob_status(digest) is not None for digest in image.digests)


def test_the_user_owns_a_blob_that_root_downloaded_in_a_partial_file(path: Path) -> None:
    image = make_image("fetched")

    def fetch(image: Image, blob: Descriptor) -> None:
        def fill(partial: Partial) -> None:
            partial.append(image.content[blob.digest])

        with Store(str(path)).open_writer(image.digests) as writer:
            writer.put_blob_resumably(blob, fill, image.open)

    fetch(image, image.layers[0])
    assert Path(Store(str(path)).blob_path(image.layers[0].digest)).is_file()
    assert owners(path) == {(USER, GROUP)}


def test_a_hard_linked_lock_file_is_refused_and_unchanged(path: Path) -> None:
    elsewhere = path.parent / "roots-own"
    elsewhere.write_text("")
    elsewhere.chmod(0o640)
    (path / ".longshore").mkdir()
    os.link(elsewhere, path / ".longshore" / "lock")
    with pytest.raises(StoreDamaged, match=rf"{path}/.longshore/lock has 2 names"):
        make_image("roots").put(Store(str(path)), "r.test/roots:1")
    assert elsewhere.stat().st_uid == 0
    assert elsewhere.stat().st_mode & 0o7777 == 0o640


def test_a_lock_file_that_a_user_moved_into_the_store_keeps_its_owner_and_mode(path: Path) -> None:
    (path / ".longshore").mkdir()
    lock = path / ".longshore" / "lock"
    lock.write_text("root's own, moved from a folder of the user")
    lock.chmod(0o600)
    make_image("roots").put(Store(str(path), 0o755), "r.test/roots:1")
    assert (lock.stat().st_uid, lock.stat().st_mode & 0o7777) == (0, 0o600)
    assert lock.read_text() == "root's own, moved from a folder of the user"


def test_a_member_of_the_group_owns_what_he_writes_to_a_shared_store(open_path: Path) -> None:
    needs_root()
    path = open_path / "store"
    make_image("roots").put(Store(str(path), 0o770), "r.test/roots:1")
    for found in (path, *path.rglob("*")):
        os.chown(found, 0, GROUP)
    assert put_as_the_user(path, "own") == 0
    assert owners(path) == {(0, GROUP), (USER, GROUP)}


STRANGER = 4444


@pytest.mark.parametrize("name", ["", "tmp", "leases", "partials"])
def test_a_private_folder_of_an_unrelated_user_is_refused(path: Path, name: str) -> None:
    assert put_as_the_user(path, "own") == 0
    (path / ".longshore" / "partials").mkdir()
    os.chown(path / ".longshore" / "partials", USER, GROUP)
    (path / ".longshore" / "partials" / f"sha256-{'a' * 64}").touch()
    os.chown(path / ".longshore" / name, STRANGER, GROUP)
    with pytest.raises(StoreDamaged, match=rf"{path}/.longshore.* belongs to uid {STRANGER}"):
        make_image("roots").put(Store(str(path)), "r.test/roots:1")
    (path).chmod(0o770)
    make_image("roots").put(Store(str(path)), "r.test/roots:1")
    assert len(Store(str(path)).index.entries) == 2, "an owner who shares the store with its group trusts the group"


def test_a_folder_in_place_of_a_blob_is_removed_only_if_the_store_owner_owns_it(path: Path) -> None:
    """The user who moved the folder there may have no right to delete its content."""
    image = make_image("roots")
    image.put(Store(str(path)), "r.test/roots:1")
    blob = Path(Store(str(path)).blob_path(image.layers[0].digest))
    blob.unlink()
    (blob / "inner").mkdir(parents=True)
    (blob / "inner" / "file").touch()
    for owners_of in ((STRANGER, USER), (USER, STRANGER)):
        for folder, owner in zip((blob, blob / "inner"), owners_of):
            os.chown(folder, owner, GROUP)
        with pytest.raises((StoreDamaged, InputOutputError), match=r"uid 4444|another user"):
            image.put(Store(str(path)), "r.test/roots:1")
        found = blob if blob.exists() else next((path / ".longshore" / "tmp").iterdir())
        assert (found / "inner" / "file").exists()
        if found != blob:
            found.rename(blob)


def test_files_with_other_names_are_not_removed_from_private_folders(path: Path) -> None:
    assert put_as_the_user(path, "own") == 0
    names = (
        "notes",
        "999",
        "999-x",
        "999-0.",
        "999-0.x",
        ".999-0.1",
        "999-0.1.2",
        f"sha256-{'a' * 63}",
        f"sha256-{'A' * 64}",
        f"sha256-{'a' * 64}.bak",
    )
    for folder in ("tmp", "leases", "partials"):
        (path / ".longshore" / folder).mkdir(exist_ok=True)
        os.chown(path / ".longshore" / folder, USER, GROUP)
        for name in names:
            (path / ".longshore" / folder / name).touch()
            os.utime(path / ".longshore" / folder / name, (1, 1))
    make_image("roots").put(Store(str(path)), "r.test/roots:1")
    for folder in ("tmp", "leases", "partials"):
        assert set(os.listdir(path / ".longshore" / folder)) == set(names), folder
