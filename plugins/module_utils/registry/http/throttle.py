# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests may be sent to a host at once: no limit until the host answers 429 (too many requests)."""

from __future__ import annotations

import dataclasses
import threading
import time

from ...errors import LongshoreError

# After so many responses without a rejection the limit grows by one.
SUCCESSES_PER_INCREASE = 8


@dataclasses.dataclass
class Slot:
    """Permission for one request, from before it is sent until its response is read. `rejections_before` counts the rejections recorded before it."""

    throttle: Throttle
    thread: int
    rejections_before: int
    is_released: bool = False

    def release(self) -> None:
        """End the request. A second call has no effect."""
        if not self.is_released:
            self.is_released = True
            self.throttle.release(self.thread)


class Throttle:
    """Limits the requests to one host. Without a rejection it only counts them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[int, int] = {}
        self._limit: int | None = None
        self._limit_before = 0
        self._rejections = 0
        self._successes = 0
        self._blocked_until = 0.0
        self._last_error: LongshoreError | None = None

    @property
    def limit(self) -> int | None:
        return self._limit

    def acquire(self, deadline: float) -> Slot:
        """Wait for a slot. If this returns, the caller must release the slot. Raises the host's last error if its wait time ends after DEADLINE."""
        thread = threading.get_ident()
        with self._changed:
            while True:
                blocked_for = self._blocked_until - time.monotonic()
                if blocked_for > 0:
                    if self._last_error is not None and self._blocked_until > deadline:
                        # A copy, because the caller may add to its message.
                        raise type(self._last_error)(self._last_error.message, self._last_error.status, self._last_error.registry_errors)
                    self._changed.wait(blocked_for)
                elif self._limit is None or thread in self._running or sum(self._running.values()) < self._limit:
                    # A thread with a slot gets another: it uploads the body that it is downloading, and would wait for itself.
                    self._running[thread] = self._running.get(thread, 0) + 1
                    return Slot(self, thread, self._rejections)
                else:
                    self._changed.wait()

    def release(self, thread: int) -> None:
        with self._changed:
            self._running[thread] -= 1
            if not self._running[thread]:
                del self._running[thread]
            self._changed.notify_all()

    def record_rejection(self, slot: Slot, wait: float | None, error: LongshoreError) -> None:
        """Halve the number of requests at once, and send none for WAIT seconds, because the host had too many.

        Several rejections of requests that ran at the same time count once.
        """
        with self._changed:
            if slot.rejections_before == self._rejections:
                running = sum(self._running.values())
                if self._limit is None:
                    self._limit_before = self._limit = running
                self._limit = max(1, min(running, self._limit) // 2)
                self._rejections += 1
            self._successes = 0
            self._last_error = error
            if wait is not None:
                self._blocked_until = max(self._blocked_until, time.monotonic() + wait)

    def record_success(self) -> None:
        """Count a response that is no rejection. After SUCCESSES_PER_INCREASE of them allow one request more, until the limit is removed."""
        if self._limit is None:
            return
        with self._changed:
            self._successes += 1
            if self._limit is not None and self._successes >= SUCCESSES_PER_INCREASE:
                self._successes = 0
                self._limit = self._limit + 1 if self._limit + 1 < self._limit_before else None
                self._changed.notify_all()
