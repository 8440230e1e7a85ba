# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pull that is killed, loses its network or fills the disk at any step: nothing is damaged, and the next run fetches only the rest (I1, I9, I12)."""

from __future__ import annotations

import errno
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, LongshoreError, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.transfer import executor
from ansible_collections.longshore.images.plugins.module_utils.transfer import ranged_fetch as fetch
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.faults import (
    Event,
    FileEvents,
    end_of,
    fail_events,
    kill_at,
    leftovers,
    partial_files,
    record_events,
    start_child,
    wrong_blobs,
)
from tests.support.images import RemoteRepository, make_image
from tests.support.verbs import apply, names, opened, plan_pull, whole

NAME = "r.test/new:1"
IMAGE = make_image("new", 1, size=7000)
NEEDS_ROOM = ("open", "write", "pwrite", "mkdir", "fsync", "rename")


@pytest.fixture(params=["one after the other", "in two parts", "in pieces"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Select how blobs are fetched, with small limits for the sizes that decide it."""
    monkeypatch.setattr(executor, "MIN_RESUMABLE", 1000)
    monkeypatch.setattr(fetch, "MIN_PARALLEL", 1_000_000 if request.param == "one after the other" else 1000)
    monkeypatch.setattr(fetch, "MIN_RANGE", 2500)
    monkeypatch.setattr(fetch, "FAST", float("inf") if request.param == "in pieces" else 0)
    monkeypatch.setattr(fetch, "INTERVAL", 0)
    monkeypatch.setattr(fetch, "RECORD_EVERY", 1000)
    way: str = request.param
    return way


class Network:
    """A network that counts chunks, and fails permanently after a number of them."""

    def __init__(self, works_for: int = 1_000_000) -> None:
        self.works_for = works_for
        self.pieces = 0

    def __call__(self) -> None:
        if self.pieces >= self.works_for:
            raise Unreachable("the network is gone")
        self.pieces += 1


def pull(path: Path, network: Network | None = None) -> None:
    registry = RemoteRepository({NAME: IMAGE}, network or Network())
    with Workers(2) as workers:
        apply(plan_pull(opened(path), workers, NAME, registry=registry), workers)


def check(path: Path, start: object) -> None:
    """Check that the next run completes the image and leaves no other files."""
    assert wrong_blobs(path) == [], start
    pull(path)
    assert whole(path, IMAGE), start
    assert wrong_blobs(path) == [], start
    with opened(path).open_writer(()):
        """Return no leftovers: every writer deletes unused files."""
    assert leftovers(path) == [], start
    assert partial_files(path) == [], start


def test_a_pull_that_is_killed_at_any_step_is_resumed(tmp_path: Path) -> None:
    events = record_events(tmp_path / "whole", lambda: pull(tmp_path / "whole"))
    assert len([event for event in events if event.call == "pwrite"]) > 10
    killed = 0
    for event in events:
        path = tmp_path / str(event.number)
        killed += kill_at(event.number, path, lambda path=path: pull(path))  # type: ignore[misc]
        assert not path.exists() or names(path) in ({}, {NAME: str(IMAGE.root.digest)}), event
        check(path, event)
    assert killed > len(events) / 2


@pytest.mark.parametrize("works_for", range(8))
def test_after_a_network_failure_the_next_pull_fetches_only_the_rest(tmp_path: Path, works_for: int, way: str) -> None:
    total = Network()
    pull(tmp_path / "whole", total)
    first, second = Network(works_for), Network()
    with pytest.raises(Unreachable):
        pull(tmp_path / "store", first)
    pull(tmp_path / "store", second)
    # Each of the three ranges may end with a part of a chunk, and begin with the other part.
    assert second.pieces <= total.pieces - works_for + (0 if way == "one after the other" else 3)
    check(tmp_path / "store", works_for)


def _from_then_on(start: Event) -> t.Callable[[Event], bool]:
    return lambda event: event.number >= start.number and event.call in NEEDS_ROOM


def test_a_pull_that_fills_the_disk_leaves_no_files(tmp_path: Path) -> None:
    events = record_events(tmp_path / "whole", lambda: pull(tmp_path / "whole"))
    for start in events:
        if start.call not in NEEDS_ROOM or start.path.endswith(("store", "index.json")):
            continue
        path = tmp_path / str(start.number)
        outcome: LongshoreError | None = None
        with FileEvents(path, fail_events(errno.ENOSPC, _from_then_on(start))).watched():
            try:
                pull(path)
            except LongshoreError as error:
                outcome = error
        assert outcome is None or isinstance(outcome, DiskFull), start
        assert partial_files(path) == [], start
        assert leftovers(path) == [], start
        check(path, start)


def test_eight_processes_that_pull_one_blob_fetch_it_once(tmp_path: Path, way: str) -> None:
    path, log = tmp_path / "store", tmp_path / "log"
    layer = max(blob.size for blob in IMAGE.blobs)

    class Request(RemoteRepository):
        """Record the requests for the layer. For small blobs a run does not wait for another run, so they may be fetched several times."""

        def read_range(self, descriptor: Descriptor, start: int, stop: int) -> tuple[bool, t.Generator[bytes, None, None]]:
            if descriptor.size == layer:
                with log.open("a") as file:
                    file.write(f"{start}\n")
            return super().read_range(descriptor, start, stop)

    def run() -> None:
        with Workers(2) as workers:
            apply(plan_pull(opened(path), workers, NAME, registry=Request({NAME: IMAGE})), workers)

    children = [start_child(run) for _child in range(8)]
    assert [end_of(child) for child in children] == [0] * 8
    starts = {"one after the other": [0], "in two parts": [0, 2500], "in pieces": [0, 2500, 5000]}
    assert sorted(map(int, log.read_text().split())) == starts[way]
    check(path, "eight")
