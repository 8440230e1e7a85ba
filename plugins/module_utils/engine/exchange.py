# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send one HTTP request to an engine and read its answer within limits of size and time, so that a hostile or broken engine can't hang a play."""

from __future__ import annotations

import http.client
import socket
import time
import typing as t

from ..http_bounds import bounded_response
from ..limits import MAX_ERROR_BODY
from .interfaces import Chunks, seconds_to_send

_READ_SIZE = 64 * 1024


class Answer(t.NamedTuple):
    """The answer of an engine. The body of an error may be cut."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


class AnswerTooLong(Exception):
    """The body is longer than the caller allows."""


class _TimedSocket:
    """An open socket for `http.client`. The engine must accept some bytes every TIMEOUT seconds, and the whole request before END."""

    def __init__(self, opened: socket.socket, timeout: float, end: float) -> None:
        self._socket = opened
        self._timeout = timeout
        self._end = end

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send DATA. Raises socket.timeout if the engine stalls or is too slow overall."""
        rest = memoryview(data)
        while rest:
            left = self._end - time.monotonic()
            if left <= 0:
                raise socket.timeout("it accepts the archive too slowly")
            self._socket.settimeout(min(left, self._timeout))
            rest = rest[self._socket.send(rest) :]
        self._socket.settimeout(self._timeout)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._socket, name)


class Exchange(http.client.HTTPConnection):
    """One request over an open socket. The whole answer must arrive within TIMEOUT seconds after the request.

    An answer that IS_STREAMED may be longer, as long as it doesn't stall for TIMEOUT seconds.
    """

    def __init__(self, opened: socket.socket, timeout: float, size: int, is_streamed: bool = False) -> None:
        super().__init__("engine")
        self.response_class = bounded_response(
            window=timeout if is_streamed else None, header_seconds=timeout, seconds=None if is_streamed else timeout
        )
        self.sock = t.cast(t.Any, _TimedSocket(opened, timeout, time.monotonic() + seconds_to_send(size, timeout)))

    def send_request(self, method: str, path: str, limit: int, body: Chunks, size: int, headers: t.Mapping[str, str] | None = None) -> Answer:
        """Return the answer. Raises AnswerTooLong above LIMIT bytes, HTTPException if the answer is not HTTP, OSError if the connection fails."""
        with self._send(method, path, body, size, headers or {}) as response:
            is_error = response.status >= http.client.BAD_REQUEST
            data = _read_body(response, min(limit, MAX_ERROR_BODY) if is_error else limit)
            if len(data) > limit and not is_error:
                raise AnswerTooLong
            return Answer(response.status, response.reason, response.headers, data)

    def stream_answer(self, path: str) -> t.Iterator[Answer | bytes]:
        """Yield the answer to a GET request, with the body of an error only, and then its body in pieces. Raises as `send_request` does."""
        with self._send("GET", path, (), 0, {}) as response:
            is_error = response.status >= http.client.MULTIPLE_CHOICES
            yield Answer(response.status, response.reason, response.headers, _read_body(response, MAX_ERROR_BODY) if is_error else b"")
            _check_length(response.headers)
            while chunk := response.read(_READ_SIZE):
                yield chunk
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)

    def _send(self, method: str, path: str, body: Chunks, size: int, headers: t.Mapping[str, str]) -> http.client.HTTPResponse:
        self.putrequest(method, path, skip_accept_encoding=True)
        if method == "POST":
            self.putheader("Content-Type", "application/x-tar")
            self.putheader("Content-Length", str(size))
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders()
        try:
            for chunk in body:
                self.send(chunk)
        except (BrokenPipeError, ConnectionResetError) as error:
            # The engine may have sent an error message before it stopped reading.
            try:
                return self.getresponse()
            except (OSError, http.client.HTTPException):
                raise error from None
        return self.getresponse()


def _read_body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Return the body, cut after LIMIT + 1 bytes. Raises HTTPException if it is shorter than its Content-Length."""
    _check_length(response.headers)
    data = bytearray()
    while len(data) <= limit:
        chunk = response.read(min(_READ_SIZE, limit + 1 - len(data)))
        if not chunk:
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            break
        data += chunk
    return bytes(data)


def _check_length(headers: http.client.HTTPMessage) -> None:
    """Raise HTTPException unless there is at most one valid length. `http.client` uses the first of several and ignores an invalid one."""
    lengths = {text.strip() for text in headers.get_all("Content-Length", [])}
    if len(lengths) > 1 or not all(text.isascii() and text.isdigit() for text in lengths):
        raise http.client.HTTPException("its Content-Length is not one number")
