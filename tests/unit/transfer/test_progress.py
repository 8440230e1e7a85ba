# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress file of a run, and that problems with that file never disturb the run."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.places.store.saving import StoreSaving
from ansible_collections.longshore.images.plugins.module_utils.transfer import executor
from ansible_collections.longshore.images.plugins.module_utils.transfer import ranged_fetch as fetch
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.progress import FILE, PAUSE, Progress
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import PROGRESS_VARIABLE, Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.save import SaveOptions, plan_save
from tests.support import modules
from tests.support.images import RemoteRepository, make_image
from tests.support.verbs import HOST, apply, opened, plan_pull

BLOB = Descriptor("application/octet-stream", Digest.of(b""), 1000)
NAME = "docker.io/library/app:1"
LARGE = make_image("app", layers=2, size=20_000)

State = dict[str, t.Any]


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PROGRESS_VARIABLE, str(folder))
    return folder


def state(folder: Path) -> State:
    found: State = json.loads((folder / FILE).read_text())
    return found


def counts(folder: Path) -> tuple[int, int]:
    return state(folder)["bytes"], state(folder)["all_bytes"]


def progress_at(folder: Path, clock: Clock) -> Progress:
    progress = Progress(str(folder), clock)
    progress.expect([BLOB, BLOB])
    return progress


# The file.


def test_the_file_has_bytes_blobs_and_label_and_only_its_owner_can_read_it(folder: Path) -> None:
    clock = Clock()
    progress = progress_at(folder, clock)
    with progress.meter([BLOB], NAME) as meter:
        meter.add(1000)
    clock.now += 1
    with progress.meter([BLOB], NAME) as meter:
        meter.add(200)
        clock.now += 1
        meter.add(300)
        assert state(folder) == {"bytes": 1500, "all_bytes": 2000, "blobs": 1, "all_blobs": 2, "what": NAME}
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert os.listdir(folder) == [FILE]


def test_the_file_is_replaced_at_most_ten_times_a_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = Clock(), []
    progress = progress_at(folder, clock)
    monkeypatch.setattr(Progress, "_write", lambda _progress: written.append(clock.now))
    with progress.meter([BLOB], NAME) as meter:
        for _chunk in range(900):
            clock.now += 0.003
            meter.add(1)
    assert 20 < len(written) <= 28
    assert all(later - earlier >= PAUSE for earlier, later in zip(written, written[1:]))


def test_the_end_is_written_at_once(folder: Path) -> None:
    progress = progress_at(folder, Clock())
    with progress.meter([BLOB, BLOB], NAME) as meter:
        meter.add(1000)
        meter.add(1000)
        assert counts(folder) == (2000, 2000)


def test_present_bytes_are_not_counted_and_repeated_ones_are(folder: Path) -> None:
    clock = Clock()
    progress = progress_at(folder, clock)
    with progress.meter([BLOB], NAME) as meter:
        meter.expect(400)
        meter.add(400)
    with progress.meter([BLOB], NAME) as meter:
        content = meter.count_content(lambda _blob: [b"x" * 600, b"x" * 400])
        next(iter(content(BLOB)))
        chunks = iter(content(BLOB))
        next(chunks)
        next(chunks)
        clock.now += 1
        meter.add(0)
        assert counts(folder) == (1000, 1400)
        list(chunks)
    assert counts(folder) == (1400, 1400)


def test_moved_bytes_never_exceed_all_bytes(folder: Path) -> None:
    clock = Clock()
    progress = progress_at(folder, clock)
    with progress.meter([BLOB, BLOB], NAME) as meter:
        for _time in range(5):
            clock.now += 1
            meter.add(700)
            moved, everything = counts(folder)
            assert moved <= everything


def test_a_run_deletes_file_and_folder_at_its_end(watched: Path) -> None:
    with Workers(1) as workers:
        workers.expect([BLOB])
        with workers.meter([BLOB], NAME) as meter:
            meter.add(1000)
        assert (watched / FILE).exists()
    assert not watched.exists()


# Runs.


def pull(store: Path, workers: Workers) -> Plan:
    return apply(plan_pull(opened(store), workers, NAME, registry=RemoteRepository({NAME: LARGE})), workers)


def load(store: Path, workers: Workers) -> Plan:
    return load_from(store, workers, None)


def load_in_order(store: Path, workers: Workers) -> Plan:
    return load_from(store, workers, "gzip")


def load_from(store: Path, workers: Workers, compression: str | None) -> Plan:
    path = store.with_name("archive")
    save_to(path, store.with_name("source"), compression).apply(Workers(1))
    return apply(plan_load(StoreLoading(opened(store)), open_archive(str(path)), LoadOptions(HOST)), workers)


