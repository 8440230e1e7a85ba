# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that has too many requests gets fewer at once, and more again when it doesn't complain."""

from __future__ import annotations

import queue
import threading
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import RateLimited
from ansible_collections.longshore.images.plugins.module_utils.registry.http.throttle import GROWTH, Slot, Throttle

COMPLAINT = RateLimited("too many", status=429)


def in_threads(count: int, work: t.Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for _number in range(count)]
    for thread in threads:
        thread.start()
    return threads


_END = threading.Event()  # never comes: a thread that ended would leave its number to the next one


def inside(gate: Throttle, count: int) -> list[Slot]:
    """COUNT requests under way, each of a thread of its own."""
    passes: queue.Queue[Slot] = queue.Queue()

    def enter_and_stay() -> None:
        passes.put(gate.acquire(time.monotonic() + 5))
        _END.wait()

    in_threads(count, enter_and_stay)
    return [passes.get(timeout=5) for _number in range(count)]


def test_without_a_complaint_nobody_waits() -> None:
    gate = Throttle()
    inside(gate, 50)
    assert gate.limit is None


@pytest.mark.parametrize(("count", "limit"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
def test_a_complaint_halves_what_is_under_way_at_once(count: int, limit: int) -> None:
    gate = Throttle()
    gate.record_rejection(inside(gate, count)[0], None, COMPLAINT)
    assert gate.limit == limit


def test_refusals_of_requests_that_were_under_way_together_are_one_complaint() -> None:
    gate = Throttle()
    passes = inside(gate, 8)
    for leave in passes:
        gate.record_rejection(leave, None, COMPLAINT)
        leave.release()
    assert gate.limit == 4
    gate.record_rejection(inside(gate, 4)[0], None, COMPLAINT)
    assert gate.limit == 2


def test_who_comes_while_it_is_full_waits_until_somebody_leaves() -> None:
    gate = Throttle()
    passes = inside(gate, 2)
    gate.record_rejection(passes[0], None, COMPLAINT)
    passes[0].release()
    passes[0].release()  # said twice, counted once
    entered = threading.Event()

    def come() -> None:
        gate.acquire(time.monotonic() + 5)
        entered.set()

    (thread,) = in_threads(1, come)
    assert not entered.wait(0.1)
    passes[1].release()
    assert entered.wait(5)
    thread.join(5)


def test_a_thread_that_is_inside_gets_in_again() -> None:
    """It sends what it is being sent: it would wait for itself."""
    gate = Throttle()
    first = gate.acquire(time.monotonic() + 5)
    gate.record_rejection(first, None, COMPLAINT)
    assert gate.limit == 1
    gate.acquire(time.monotonic() + 5).release()
    first.release()
    inside(gate, 1)


def test_the_limit_grows_slowly_and_goes_away_at_what_it_was() -> None:
    gate = Throttle()
    passes = inside(gate, 6)
    gate.record_rejection(passes[0], None, COMPLAINT)
    limits = []
    for _answer in range(3 * GROWTH):
        limits.append(gate.limit)
        gate.record_success()
    assert limits == [3] * GROWTH + [4] * GROWTH + [5] * GROWTH
    assert gate.limit is None


def test_nobody_gets_in_before_the_time_that_the_host_asked_for() -> None:
    gate = Throttle()
    first = gate.acquire(time.monotonic() + 5)
    gate.record_rejection(first, 0.2, COMPLAINT)
    first.release()
    began = time.monotonic()
    inside(gate, 1)
    assert time.monotonic() - began > 0.15


def test_who_can_not_wait_as_long_as_the_host_asked_for_is_told_its_complaint() -> None:
    gate = Throttle()
    first = gate.acquire(time.monotonic() + 5)
    gate.record_rejection(first, 60, COMPLAINT)
    first.release()
    with pytest.raises(RateLimited):
        gate.acquire(time.monotonic() + 45)
