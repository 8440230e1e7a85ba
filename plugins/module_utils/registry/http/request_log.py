# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A log of requests for bug reports. It exists only in runs at -vvv."""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
import typing as t

from .connections import count_received
from .errors import redact_url

MAX_REQUESTS = 200


@dataclasses.dataclass(frozen=True)
class _Entry:
    method: str
    url: str
    status: int | None
    milliseconds: int
    answer: t.Any = None
    fault: str | None = None

    def facts(self) -> dict[str, t.Any]:
        received = count_received(self.answer) if self.answer is not None else 0
        facts = {"method": self.method, "url": self.url, "status": self.status, "bytes": received, "milliseconds": self.milliseconds}
        return {**facts, "fault": self.fault} if self.fault is not None else facts


class RequestLog:
    """The last requests of a run: method, URL without user name, password and query, status, bytes of the body, and milliseconds to the headers."""

    def __init__(self) -> None:
        self._entries: collections.deque[_Entry] = collections.deque(maxlen=MAX_REQUESTS)
        self._lock = threading.Lock()

    def watch(self, session: t.Any) -> t.Any:
        """Return SESSION, whose requests are logged."""
        return _LoggedSession(session, self)

    def add(self, entry: _Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def rows(self) -> list[dict[str, t.Any]]:
        """Return a row for each request, oldest first."""
        with self._lock:
            return [entry.facts() for entry in self._entries]


class _LoggedSession:
    def __init__(self, session: t.Any, log: RequestLog) -> None:
        self._session = session
        self._log = log

    def send_checked(self, method: str, url: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        began = time.monotonic()
        try:
            answer, peer = self._session.send_checked(method, url, *arguments, **options)
        except Exception as error:
            self._log.add(_Entry(method, redact_url(url), None, _milliseconds_since(began), fault=type(error).__name__))
            raise
        self._log.add(_Entry(method, redact_url(url), answer.status, _milliseconds_since(began), answer))
        return answer, peer

    def close(self) -> None:
        self._session.close()


def _milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
