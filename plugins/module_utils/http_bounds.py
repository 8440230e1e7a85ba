# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP responses with limits on bytes and time, for connections of `http.client` and urllib3. Registries and engines both use this file.

`http.client` itself skips interim answers and trailers without an end, and its timeout starts again with every byte: a server that sends
`HTTP/1.1 100 Continue` for ever, or one byte every few seconds, would hang a play.
"""

from __future__ import annotations

import errno
import http.client
import io
import socket
import struct
import sys
import time
import typing as t

from .limits import HEADER_SECONDS, MAX_HEADER_BYTES, MAX_INTERIM_ANSWERS, MAX_TRAILERS, STALL_FLOOR

_MAX_LINE = 64 * 1024
# Seconds that reading a body waits for a full buffer. Bytes that have arrived are passed on after this time.
_FILL_SECONDS = 0.2
_FILL_TIMEVAL = struct.pack("@ll", 0, int(_FILL_SECONDS * 1_000_000))


class _BoundedBytes(io.RawIOBase):
    """Reads the bytes of one response from its socket. Only time spent waiting for the server counts as a stall, not time that the caller is busy."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, window: float | None, header_seconds: float, end: float | None) -> None:
        super().__init__()
        self._raw = raw
        self._socket = sock
        self._window = window
        self._header_seconds = header_seconds
        self._end = end
        self._header_end: float | None = None
        self._header_bytes = 0
        self._waited = 0.0
        self._received = 0
        self._silence: float | None = None
        self._is_blocking = False
        self.in_headers = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        """Read available bytes. Raises socket.timeout after a stall or a deadline, HTTPException for headers that are too long."""
        if self.in_headers and self._header_bytes > MAX_HEADER_BYTES:
            raise http.client.HTTPException(f"its headers are longer than the {MAX_HEADER_BYTES} bytes that are allowed")
        began = time.monotonic()
        self._check_stall()
        left = self._seconds_left(began)
        silence = self._socket.gettimeout()
        if left is not None:
            self._socket.settimeout(left if silence is None else min(left, silence))
        try:
            count = self._raw.readinto(buffer)
        finally:
            if left is not None:
                self._socket.settimeout(silence)
        now = self._count(began, count or 0)
        if self.in_headers:
            self._header_bytes += count or 0
            self._header_end = self._header_end or now + self._header_seconds
        return count

    @property
    def can_fill(self) -> bool:
        """Whether `fill` works: on a plain TCP connection on Linux."""
        return self._socket.__class__ is socket.socket and sys.platform.startswith("linux")

    def fill(self, buffer: t.Any) -> int:
        """Fill BUFFER from the socket, but wait at most _FILL_SECONDS once bytes have arrived. Return their number, 0 only at the end.

        The kernel does the waiting, so a large read costs one system call and the interpreter's lock is released and awaited once. Without this, threads
        that read at the same time spend more time on handing over that lock than on the bytes. Raises the errors of `readinto`.
        """
        if not self._is_blocking:
            self._silence, self._is_blocking = self._socket.gettimeout(), True
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _FILL_TIMEVAL)
            self._socket.settimeout(None)
        silent_since = time.monotonic()
        while True:
            began = time.monotonic()
            self._check_stall()
            self._seconds_left(began)
            if self._silence is not None and began - silent_since >= self._silence:
                raise socket.timeout("timed out")
            try:
                count = self._socket.recv_into(buffer, 0, socket.MSG_WAITALL)
            except BlockingIOError:
                self._count(began, 0)
                continue
            self._count(began, count)
            return count

    def _count(self, began: float, count: int) -> float:
        """Count the bytes of a read that began at the time BEGAN, and return the time.

        The socket's own timeout bounds the wait for the first byte: a registry may need a long time to check a large upload.
        """
        now = time.monotonic()
        self._waited += now - began if self._received else 0.0
        self._received += count
        return now

    def _check_stall(self) -> None:
        if self._window is None or self._waited < self._window:
            return
        if self._received < STALL_FLOOR * self._waited:
            raise socket.timeout(errno.ETIMEDOUT, f"less than 1 KiB a second came in {self._waited:.0f} seconds")
        self._waited, self._received = 0.0, 0

    def _seconds_left(self, now: float) -> float | None:
        """Return how long the next bytes may take, None without a deadline. Raises socket.timeout after the deadline."""
        header_end = self._header_end if self.in_headers else None
        ends = [end for end in (header_end, self._end) if end is not None]
        if not ends:
            return None
        left = min(ends) - now
        if left <= 0:
            words = "its headers didn't end in time" if header_end is not None and header_end == min(ends) else "it didn't end in time"
            raise socket.timeout(errno.ETIMEDOUT, words)
        return left

    def close(self) -> None:
        if not self.closed:
            if self._is_blocking:
                # The connection may be used for another request.
                self._socket.settimeout(self._silence)
            self._raw.close()
            super().close()


class BoundedResponse(http.client.HTTPResponse):
    """An answer whose headers, interim answers and trailers have bounds. `bounded_response` makes classes with other times.

    Interim answers, headers and trailers beyond the bounds raise HTTPException; a stall and a deadline raise socket.timeout.
    """

    window: float | None = None
    header_seconds = HEADER_SECONDS
    seconds: float | None = None

    def __init__(self, sock: socket.socket, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(sock, *arguments, **options)
        end = None if self.seconds is None else time.monotonic() + self.seconds
        raw = self.fp.detach()
        self._bytes = _BoundedBytes(raw, sock, self.window, self.header_seconds, end)
        self.fp = io.BufferedReader(self._bytes)
        self._statuses = 0

    def begin(self) -> None:
        super().begin()
        self._bytes.in_headers = False

    def _read_status(self) -> tuple[str, int, str]:
        """Read a status line. `begin` calls this for each interim answer, so the number of calls is limited."""
        self._statuses += 1
        if self._statuses > MAX_INTERIM_ANSWERS + 1:
            raise http.client.HTTPException(f"it has more than the {MAX_INTERIM_ANSWERS} interim answers that are allowed")
        status: tuple[str, int, str] = t.cast(t.Any, super())._read_status()
        return status

    def _safe_read(self, amt: int) -> bytes:
        """Read AMT bytes, the chunk size from the server. Refuse a negative size: `-1` would read the whole stream into memory."""
        if amt < 0:
            raise http.client.HTTPException("it has a chunk of a negative size")
        data: bytes = t.cast(t.Any, super())._safe_read(amt)
        return data

    def _read_and_discard_trailer(self) -> None:
        """Skip a limited number of trailers. `http.client` would skip any number."""
        for _trailer in range(MAX_TRAILERS + 1):
            line = self.fp.readline(_MAX_LINE + 1)
            if len(line) > _MAX_LINE:
                raise http.client.LineTooLong("trailer line")
            if line in (b"\r\n", b"\n", b""):
                return
        raise http.client.HTTPException(f"it has more than the {MAX_TRAILERS} trailers that are allowed")


def bounded_response(
    window: float | None = None, header_seconds: float = HEADER_SECONDS, seconds: float | None = None, base: type[BoundedResponse] = BoundedResponse
) -> type[BoundedResponse]:
    """Return a response class for the attribute `response_class` of a connection of `http.client` or urllib3.

    WINDOW: less than 1 KiB a second over so many seconds of waiting ends the answer; None leaves that to the socket's timeout. HEADER_SECONDS: from the
    first byte to the end of the headers. SECONDS: from when the answer is first awaited to its last byte; None for no such deadline.
    """
    return type("Response", (base,), {"window": window, "header_seconds": header_seconds, "seconds": seconds})
