# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a request waits between two tries."""

from __future__ import annotations

import email.utils
import time

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.limits import DEADLINE
from ansible_collections.longshore.images.plugins.module_utils.registry.http.errors import retry_after_seconds
from ansible_collections.longshore.images.plugins.module_utils.registry.http.retries import wait_before_retry


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the waits without waiting."""
    recorded: list[float] = []
    monkeypatch.setattr(time, "sleep", recorded.append)
    return recorded


def error(retry_after: float | None = None) -> LongshoreError:
    result = Unreachable("the fault")
    result.retry_after = retry_after
    return result


@pytest.mark.parametrize(("attempt", "longest"), [(0, 0.5), (1, 1), (2, 2), (3, 4), (4, 8)])
def test_waits_are_random_and_double_from_half_a_second_on(waits: list[float], attempt: int, longest: float) -> None:
    for _time in range(500):
        wait_before_retry(attempt, time.monotonic() + 100, error())
    assert 0 <= min(waits) < longest / 10
    assert longest * 0.9 < max(waits) <= longest


def test_the_wait_that_a_registry_asks_for_is_kept_exactly(waits: list[float]) -> None:
    wait_before_retry(4, time.monotonic() + 100, error(7))
    wait_before_retry(0, time.monotonic() + 100, error(0))
    assert waits == [7, 0]


@pytest.mark.parametrize("retry_after", [46.0, 3600.0, 2.0**63])
def test_a_wait_that_would_end_after_the_deadline_is_not_started(waits: list[float], retry_after: float) -> None:
    with pytest.raises(Unreachable, match="the fault"):
        wait_before_retry(0, time.monotonic() + DEADLINE, error(retry_after))
    with pytest.raises(Unreachable, match="the fault"):
        wait_before_retry(0, time.monotonic() - 1, error())
    assert waits == []


@pytest.mark.parametrize(("header", "wait"), [("0", 0), ("30", 30), (" 30 ", 30), ("9" * 5000, 2.0**63)])
def test_retry_after_may_be_in_seconds(header: str, wait: float) -> None:
    assert retry_after_seconds(header) == wait


@pytest.mark.parametrize(("seconds", "shortest", "longest"), [(1000, 900, 1000), (-1000, 0, 0)])
def test_retry_after_may_be_a_date_and_the_past_means_now(seconds: float, shortest: float, longest: float) -> None:
    wait = retry_after_seconds(email.utils.formatdate(time.time() + seconds, usegmt=True))
    assert wait is not None
    assert shortest <= wait <= longest


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "²", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_an_invalid_retry_after_is_ignored(header: str | None) -> None:
    assert retry_after_seconds(header) is None
