# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull repairs every damaged blob of an image. If the record of verified blobs can't be written, runs only take longer (promise I8)."""

from __future__ import annotations

import fcntl
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from tests.support.faults import wrong_blobs
from tests.support.images import FakeRepository, make_index
from tests.support.modules import attempt
from tests.support.verbs import opened, pull, put_images, whole

INDEX = make_index("attested", ("linux/amd64", "unknown/unknown"), layers=1)
REGISTRY = FakeRepository({"r.test/attested:1": INDEX})

DAMAGE: dict[str, t.Callable[[Path, int], object]] = {
    "gone": lambda path, size: path.unlink(),
    "cut off": lambda path, size: os.truncate(path, size - 1),
    "altered": lambda path, size: path.write_text(" " * size),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("part", INDEX.graph.content, ids=lambda part: part.media_type.rpartition("/")[2][8:22])
def test_a_pull_repairs_every_blob_and_reports_it(tmp_path: Path, part: Descriptor, damage: t.Callable[[Path, int], object]) -> None:
    path = tmp_path / "store"
    pull(path, "r.test/attested:1", platforms=["all"], registry=REGISTRY)
    blob = Path(opened(path).blob_path(part.digest))
    blob.chmod(0o644)
    damage(blob, part.size)
    if blob.exists():
        os.utime(blob, ns=(1, 1))

    assert pull(path, "r.test/attested:1", platforms=["all"], registry=REGISTRY).changed
    assert wrong_blobs(path) == []
    assert whole(path, INDEX)
    assert not pull(path, "r.test/attested:1", platforms=["all"], registry=REGISTRY).changed


def test_a_run_that_changes_nothing_succeeds_without_the_lock_of_the_verified_record(tmp_path: Path) -> None:
    path = tmp_path / "store"
    put_images(path)
    (path / ".longshore" / "verified.json").unlink()
    options = {"store": str(path), "name": "r.test/old:1", "targets": ["r.test/old:1"], "lock_timeout": 0.2}
    with (path / ".longshore" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = attempt("image_tag", options)
    assert "msg" not in result
    assert not result["changed"]
