# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Full, failing and read-only disks are loud and harmless (promises I5, I12)."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, InputOutputError, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.faults import (
    Event,
    FileEvents,
    fail_events,
    leftovers,
    record_events,
    wrong_blobs,
)
from tests.support.images import FakeRepository, make_image
from tests.support.privileges import needs_root
from tests.support.verbs import (
    OLD,
    REGISTRY,
    VERBS,
    Verb,
    names,
    opened,
    plan_pull,
    prune,
    pull,
    put_images,
    remove,
    tag,
    whole,
)

NEEDS_ROOM = ("open", "write", "mkdir", "fsync", "rename")
REMOVES = ("unlink", "rmdir", "remove")


def _once(start: Event) -> t.Callable[[Event], bool]:
    return lambda event: event.number == start.number


def _from_then_on(start: Event) -> t.Callable[[Event], bool]:
    return lambda event: event.number >= start.number and event.call not in ("chmod", "fchmod")


def _full_from_then_on(start: Event) -> t.Callable[[Event], bool]:
    return lambda event: event.number >= start.number and event.call in NEEDS_ROOM


FAULTS: dict[str, tuple[int, t.Callable[[Event], t.Callable[[Event], bool]], tuple[str, ...]]] = {
    "full for a moment": (errno.ENOSPC, _once, NEEDS_ROOM),
    "full": (errno.ENOSPC, _full_from_then_on, NEEDS_ROOM),
    "failing once": (errno.EIO, _once, FileEvents.CALLS),
    "read-only": (errno.EROFS, _from_then_on, ("open", "mkdir", "rename", *REMOVES)),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_disk_that_fails_at_any_step_is_reported_and_damages_nothing(tmp_path: Path, verb: Verb, fault: str) -> None:
    code, chosen, calls = FAULTS[fault]
    path = verb.prepared(tmp_path / "whole")
    before = names(path)
    damage = len(wrong_blobs(path))
    events = record_events(path, lambda: verb.run(path))
    after = names(path)

    for start in events:
        # If a folder can't be synced, undoing needs space again: on a disk that stays full, the old index can't be restored.
        if start.call not in calls or (start.call == "fsync" and chosen is not _once and not start.path.endswith(tuple("0123456789"))):
            continue
        path = verb.prepared(tmp_path / str(start.number))
        outcome: LongshoreError | None = None
        with FileEvents(path, fail_events(code, chosen(start))).watched():
            try:
                verb.run(path)
            except LongshoreError as error:
                outcome = error

        if outcome is None:
            assert names(path) == after, start
        else:
            assert isinstance(outcome, DiskFull if code == errno.ENOSPC else InputOutputError), start
            assert str(path) in outcome.message, start
            assert names(path) == before or (start.call == "unlink" and verb.name in ("rm", "prune")), start
        assert len(wrong_blobs(path)) <= damage, start
        assert leftovers(path) == [] or start.call in REMOVES or code == errno.EROFS, start
        if before:
            assert whole(path, OLD), start

        verb.run(path)
        tag(path, next(iter(after)), "r.test/afterwards:1")
        assert {name: digest for name, digest in names(path).items() if "afterwards" not in name} == after, start
        assert leftovers(path) == [], start
        assert wrong_blobs(path) == [], start


def test_a_full_disk_fails_all_remaining_images_with_a_clear_error(tmp_path: Path) -> None:
    """The first image does not fit. The later ones are not tried, and their errors say why."""
    path = tmp_path / "store"
    put_images(path)
    before = names(path)
    images = {f"r.test/{number}:1": make_image(f"many-{number}", 6) for number in range(6)}
    with Workers(2) as workers:
        plan = plan_pull(opened(path), workers, *images, registry=FakeRepository(images))
        with FileEvents(path / ".longshore" / "tmp", fail_events(errno.ENOSPC, lambda event: event.call == "write")).watched():
            plan = plan.apply(workers)
    assert [type(plan.error_of(image)) for image in plan.images] == [DiskFull] * 6
    assert names(path) == before
    with opened(path).open_writer(()):
        assert list((path / ".longshore" / "tmp").iterdir()) == []


def fill(disk: Path) -> None:
    """Fill a disk completely."""
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


def remove_moving(path: Path) -> None:
    remove(path, "r.test/moving:1")


def prune_but_old(path: Path) -> None:
    prune(path, "r.test/old:*")


@pytest.fixture
def small_disk(tmp_path: Path) -> t.Iterator[Path]:
    """Mount a real file system of 512 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    needs_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_real_full_disk_is_reported_and_nothing_of_the_failed_image_stays(small_disk: Path) -> None:
    path = small_disk / "store"
    pull(path, "r.test/old:1")
    before = names(path)
    large = FakeRepository({**REGISTRY.images, "r.test/large:1": make_image("large", 1, size=1_000_000)})
    message = rf"^{path}: No space left on device; 1\.0 MB more is needed, and [0-9.]+ kB is free on its file system$"
    with pytest.raises(DiskFull, match=message):
        pull(path, "r.test/large:1", registry=large)
    assert names(path) == before
    assert leftovers(path) == []
    assert wrong_blobs(path) == []
    pull(path, "r.test/new:1")
    assert whole(path, OLD)


@pytest.mark.parametrize("verb", [remove_moving, prune_but_old], ids=["rm", "prune"])
def test_images_can_be_removed_from_a_full_disk(small_disk: Path, verb: t.Callable[[Path], object]) -> None:
    path = small_disk / "store"
    put_images(path)
    records = (path / ".longshore" / "verified.json").read_bytes()
    fill(small_disk)
    verb(path)
    assert set(names(path)) == {"r.test/old:1", "r.test/leaving:1"} - ({"r.test/leaving:1"} if verb is prune_but_old else set())
    assert whole(path, OLD)
    assert leftovers(path) == []
    assert (path / ".longshore" / "verified.json").read_bytes() == records
