# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A failed run leaves a partial file that the next run resumes and that never counts as the blob (promises I1, I8, I9, I12)."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store import partials
from ansible_collections.longshore.images.plugins.module_utils.store.other_runs import find_other_runs
from ansible_collections.longshore.images.plugins.module_utils.store.partials import Partial
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.store.writer import Writer
from tests.support.privileges import needs_root

DATA = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(100))
BLOB = Descriptor(media_types.OCI_LAYER, Digest.of(DATA), len(DATA))
CUT = Unreachable("cut off")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def folder(store: Store) -> Path:
    return Path(store.private_path(partials.FOLDER))


def files_left(store: Store) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder(store).iterdir()}


def unused(descriptor: Descriptor) -> t.NoReturn:
    raise AssertionError("the partial file was not used")


def append_until(stop: int | None, error: BaseException | None = None) -> t.Callable[[Partial], None]:
    """Return a function that appends bytes up to STOP, all without STOP, and then raises ERROR."""

    def fill(partial: Partial) -> None:
        partial.start_appending()
        for start in range(partial.front, len(DATA) if stop is None else stop, 100):
            partial.append(DATA[start : min(start + 100, len(DATA) if stop is None else stop)])
        if error is not None:
            raise error

    return fill


def write_ranges(*ranges: tuple[int, int], error: BaseException | None = None) -> t.Callable[[Partial], None]:
    def fill(partial: Partial) -> None:
        partial.start_ranges()
        for start, stop in ranges:
            partial.write_at(start, DATA[start:stop])
            partial.record_range(start, stop)
        partial.hash_more()
        if error is not None:
            raise error

    return fill


def fetch(store: Store, fill: t.Callable[[Partial], None]) -> None:
    with store.open_writer([BLOB.digest]) as writer:
        writer.put_blob_resumably(BLOB, fill, unused)


def fetch_until_cut_off(store: Store, fill: t.Callable[[Partial], None]) -> None:
    with pytest.raises(Unreachable):
        fetch(store, fill)
    assert not store.has_blob(BLOB)


def fetch_rest(store: Store) -> list[tuple[int, int]]:
    """Return the ranges that the next run misses, and fetch them."""
    missing: list[tuple[int, int]] = []

    def fill(partial: Partial) -> None:
        missing.extend(partial.missing_ranges())
        write_ranges(*missing)(partial)

    fetch(store, fill)
    assert Path(store.blob_path(BLOB.digest)).read_bytes() == DATA
    assert files_left(store) == {}
    return missing


def test_a_complete_blob_is_published_and_leaves_no_partial_file(store: Store) -> None:
    fetch(store, append_until(None))
    path = Path(store.blob_path(BLOB.digest))
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o444
    assert files_left(store) == {}
    assert Store(store.path).has_blob(BLOB)


