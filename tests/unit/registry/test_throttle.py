# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that rejects requests as too many gets fewer at once, and more again when it accepts them."""

from __future__ import annotations

import queue
import threading
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import RateLimited
from ansible_collections.longshore.images.plugins.module_utils.registry.http.throttle import SUCCESSES_PER_INCREASE, Slot, Throttle

ERROR = RateLimited("too many", status=429)


def start_threads(count: int, work: t.Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for _number in range(count)]
    for thread in threads:
        thread.start()
    return threads


_END = threading.Event()  # never set: the number of a thread that ended could be used for the next one


def start_requests(throttle: Throttle, count: int) -> list[Slot]:
    """Start COUNT requests, each in a separate thread."""
    slots: queue.Queue[Slot] = queue.Queue()

    def acquire_and_keep() -> None:
        slots.put(throttle.acquire(time.monotonic() + 5))
        _END.wait()

    start_threads(count, acquire_and_keep)
    return [slots.get(timeout=5) for _number in range(count)]


def test_without_a_rejection_no_request_waits() -> None:
    throttle = Throttle()
    start_requests(throttle, 50)
    assert throttle.limit is None


@pytest.mark.parametrize(("count", "limit"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
def test_a_rejection_halves_the_number_of_requests_at_once(count: int, limit: int) -> None:
    throttle = Throttle()
    throttle.record_rejection(start_requests(throttle, count)[0], None, ERROR)
    assert throttle.limit == limit


def test_rejections_of_requests_that_ran_together_count_once() -> None:
    throttle = Throttle()
    slots = start_requests(throttle, 8)
    for slot in slots:
        throttle.record_rejection(slot, None, ERROR)
        slot.release()
    assert throttle.limit == 4
    throttle.record_rejection(start_requests(throttle, 4)[0], None, ERROR)
    assert throttle.limit == 2


def test_a_request_above_the_limit_waits_until_another_one_ends() -> None:
    throttle = Throttle()
    slots = start_requests(throttle, 2)
    throttle.record_rejection(slots[0], None, ERROR)
    slots[0].release()
    slots[0].release()  # a second release has no effect
    acquired = threading.Event()

    def acquire() -> None:
        throttle.acquire(time.monotonic() + 5)
        acquired.set()

    (thread,) = start_threads(1, acquire)
    assert not acquired.wait(0.1)
    slots[1].release()
    assert acquired.wait(5)
    thread.join(5)


def test_a_thread_that_has_a_slot_gets_another_one() -> None:
    """It uploads the body that it is downloading, and would wait for itself."""
    throttle = Throttle()
    first = throttle.acquire(time.monotonic() + 5)
    throttle.record_rejection(first, None, ERROR)
    assert throttle.limit == 1
    throttle.acquire(time.monotonic() + 5).release()
    first.release()
    start_requests(throttle, 1)


def test_the_limit_grows_slowly_and_is_removed_at_its_old_value() -> None:
    throttle = Throttle()
    slots = start_requests(throttle, 6)
    throttle.record_rejection(slots[0], None, ERROR)
    limits = []
    for _answer in range(3 * SUCCESSES_PER_INCREASE):
        limits.append(throttle.limit)
        throttle.record_success()
    assert limits == [3] * SUCCESSES_PER_INCREASE + [4] * SUCCESSES_PER_INCREASE + [5] * SUCCESSES_PER_INCREASE
    assert throttle.limit is None


def test_no_request_starts_before_the_time_that_the_host_asked_for() -> None:
    throttle = Throttle()
    first = throttle.acquire(time.monotonic() + 5)
    throttle.record_rejection(first, 0.2, ERROR)
    first.release()
    began = time.monotonic()
    start_requests(throttle, 1)
    assert time.monotonic() - began > 0.15


def test_a_request_that_can_not_wait_long_enough_fails_with_the_hosts_error() -> None:
    throttle = Throttle()
    first = throttle.acquire(time.monotonic() + 5)
    throttle.record_rejection(first, 60, ERROR)
    first.release()
    with pytest.raises(RateLimited):
        throttle.acquire(time.monotonic() + 45)
