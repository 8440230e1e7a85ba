# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests a host gets at once: all of them, until it says that they are too many."""

from __future__ import annotations

import dataclasses
import threading
import time

from ...errors import LongshoreError

# So many answers without a complaint let one more request through.
GROWTH = 8


@dataclasses.dataclass
class Slot:
    """Leave for one request, from before it is sent until its answer is read. `era` counts the complaints that came before it."""

    gate: Throttle
    thread: int
    era: int
    used: bool = False

    def release(self) -> None:
        """The request is over; that may be said twice."""
        if not self.used:
            self.used = True
            self.gate.release(self.thread)


class Throttle:
    """Stands before one host. As long as that host doesn't complain, it only counts."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, int] = {}
        self._limit: int | None = None
        self._most = 0
        self._era = 0
        self._answers = 0
        self._shut_until = 0.0
        self._complaint: LongshoreError | None = None

    @property
    def limit(self) -> int | None:
        return self._limit

    def acquire(self, deadline: float) -> Slot:
        """Waits for a place. Raises the host's last complaint where the time that it asked for would last beyond DEADLINE."""
        thread = threading.get_ident()
        with self._changed:
            while True:
                shut = self._shut_until - time.monotonic()
                if shut > 0:
                    if self._complaint is not None and self._shut_until > deadline:
                        # A copy: who catches it may add to its words.
                        raise type(self._complaint)(self._complaint.message, self._complaint.status, self._complaint.registry_errors)
                    self._changed.wait(shut)
                elif self._limit is None or thread in self._inside or sum(self._inside.values()) < self._limit:
                    # A thread that is inside already gets in: it sends what it is being sent, and would wait for itself.
                    self._inside[thread] = self._inside.get(thread, 0) + 1
                    return Slot(self, thread, self._era)
                else:
                    self._changed.wait()

    def release(self, thread: int) -> None:
        with self._changed:
            self._inside[thread] -= 1
            if not self._inside[thread]:
                del self._inside[thread]
            self._changed.notify_all()

    def record_rejection(self, leave: Slot, wait: float | None, complaint: LongshoreError) -> None:
        """The host had too many requests: it gets half as many at once, and none for WAIT seconds.

        The requests that were under way together are one reason to complain, however many of them are refused.
        """
        with self._changed:
            if leave.era == self._era:
                inside = sum(self._inside.values())
                if self._limit is None:
                    self._most = self._limit = inside
                self._limit = max(1, min(inside, self._limit) // 2)
                self._era += 1
            self._answers = 0
            self._complaint = complaint
            if wait is not None:
                self._shut_until = max(self._shut_until, time.monotonic() + wait)

    def record_success(self) -> None:
        """The host gave another answer than that: after some of these it gets one request more at once, until the limit is none."""
        if self._limit is None:
            return
        with self._changed:
            self._answers += 1
            if self._limit is not None and self._answers >= GROWTH:
                self._answers = 0
                self._limit = self._limit + 1 if self._limit + 1 < self._most else None
                self._changed.notify_all()