@pytest.mark.parametrize("error", [CUT, KeyboardInterrupt()], ids=["network", "interrupt"])
def test_received_bytes_stay_for_the_next_run(store: Store, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fetch(store, append_until(1000, error))
    assert files_left(store) == {f"sha256-{BLOB.digest.hex}": 1000}
    assert fetch_rest(store) == [(1000, len(DATA))]


def test_received_ranges_stay_for_the_next_run(store: Store) -> None:
    fetch_until_cut_off(store, write_ranges((0, 500), (1000, 1500), (3000, 3200), error=CUT))
    fetch_until_cut_off(store, write_ranges((500, 600), error=CUT))
    assert fetch_rest(store) == [(600, 1000), (1500, 3000)]


def test_ranges_that_arrive_in_order_are_hashed_without_reading_the_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = os.pread

    def recorded_read(file: int, size: int, start: int) -> bytes:
        reads.append(start)
        return read(file, size, start)

    monkeypatch.setattr(os, "pread", recorded_read)
    fetch(store, write_ranges((0, 1000), (1000, len(DATA))))
    assert store.has_blob(BLOB)
    assert reads == []
    os.unlink(store.blob_path(BLOB.digest))
    fetch(store, write_ranges((1000, len(DATA)), (0, 1000)))
    assert store.has_blob(BLOB)
    assert reads == [1000]


def test_a_blob_that_was_received_in_ranges_can_be_resumed_by_appending(store: Store) -> None:
    fetch_until_cut_off(store, write_ranges((0, 500), (1000, 1500), error=CUT))
    fetch_until_cut_off(store, append_until(700, CUT))
    assert files_left(store) == {f"sha256-{BLOB.digest.hex}": 700}
    assert fetch_rest(store) == [(700, len(DATA))]


def test_an_empty_file_does_not_stay(store: Store) -> None:
    fetch_until_cut_off(store, append_until(0, CUT))
    assert files_left(store) == {}


def test_wrong_bytes_do_not_stay(store: Store) -> None:
    def wrong(partial: Partial) -> None:
        partial.start_appending()
        partial.append(bytes(len(DATA)))

    with pytest.raises(DigestMismatch, match=str(BLOB.digest)):
        fetch(store, wrong)
    assert files_left(store) == {}
    assert not store.has_blob(BLOB)


def test_one_byte_too_many_aborts_the_download(store: Store) -> None:
    def endless(partial: Partial) -> None:
        partial.start_appending()
        while True:
            partial.append(DATA)

    with pytest.raises(DigestMismatch):
        fetch(store, endless)
    assert files_left(store) == {}


DAMAGE: dict[str, t.Callable[[Path], object]] = {
    "altered": lambda path: path.write_bytes(bytes(1000)),
    "too long": lambda path: path.write_bytes(bytes(len(DATA) + 1)),
    "cut short": lambda path: os.truncate(path, 10),
    "empty": lambda path: os.truncate(path, 0),
    "gone": Path.unlink,
    "a garbled journal": lambda path: Path(f"{path}.pieces").write_bytes(b"garbage\n"),
    "a journal that lies": lambda path: Path(f"{path}.pieces").write_bytes(b"0 3000\n"),
    "a journal of zeros": lambda path: Path(f"{path}.pieces").write_bytes(bytes(100)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_downloaded_again_from_the_start(store: Store, damage: str) -> None:
    fetch_until_cut_off(store, append_until(1000, CUT))
    DAMAGE[damage](folder(store) / f"sha256-{BLOB.digest.hex}")
    fetch(store, lambda partial: write_ranges(*partial.missing_ranges())(partial))
    assert Path(store.blob_path(BLOB.digest)).read_bytes() == DATA
    assert files_left(store) == {}


PLANTED: dict[str, t.Callable[[Path, Path], object]] = {
    "a folder": lambda path, outside: path.mkdir(),
    "a link": lambda path, outside: path.symlink_to(outside),
    "a second name of a file": lambda path, outside: os.link(outside, path),
    "a fifo": lambda path, outside: os.mkfifo(path),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_file_that_is_not_safely_ours_is_left_alone_and_the_blob_is_fetched_without_it(store: Store, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(DATA[:100])
    folder(store).mkdir(parents=True)
    PLANTED[planted](folder(store) / f"sha256-{BLOB.digest.hex}", outside)

    def never(partial: Partial) -> t.NoReturn:
        raise AssertionError("it was filled")

    with store.open_writer([BLOB.digest]) as writer:
        writer.put_blob_resumably(BLOB, never, lambda wanted: (DATA,))
    assert Path(store.blob_path(BLOB.digest)).read_bytes() == DATA
    assert outside.read_bytes() == DATA[:100]


def test_a_file_of_another_user_is_left_alone(store: Store) -> None:
    needs_root()
    fetch_until_cut_off(store, append_until(1000, CUT))
    os.chown(folder(store) / f"sha256-{BLOB.digest.hex}", 65534, 65534)
    with store.open_writer([BLOB.digest]) as writer:
        writer.put_blob_resumably(BLOB, lambda partial: unused(BLOB), lambda wanted: (DATA,))
    assert store.has_blob(BLOB)


# Concurrent runs that fetch the same blob.


def test_a_second_run_waits_and_finds_the_blob(store: Store) -> None:
    started, may_continue = threading.Event(), threading.Event()

    def slowly(partial: Partial) -> None:
        started.set()
        may_continue.wait(10)
        append_until(None)(partial)

    first = threading.Thread(target=fetch, args=(store, slowly))
    first.start()
    started.wait(10)
    threading.Timer(0.3, may_continue.set).start()
    fetch(Store(store.path), unused_fill)
    first.join(10)
    assert files_left(store) == {}
    assert store.has_blob(BLOB)


def unused_fill(partial: Partial) -> t.NoReturn:
    raise AssertionError("the other run fetches the blob")


def test_a_second_run_resumes_where_the_first_failed(store: Store) -> None:
    started, may_continue = threading.Event(), threading.Event()

    def cut(partial: Partial) -> None:
        started.set()
        may_continue.wait(10)
        append_until(1000, CUT)(partial)

    first = threading.Thread(target=fetch_until_cut_off, args=(store, cut))
    first.start()
    started.wait(10)
    threading.Timer(0.3, may_continue.set).start()
    assert fetch_rest(Store(store.path)) == [(1000, len(DATA))]
    first.join(10)


def test_a_second_run_starts_again_if_the_first_deleted_its_file(store: Store) -> None:
    started, may_continue = threading.Event(), threading.Event()

    def wrong(partial: Partial) -> None:
        started.set()
        may_continue.wait(10)
        partial.start_appending()
        partial.append(bytes(len(DATA)))

    def first() -> None:
        with pytest.raises(DigestMismatch):
            fetch(store, wrong)

    thread = threading.Thread(target=first)
    thread.start()
    started.wait(10)
    threading.Timer(0.3, may_continue.set).start()
    assert fetch_rest(Store(store.path)) == [(0, len(DATA))]
    thread.join(10)


def test_waiting_for_a_run_that_makes_no_progress_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "STALL_SECONDS", 0.2)
    started, may_continue = threading.Event(), threading.Event()

    def stopped(partial: Partial) -> None:
        started.set()
        may_continue.wait(10)
        append_until(None)(partial)

    first = threading.Thread(target=fetch, args=(store, stopped))
    first.start()
    started.wait(10)
    with Store(store.path).open_writer([BLOB.digest]) as writer:
        writer.put_blob_resumably(BLOB, unused_fill, lambda wanted: (DATA,))
    assert store.has_blob(BLOB)
    may_continue.set()
    first.join(10)
    assert files_left(store) == {}
    assert Path(store.blob_path(BLOB.digest)).read_bytes() == DATA


# Partial files that no run needs.


def test_a_full_disk_leaves_no_partial_file_of_the_run(store: Store) -> None:
    other = Descriptor(media_types.OCI_LAYER, Digest.of(b"other"), 5)

    def full(partial: Partial) -> None:
        raise DiskFull("no space")

    def fetch_two_blobs(writer: Writer) -> None:
        with pytest.raises(Unreachable):
            writer.put_blob_resumably(BLOB, append_until(1000, CUT), unused)
        writer.put_blob_resumably(other, full, unused)

    with pytest.raises(DiskFull), store.open_writer([BLOB.digest]) as writer:
        fetch_two_blobs(writer)
    assert files_left(store) == {}


def open_and_close(store: Store, *needed: Digest) -> None:
    with Store(store.path).open_writer(needed):
        """Opening a writer removes partial files that no run needs."""


def test_the_partial_file_of_a_stored_blob_is_removed(store: Store) -> None:
    fetch_until_cut_off(store, write_ranges((500, 600), error=CUT))
    with store.open_writer([BLOB.digest]) as writer:
        writer.put_blob(BLOB, lambda wanted: (DATA,))
    assert files_left(store) != {}
    open_and_close(store)
    assert files_left(store) == {}


@pytest.mark.parametrize(("days", "stays"), [(0, True), (6, True), (8, False)])
def test_a_file_that_no_run_used_for_a_week_is_removed(store: Store, days: int, stays: bool) -> None:
    fetch_until_cut_off(store, write_ranges((500, 600), error=CUT))
    path = folder(store) / f"sha256-{BLOB.digest.hex}"
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))
    open_and_close(store, BLOB.digest)
    assert path.exists(), "a run that needs a partial file resumes it at any age"
    assert set(find_other_runs(store).unfinished) == {str(path), f"{path}.pieces"}
    open_and_close(store)
    assert (files_left(store) != {}) == stays


def test_the_oldest_of_too_many_are_removed_and_other_files_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "MAX_PARTIALS", 3)
    open_and_close(store)
    folder(store).mkdir()
    names = [f"sha256-{Digest.of(bytes([number])).hex}" for number in range(5)]
    for age, name in enumerate(names):
        (folder(store) / name).write_bytes(b"x")
        os.utime(folder(store) / name, (time.time() - age, time.time() - age))
    for name in ("stranger", "sha256-short", f"{names[0]}.pieces", f"sha256-{'f' * 64}.pieces"):
        (folder(store) / name).write_bytes(b"x")
    for name in ("stranger", "sha256-short"):
        os.utime(folder(store) / name, (1, 1))
    open_and_close(store)
    assert set(files_left(store)) == {*names[:3], f"{names[0]}.pieces", "stranger", "sha256-short"}
    assert {os.path.basename(path) for path in find_other_runs(store).unfinished} == {*names[:3], f"{names[0]}.pieces"}


def test_a_file_that_is_being_written_is_never_removed(store: Store) -> None:
    def open_another_writer_and_append(partial: Partial) -> None:
        os.utime(partial.path, (1, 1))
        open_and_close(store)
        append_until(None)(partial)

    fetch(store, open_another_writer_and_append)
    assert store.has_blob(BLOB)
