# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and leases end with their process, and an error names the lock that can't be acquired (promises I3, I7, I9)."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, LockTimeout, StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.folders import open_path
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store import locks
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import end_of, in_child, leftovers, start_child
from tests.support.images import make_image
from tests.support.privileges import needs_root

IMAGE = make_image("x")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "store"), lock_timeout=0.2)
    IMAGE.put(store, "x:1")
    return store


def test_a_lock_that_is_held_too_long_is_an_error_that_names_its_file(store: Store) -> None:
    before = Path(store.index_path).read_bytes()
    with Path(store.private_path("lock")).open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        started = time.monotonic()
        with pytest.raises(LockTimeout, match=rf"{store.private_path('lock')}.*0\.2 seconds"):
            make_image("y").put(store, "y:1")
    assert 0.15 < time.monotonic() - started < 5
    assert Path(store.index_path).read_bytes() == before
    assert leftovers(store.path) == []


def test_reading_waits_for_no_lock(store: Store) -> None:
    with Path(store.private_path("lock")).open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        assert Store(store.path).get_complete_entry(Reference.parse("x:1"))


def test_a_lock_that_is_released_in_time_is_acquired(store: Store) -> None:
    private = open_path(store.private_path())
    with locks.lock_exclusive(private, 0o600, 1, private.own_status(), store.folders.check_file):
        pass
    descriptor = os.open(store.private_path("lock"), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    def wait() -> None:
        os.close(descriptor)
        with locks.lock_exclusive(private, 0o600, 30, private.own_status(), store.folders.check_file):
            pass

    child = start_child(wait)
    time.sleep(0.05)
    os.close(descriptor)
    assert end_of(child) == 0


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*unused: object) -> None:
        raise OSError(code, os.strerror(code))

    before = Path(store.index_path).read_bytes()
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputOutputError, match=rf"{store.private_path('lock')}.*file locks"):
        make_image("y").put(store, "y:1")
    assert Path(store.index_path).read_bytes() == before
    assert leftovers(store.path) == []


def test_a_lock_file_that_is_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    Path(store.private_path("lock")).unlink()
    Path(store.private_path("lock")).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputOutputError, match=store.private_path("lock")):
        make_image("y").put(store, "y:1")
    assert not (tmp_path / "elsewhere").exists()


def test_leases_and_temporary_files_and_folders_of_dead_runs_are_removed(store: Store) -> None:
    Path(store.private_path("leases", "999-0")).write_text("[]")
    Path(store.private_path("leases", "999-1")).write_text("cut off")
    Path(store.private_path("tmp", "999-0.0")).write_text("half a blob")
    Path(store.private_path("tmp", "999-0.1", "was")).mkdir(parents=True)
    Path(store.private_path("tmp", "999-0.1", "was", "in the way")).write_text("x")
    Path(store.private_path("tmp", "999-0.2")).symlink_to(store.path)
    with store.open_writer(()):
        pass
    assert leftovers(store.path) == []
    assert Store(store.path).get_complete_entry(Reference.parse("x:1"))


def test_temporary_files_of_live_runs_stay(store: Store) -> None:
    other = make_image("y")
    with store.open_writer(other.digests) as writer:

        def slowly(wanted: object) -> object:
            with Store(store.path).open_writer(()):
                pass
            return [other.content[other.layers[0].digest]]

        writer.put_blob(other.layers[0], slowly)  # type: ignore[arg-type]
    assert store.has_blob(other.layers[0])


def test_removal_keeps_all_blobs_that_a_lease_lists(store: Store) -> None:
    with store.open_writer(IMAGE.digests), Store(store.path).open_writer(()) as remover:
        remover.remove_images([store.get_entry(Reference.parse("x:1"))], list(IMAGE.digests))
    assert Store(store.path).index.entries == ()
    assert all(store.blob_status(digest) is not None for digest in IMAGE.digests)


def test_a_lease_ends_with_its_run(store: Store) -> None:
    with store.open_writer(IMAGE.digests):
        pass
    with store.open_writer(()) as remover:
        remover.remove_images([store.get_entry(Reference.parse("x:1"))], list(IMAGE.digests))
    assert all(store.blob_status(digest) is None for digest in IMAGE.digests)


def test_a_garbled_lease_of_a_live_run_stops_the_removal_of_blobs(store: Store) -> None:
    with store.open_writer(IMAGE.digests), Path(store.private_path("leases")).joinpath(*os.listdir(store.private_path("leases"))).open("w") as lease:
        lease.write("garbled")
        lease.flush()
        with pytest.raises(StoreDamaged, match="leases"):
            Store(store.path).open_writer(())
    assert all(store.blob_status(digest) is not None for digest in IMAGE.digests)


def test_a_group_that_shares_a_store_sees_each_others_leases(open_path: Path) -> None:
    needs_root()
    folder = open_path / "shared"
    folder.mkdir()
    os.chown(folder, 0, 4321)
    folder.chmod(0o2770)
    path = str(folder / "store")

    def put_as_another() -> None:
        os.setgroups([])
        os.setgid(4321)
        os.setuid(2222)
        os.umask(0o077)
        IMAGE.put(Store(path, 0o770), "x:1")

    def hold_a_lease_while_another_member_puts() -> None:
        os.setgroups([])
        os.setegid(4321)
        os.seteuid(1111)
        with Store(path, 0o770).open_writer(IMAGE.digests):
            os.seteuid(0)
            assert in_child(put_as_another) == 0

    assert in_child(hold_a_lease_while_another_member_puts) == 0
