# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One blob on its way from a registry over a network that may fail (distribution specification, Pulling blobs)."""

from __future__ import annotations

import re
import time
import typing as t

from ..errors import LongshoreError, Unreachable
from ..limits import DEADLINE, MAX_FAULTS
from .http.messages import Interrupted, Response
from .http.retries import pause

# Bytes a second, on average from one fault to the next, the wait included: with less the second fault is the first one going on.
PROGRESS = 1024
# A server that ends every answer after a few bytes would be asked without an end.

Pieces = t.Generator[bytes, None, None]

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Ask(t.Protocol):
    """Sends a GET for the blob."""

    def __call__(self, headers: t.Mapping[str, str], accepted: tuple[int, ...], deadline: float | None) -> Response: ...


class FaultLimit:
    """How often one download is taken up again: `retries` tries and 45 s after the first of the faults that came without progress between them.

    No download survives more than 500 faults.
    """

    def __init__(self, retries: int, position: int) -> None:
        self._retries = retries
        self._position = position
        self._since = time.monotonic()
        self._faults = self._all_faults = 0
        self.deadline: float | None = None

    def after_fault(self, position: int, error: LongshoreError) -> None:
        """Waits before the next try, from POSITION on. Raises ERROR when there is none."""
        now = time.monotonic()
        progress = position > self._position and position - self._position >= PROGRESS * (now - self._since)
        if self.deadline is None or progress:
            self._faults, self.deadline = 0, now + DEADLINE
        self._faults += 1
        self._all_faults += 1
        if self._faults >= self._retries or self._all_faults >= MAX_FAULTS:
            raise error
        self._position, self._since = position, now
        pause(self._faults - 1, self.deadline, error)


class Download:
    """The bytes of a blob, for a reader that verifies them. Ranges are asked for where they save something, and none is counted on."""

    def __init__(self, ask: Ask, size: int, what: str, registry: str, retries: int) -> None:
        """ASK sends the requests; WHAT, REGISTRY are for messages."""
        self._ask = ask
        self._size = size
        self._what = what
        self._registry = registry
        self._retries = retries

    def from_offset(self, offset: int) -> Pieces:
        """The blob from OFFSET to its end, taken up again where the connection breaks."""
        return self._bytes(offset, self._size, None)

    def piece(self, start: int, stop: int) -> tuple[bool, Pieces]:
        """The bytes from START to STOP, or True and the whole blob where the registry sends nothing else. The request has been answered when this returns."""
        response, begin = self._request(start, stop, None)
        whole = begin != start or response.status != 206
        pieces = self._bytes(0, self._size, (response, 0)) if whole else self._bytes(start, stop, (response, start))
        next(pieces)  # begun, so that closing it closes the answer
        return whole, pieces

    def _bytes(self, start: int, stop: int, answer: tuple[Response, int] | None) -> Pieces:
        """The bytes from START to STOP, after a first piece without any where ANSWER, which begins at its second member, is here already."""
        position = start
        patience = FaultLimit(self._retries, start)
        if answer is not None:
            try:
                yield b""
            except GeneratorExit:
                answer[0].close()
                raise
        while True:
            response, begin = answer or self._request(position, stop, patience.deadline)
            answer = None
            try:
                # One byte too many is let through, so that the reader sees a blob that is too long.
                for chunk in _between(response, begin, position, stop + (stop == self._size)):
                    position += len(chunk)
                    yield chunk
                fault = f"the answer ended after {position - start} of {stop - start} bytes"
            except Interrupted as interruption:
                fault = str(interruption)
            if position >= stop:
                return
            patience.after_fault(position, Unreachable(f"{self._what}: {self._registry} broke off: {fault}"))

    def _request(self, start: int, stop: int, deadline: float | None) -> tuple[Response, int]:
        """An answer that holds the bytes from START on, and where it begins: at START, or at 0 where the registry doesn't honour the range."""
        if (start, stop) == (0, self._size):
            return self._ask({}, (200,), deadline), 0
        response = self._ask({"Range": f"bytes={start}-{stop - 1}"}, (200, 206, 400, 416), deadline)
        if response.status == 206 and self._is_range(response.headers.get("Content-Range", ""), start, stop):
            return response, start
        if response.status != 200:
            response.close()
            response = self._ask({}, (200,), deadline)
        return response, 0

    def _is_range(self, told: str, start: int, stop: int) -> bool:
        match = _CONTENT_RANGE.fullmatch(told)
        return match is not None and (int(match[1]), int(match[2])) == (start, stop - 1) and match[3] in ("*", str(self._size))


def _between(response: Response, begin: int, start: int, stop: int) -> Pieces:
    """The bytes from START to STOP of an answer that begins at BEGIN; it is closed at the end."""
    try:
        for chunk in response.chunks():
            first, last = max(0, start - begin), stop - begin
            begin += len(chunk)
            if first < len(chunk):
                yield chunk[first:last]
            if begin >= stop:
                return
    finally:
        response.close()
