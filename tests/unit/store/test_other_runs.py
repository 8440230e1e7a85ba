# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding what other runs need and what dead runs left writes nothing (promises I7, I9, I11)."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LockTimeout, StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.folders import open_path
from ansible_collections.longshore.images.plugins.module_utils.store import locks
from ansible_collections.longshore.images.plugins.module_utils.store.other_runs import find_other_runs, folder_size
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import end_of, snapshot, start_child
from tests.support.images import make_image

IMAGE = make_image("x")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "store"), lock_timeout=0.2)
    IMAGE.put(store, "x:1")
    return store


def test_a_missing_store_has_no_other_runs(tmp_path: Path) -> None:
    other_runs = find_other_runs(Store(str(tmp_path / "store")))
    assert other_runs == (frozenset(), {}, {})
    assert not (tmp_path / "store").exists()


def test_the_needs_of_all_live_runs_are_found(store: Store) -> None:
    other = make_image("y")
    with store.open_writer(IMAGE.digests), Store(store.path).open_writer(other.digests):
        before = snapshot(store.path)
        assert find_other_runs(store).needed == IMAGE.digests | other.digests
        assert snapshot(store.path) == before
    assert find_other_runs(store).needed == frozenset()


def test_files_of_dead_runs_are_measured_and_not_deleted(store: Store) -> None:
    with store.open_writer(IMAGE.digests):
        Path(store.private_path("tmp", "999-0.0")).write_text("half a blob")
        Path(store.private_path("tmp", "999-0.1")).mkdir()
        Path(store.private_path("tmp", "999-0.1", "in the way")).write_text("12345")
        Path(store.private_path("tmp", "999-0.2")).symlink_to(store.path)
        (lease,) = os.listdir(store.private_path("leases"))
        Path(store.private_path("leases", "999-0")).write_text("[]")
        Path(store.private_path("tmp", f"{lease}.7")).write_text("of a live run")
        before = snapshot(store.path)
        assert {os.path.basename(path): size for path, size in find_other_runs(store).abandoned.items()} == {
            "999-0": 2,
            "999-0.0": 11,
            "999-0.1": 5,
            "999-0.2": 0,
        }
        assert snapshot(store.path) == before


def test_waiting_for_a_run_that_holds_the_lock_ends_with_a_timeout(store: Store) -> None:
    with Path(store.private_path("lock")).open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        with pytest.raises(LockTimeout, match=store.private_path("lock")):
            find_other_runs(store)


def test_readers_do_not_wait_for_each_other_and_writers_wait_for_readers(store: Store) -> None:
    with locks.lock_shared(open_path(store.private_path()), 0):
        assert find_other_runs(store).needed == frozenset()
        started = time.monotonic()
        with pytest.raises(LockTimeout):
            store.open_writer(())
        assert time.monotonic() - started > 0.15


def test_reading_leases_never_makes_a_live_run_look_dead(store: Store) -> None:
    """Reading a lease locks it for a moment. A lease that is created in this moment must not look like one of a dead run."""

    def read_leases() -> None:
        for _round in range(300):
            find_other_runs(Store(store.path))

    children = [start_child(read_leases) for _child in range(2)]
    for _round in range(60):
        with Store(store.path).open_writer(IMAGE.digests):
            assert find_other_runs(Store(store.path)).needed == IMAGE.digests
    assert [end_of(child) for child in children] == [0, 0]


def test_a_garbled_lease_of_a_live_run_is_an_error(store: Store) -> None:
    with store.open_writer(IMAGE.digests):
        Path(store.private_path("leases"), *os.listdir(store.private_path("leases"))).write_text("garbled")
        with pytest.raises(StoreDamaged, match="leases"):
            find_other_runs(store)


def test_only_regular_files_count_for_the_size(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "one").write_text("1")
    (tmp_path / "folder" / "below" / "three").write_text("333")
    (tmp_path / "folder" / "link").symlink_to("one")
    os.mkfifo(tmp_path / "folder" / "fifo")
    (tmp_path / "link").symlink_to("folder")
    sizes = {"folder": 4, "folder/one": 1, "folder/link": 0, "folder/fifo": 0, "link": 0, "absent": 0}
    assert {path: folder_size(open_path(str((tmp_path / path).parent)), Path(path).name) for path in sizes} == sizes
