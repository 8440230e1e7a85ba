# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any step damages nothing, and the next run works normally (promises I1, I2, I4, I5, I6, I9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults import kill_at, leftovers, record_events, wrong_blobs
from tests.support.verbs import OLD, VERBS, Verb, names, opened, tag, whole


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_run_that_is_killed_at_any_step_damages_nothing_and_blocks_nothing(tmp_path: Path, verb: Verb) -> None:
    path = verb.prepared(tmp_path / "whole")
    before = names(path)
    damage = len(wrong_blobs(path))
    events = record_events(path, lambda: verb.run(path))
    after = names(path)
    assert after != before or damage
    assert len(events) > 10

    for event in events:
        path = verb.prepared(tmp_path / str(event.number))
        assert kill_at(event.number, path, lambda path=path: verb.run(path)), event  # type: ignore[misc]

        assert names(path) in (before, after), event
        assert len(wrong_blobs(path)) <= damage, event
        if before:
            assert whole(path, OLD), event
        if not damage:
            store = opened(path)
            assert [store.find_missing_blobs(entry) for entry in store.index.entries] == [[]] * len(store.index.entries), event

        verb.run(path)
        assert names(path) == after, event
        tag(path, next(iter(after)), "r.test/afterwards:1")
        assert leftovers(path) == [], event
        assert wrong_blobs(path) == [], event
        store = opened(path)
        assert [store.find_missing_blobs(entry) for entry in store.index.entries] == [[]] * len(store.index.entries), event


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_file_is_durable_before_it_gets_its_name(tmp_path: Path, verb: Verb) -> None:
    path = verb.prepared(tmp_path / "whole")
    events = record_events(path, lambda: verb.run(path))
    renamed = [event for event in events if event.call == "rename" and "/tmp/" in event.path.removeprefix(str(path))]
    assert renamed
    for event in renamed:
        earlier = [done.call for done in events[: event.number] if done.path == event.path and done.call in ("write", "fsync")]
        assert earlier[-1] == "fsync", event
