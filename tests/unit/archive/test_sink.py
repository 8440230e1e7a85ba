# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive that is written from anywhere is the archive that would be written from a store."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.format import OCI, SavedImage, build_archive_files, build_tar
from ansible_collections.longshore.images.plugins.module_utils.archive.output import FileOutput
from ansible_collections.longshore.images.plugins.module_utils.archive.sink import ArchiveSink
from ansible_collections.longshore.images.plugins.module_utils.atomic_files import existing_mode
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.images import Image, make_index

NAME = Reference.parse("r.test/app:1")


@pytest.fixture
def image() -> Image:
    return make_index("sunk", size=100_000)


def target(image: Image, path: Path) -> FileOutput:
    saved = SavedImage(image.graph, image.root, (NAME,), None)
    return FileOutput(str(path), build_tar(build_archive_files([saved], OCI, (), {})), None, existing_mode(str(path)))


@pytest.mark.parametrize("threads", [1, 4])
def test_blobs_in_any_order_make_the_same_bytes(image: Image, tmp_path: Path, threads: int) -> None:
    store = Store(str(tmp_path / "store"))
    image.put(store, str(NAME))
    target(image, tmp_path / "saved.tar").write(store.open_blob)
    with ArchiveSink(target(image, tmp_path / "sunk.tar")).open_writer(()) as writer, ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda blob: writer.put_blob(blob, image.open), reversed(image.blobs)))
        writer.publish_images([])
    assert (tmp_path / "sunk.tar").read_bytes() == (tmp_path / "saved.tar").read_bytes()
    assert target(image, tmp_path / "sunk.tar").difference() is None


def test_a_writer_that_ends_without_publishing_leaves_the_old_file_alone(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "old.tar"
    path.write_text("old")
    path.chmod(0o640)
    with ArchiveSink(target(image, path)).open_writer(()) as writer:
        writer.put_blob(image.blobs[0], image.open)
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["old.tar"])
    with ArchiveSink(target(image, path)).open_writer(()) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)
        writer.publish_images([])
    assert (path.stat().st_mode & 0o777, os.listdir(tmp_path)) == (0o640, ["old.tar"])


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"x" * 200_000], ids=["empty", "short", "long"])
def test_a_blob_that_is_another_one_is_refused_within_its_place(image: Image, tmp_path: Path, data: bytes) -> None:
    with ArchiveSink(target(image, tmp_path / "new.tar")).open_writer(()) as writer, pytest.raises(DigestMismatch):
        writer.put_blob(image.blobs[1], lambda _blob: [data])
    assert os.listdir(tmp_path) == []
