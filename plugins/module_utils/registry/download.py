# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloading one blob from a registry over an unreliable network (distribution specification, Pulling blobs)."""

from __future__ import annotations

import re
import time
import typing as t

from ..errors import LongshoreError, Unreachable
from ..limits import DEADLINE, MAX_FAULTS
from .http.messages import Interrupted, Response
from .http.retries import wait_before_retry

# Bytes a second, on average from one error to the next, the wait included. With less, the second error counts as the first one continuing: otherwise a
# server that ends every response after a few bytes would be asked forever.
MIN_BYTES_PER_SECOND = 1024

# The chunks of one download share a buffer: each is valid only until the next one is read.
ByteChunks = t.Generator[t.Union[bytes, memoryview], None, None]

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class SendRequest(t.Protocol):
    """Sends a GET for the blob."""

    def __call__(self, headers: t.Mapping[str, str], accepted: tuple[int, ...], deadline: float | None) -> Response: ...


class RetryBudget:
    """How often one download is resumed: `retries` tries, and 45 s after the first of the errors without progress between them.

    No download is resumed after 500 errors.
    """

    def __init__(self, retries: int, position: int) -> None:
        self._retries = retries
        self._last_position = position
        self._last_error_at = time.monotonic()
        self._errors = self._all_errors = 0
        self.deadline: float | None = None

    def wait_or_raise(self, position: int, error: LongshoreError) -> None:
        """Wait before the download is resumed at POSITION. Raises ERROR if it must not be resumed."""
        now = time.monotonic()
        has_progress = position > self._last_position and position - self._last_position >= MIN_BYTES_PER_SECOND * (now - self._last_error_at)
        if self.deadline is None or has_progress:
            self._errors, self.deadline = 0, now + DEADLINE
        self._errors += 1
        self._all_errors += 1
        if self._errors >= self._retries or self._all_errors >= MAX_FAULTS:
            raise error
        self._last_position, self._last_error_at = position, now
        wait_before_retry(self._errors - 1, self.deadline, error)


class Download:
    """Downloads a blob for a reader that verifies the bytes. Ranges are requested if they save bytes, but a registry may ignore them."""

    def __init__(self, send: SendRequest, size: int, what: str, registry: str, retries: int) -> None:
        """SEND sends the requests; WHAT and REGISTRY are for messages."""
        self._send = send
        self._size = size
        self._what = what
        self._registry = registry
        self._retries = retries

    def read_from(self, offset: int) -> ByteChunks:
        """Return the bytes from OFFSET to the end. The download is resumed if the connection breaks."""
        return self._read(offset, self._size, None)

    def read_range(self, start: int, stop: int) -> tuple[bool, ByteChunks]:
        """Return False and the bytes from START to STOP, or True and the whole blob if the registry ignores ranges.

        The response to the first request has arrived when this returns.
        """
        response, begin = self._request_range(start, stop, None)
        is_whole = begin != start or response.status != 206
        chunks = self._read(0, self._size, (response, 0)) if is_whole else self._read(start, stop, (response, start))
        next(chunks)  # start the generator, so that closing it closes the response
        return is_whole, chunks

    def _read(self, start: int, stop: int, first_response: tuple[Response, int] | None) -> ByteChunks:
        """Yield the bytes from START to STOP. RESPONSE is one that was already received, and its offset; then the first chunk is empty."""
        position = start
        budget = RetryBudget(self._retries, start)
        if first_response is not None:
            try:
                yield b""
            except GeneratorExit:
                first_response[0].close()
                raise
        while True:
            response, begin = first_response or self._request_range(position, stop, budget.deadline)
            first_response = None
            try:
                # One surplus byte is passed on, so that the reader sees that the blob is too long.
                for chunk in _read_slice(response, begin, position, stop + (stop == self._size)):
                    position += len(chunk)
                    yield chunk
                reason = f"the answer ended after {position - start} of {stop - start} bytes"
            except Interrupted as interruption:
                reason = str(interruption)
            if position >= stop:
                return
            budget.wait_or_raise(position, Unreachable(f"{self._what}: {self._registry} broke off: {reason}"))

    def _request_range(self, start: int, stop: int, deadline: float | None) -> tuple[Response, int]:
        """Return a response that contains the bytes from START on, and its offset: START, or 0 if the registry ignores the range."""
        if (start, stop) == (0, self._size):
            return self._send({}, (200,), deadline), 0
        response = self._send({"Range": f"bytes={start}-{stop - 1}"}, (200, 206, 400, 416), deadline)
        if response.status == 206 and self._is_range(response.headers.get("Content-Range", ""), start, stop):
            return response, start
        if response.status != 200:
            response.close()
            response = self._send({}, (200,), deadline)
        return response, 0

    def _is_range(self, content_range: str, start: int, stop: int) -> bool:
        match = _CONTENT_RANGE.fullmatch(content_range)
        return match is not None and (int(match[1]), int(match[2])) == (start, stop - 1) and match[3] in ("*", str(self._size))


def _read_slice(response: Response, begin: int, start: int, stop: int) -> ByteChunks:
    """Yield the bytes from START to STOP of a response whose body begins at BEGIN, then close it."""
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
