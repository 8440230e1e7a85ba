# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs that exist but can't be read, because the disk fails or access is denied, are damaged and reported by name (promise I8)."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.info import InfoOptions
from ansible_collections.longshore.images.plugins.module_utils.verbs.verify import plan_verify
from tests.support.faults import WRITING, in_child, wrong_blobs
from tests.support.images import make_image
from tests.support.privileges import needs_root
from tests.support.verbs import HOST, LEAVING, OLD, mend, names, opened, prune, pull, put_images, tag

NAME = "r.test/leaving:1"
PARTS = {"manifest": LEAVING.root, "config": LEAVING.blobs[0], "layer": LEAVING.blobs[-1]}
parts = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
remembering = pytest.mark.parametrize("is_known", [True, False], ids=["known to be good", "not known"])


@contextlib.contextmanager
def failing_disk(path: Path, part: Descriptor) -> t.Iterator[None]:
    """Let opening the file of a blob fail, until another file replaces it."""
    blob = opened(path).blob_path(part.digest)
    inode = os.stat(blob).st_ino
    real = os.open

    def fail(name: t.Any, flags: int, *rest: t.Any, **options: t.Any) -> int:
        folder = options.get("dir_fd")
        opened_path = name if folder is None else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
        if opened_path == blob and not flags & WRITING and os.stat(blob).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return real(name, flags, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", fail)
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    put_images(tmp_path / "store")
    return tmp_path / "store"


def forget(path: Path) -> None:
    (path / ".longshore" / "verified.json").unlink()


@parts
@remembering
def test_verifying_names_an_unreadable_blob_and_counts_it_as_damaged(path: Path, part: Descriptor, is_known: bool) -> None:
    if not is_known:
        forget(path)
    with failing_disk(path, part), Workers(1) as workers:
        plan = plan_verify(opened(path), None, host=HOST, workers=workers)
    (problem,) = plan.problems
    assert (problem.descriptor.digest, problem.problem, problem.images) == (part.digest, "unreadable", (NAME,))
    (error,) = plan.errors
    assert isinstance(error, StoreDamaged)
    assert f"{part.digest} is unreadable" in error.message


@parts
@remembering
def test_repairing_replaces_an_unreadable_blob(path: Path, part: Descriptor, is_known: bool) -> None:
    if not is_known:
        forget(path)
    with failing_disk(path, part):
        assert mend(path).changed
        assert not mend(path).changed
    assert wrong_blobs(path) == []


@parts
def test_a_pull_replaces_an_unreadable_blob_that_was_not_verified_before(path: Path, part: Descriptor) -> None:
    forget(path)
    with failing_disk(path, part):
        assert pull(path, NAME).changed
        assert not pull(path, NAME).changed
    assert wrong_blobs(path) == []


@parts
def test_a_pull_replaces_an_unreadable_blob_that_verifying_found(path: Path, part: Descriptor) -> None:
    with failing_disk(path, part):
        store = opened(path)
        with Workers(1) as workers, store.open_writer(()):
            plan_verify(store, None, host=HOST, workers=workers)
        assert pull(path, NAME).changed
    assert wrong_blobs(path) == []


@parts
def test_copying_an_unreadable_blob_fails_with_its_name(path: Path, part: Descriptor) -> None:
    forget(path)
    with failing_disk(path, part), pytest.raises(StoreDamaged, match=rf"{NAME} is damaged in {path}: {part.digest} is unreadable"):
        tag(path, NAME, "r.test/other:1")


@pytest.mark.parametrize("read", [lambda store, part: list(store.read_blob(part)), Store.open_blob], ids=["in pieces", "by the kernel"])
def test_a_read_error_during_a_copy_is_damage_too(path: Path, read: t.Callable[[Store, Descriptor], object]) -> None:
    part = PARTS["layer"]
    with failing_disk(path, part), pytest.raises(StoreDamaged, match=rf"{part.digest.hex}.*Input/output error"):
        read(opened(path), part)


@parts
@remembering
def test_an_unreadable_blob_stops_neither_info_nor_prune(path: Path, part: Descriptor, is_known: bool) -> None:
    if not is_known:
        forget(path)
    with failing_disk(path, part):
        store = opened(path)
        rows = {row["name"]: row for row in InfoOptions(HOST).inspect_store(store).list_rows(Filters())}
        assert rows[NAME]["present"]
        assert rows["r.test/old:1"]["image_id"] == str(OLD.graph.images[0].manifest.config.digest)
        prune(path, "r.test/leaving:1", "r.test/old:1")
    assert set(names(path)) >= {NAME, "r.test/old:1"}


def test_an_image_whose_config_this_user_cannot_read_is_damaged_although_others_verified_it(open_path: Path) -> None:
    needs_root()
    store = Store(str(open_path / "store"), 0o755)
    image = make_image("denied")
    entry = image.put(store, NAME)
    os.chmod(store.blob_path(image.layers[0].digest), 0)

    def as_somebody_else() -> None:
        os.setuid(65534)
        assert Store(store.path).find_missing_blobs(entry) == [image.layers[0]]
        with pytest.raises(StoreDamaged, match=f"{image.layers[0].digest} is unreadable"):
            Store(store.path).get_complete_entry(Reference.parse(NAME))

    assert in_child(as_somebody_else) == 0


def test_an_unreadable_blobs_folder_is_an_error_and_no_image_is_called_damaged(open_path: Path) -> None:
    needs_root()
    store = Store(str(open_path / "store"), 0o755)
    entry = make_image("denied").put(store, NAME)
    os.chmod(Path(store.path, "blobs"), 0)

    def as_somebody_else() -> None:
        os.setuid(65534)
        with pytest.raises(InputOutputError, match=rf"{store.path}/blobs.*Permission denied"):
            Store(store.path).find_missing_blobs(entry)

    assert in_child(as_somebody_else) == 0
    shutil.rmtree(store.path)