def save(store: Path, workers: Workers) -> Plan:
    return apply(save_to(store.with_name("archive"), store, None), workers)


def save_compressed(store: Path, workers: Workers) -> Plan:
    return apply(save_to(store.with_name("archive"), store, "gzip"), workers)


def save_folder(store: Path, workers: Workers) -> Plan:
    return apply(save_to(store.with_name("archive"), store, None, "oci-dir"), workers)


def save_to(path: Path, store: Path, compression: str | None, form: str = "universal") -> Plan:
    LARGE.put(opened(store), NAME)
    return plan_save(StoreSaving(opened(store)), [Reference.parse(NAME)], SaveOptions(str(path), HOST, form, compression))


VERBS = [pull, load, load_in_order, save, save_compressed, save_folder]


@pytest.mark.parametrize("verb", VERBS)
def test_at_the_end_exactly_the_planned_bytes_and_blobs_are_written(
    watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: t.Callable[[Path, Workers], Plan]
) -> None:
    monkeypatch.setattr(executor, "MIN_RESUMABLE", 1000)
    with Workers(2) as workers:
        monkeypatch.delenv(PROGRESS_VARIABLE)
        facts = verb(tmp_path / "store", workers).facts()
        written = state(watched)
    assert (written["bytes"], written["all_bytes"]) == (facts["bytes_transferred"], facts["bytes_transferred"])
    assert written["all_blobs"] == facts["blobs_transferred"]
    assert written["what"] in (NAME, str(tmp_path / "archive"))


def test_all_that_is_to_come_is_known_before_any_of_it_comes(watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, int]] = []
    write = Progress._write

    def noted(progress: Progress) -> None:
        write(progress)
        written.append((state(watched)["all_bytes"], state(watched)["all_blobs"]))

    monkeypatch.setattr(Progress, "_write", noted)
    with Workers(1) as workers:
        facts = pull(tmp_path / "store", workers).facts()
    assert set(written) == {(facts["bytes_transferred"], facts["blobs_transferred"])}


@pytest.mark.parametrize("large", [1000, 1_000_000], ids=["in pieces", "from the front"])
def test_only_the_rest_of_a_resumed_blob_is_counted(watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(executor, "MIN_RESUMABLE", 1000)
    monkeypatch.setattr(fetch, "MIN_PARALLEL", large)
    monkeypatch.setattr(fetch, "MIN_RANGE", 4000)
    monkeypatch.setattr(fetch, "FAST", float("inf"))
    monkeypatch.setattr(fetch, "INTERVAL", 0)
    monkeypatch.setattr(fetch, "RECORD_EVERY", 1000)
    blob = max(LARGE.blobs, key=lambda blob: blob.size)
    source = RemoteRepository({NAME: LARGE})

    def half(partial: t.Any) -> None:
        partial.start_appending()
        partial.append(next(source.read_blob(blob)))
        raise KeyboardInterrupt

    with opened(tmp_path / "store").open_writer(LARGE.digests) as writer, pytest.raises(KeyboardInterrupt):
        writer.put_blob_resumably(blob, half, source.read_blob)
    with Workers(2) as workers:
        facts = pull(tmp_path / "store", workers).facts()
        written = state(watched)
    assert written["bytes"] == written["all_bytes"] == facts["bytes_transferred"] - 1000


def gone(folder: Path) -> None:
    folder.rmdir()


def no_folder(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("a file")


def in_the_way(folder: Path) -> None:
    (folder / FILE / "full").mkdir(parents=True)


def a_link(folder: Path) -> None:
    (folder / f"{FILE}.new").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("trouble", [gone, no_folder, in_the_way, a_link])
def test_a_file_that_can_not_be_written_is_no_trouble_for_the_run(watched: Path, tmp_path: Path, trouble: t.Callable[[Path], None]) -> None:
    trouble(watched)
    with Workers(2) as workers:
        assert pull(tmp_path / "store", workers).changed
    assert not (tmp_path / "elsewhere").exists()


def test_a_run_that_nobody_watches_does_not_even_load_the_code_for_it() -> None:
    parent = "ansible_collections.longshore.images.plugins.module_utils"
    package = f"{parent}.transfer"
    imports = f"from {package} import executor, ranged_fetch, workers; from {parent}.verbs import deliver, load, pull, save"
    words = f"import sys; {imports}; workers.Workers(2); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", words], env=modules.environment(), capture_output=True, text=True, check=True).stdout.split()
    assert f"{package}.executor" in loaded
    assert f"{package}.progress" not in loaded
