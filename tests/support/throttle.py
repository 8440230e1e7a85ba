# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A slow proxy of a registry: it limits the speed of each connection, honours ranges or not, and can break answers off."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import time
import typing as t

from .recorder import RecordedRequest, Recorder

_SLICE = 128 * 1024
_HOP = frozenset(("connection", "keep-alive"))


class Throttle(Recorder):
    """Pass everything on. Its attributes change the behaviour at any time."""

    def __init__(self, upstream: str, rate: float | None = None, ranges: bool = True) -> None:
        """RATE is in bytes per second and connection; None means unlimited. Without RANGES the header is removed from requests."""
        super().__init__(upstream)
        self.rate = rate
        self.ranges = ranges
        # The number of coming bodies that are cut off, with their connections, after `broken_after` bytes.
        self.breaks = 0
        self.broken_after = 0
        self.sent = 0
        self._server.RequestHandlerClass = _handler(self)

    def relay(self, answer: http.client.HTTPResponse, client: t.BinaryIO) -> None:
        began, sent = time.monotonic(), 0
        while True:
            chunk = answer.read(_SLICE)
            if not chunk:
                return
            if self.breaks and sent + len(chunk) > self.broken_after:
                self.breaks -= 1
                client.write(chunk[: self.broken_after - sent])
                raise ConnectionAbortedError("the server closed the connection on purpose")
            client.write(chunk)
            sent += len(chunk)
            self.sent += len(chunk)
            if self.rate is not None:
                time.sleep(max(0.0, sent / self.rate - (time.monotonic() - began)))

    def asked_ranges(self) -> list[tuple[int, int] | None]:
        """Return the requested ranges of blobs as start and stop, or None for a request of the whole blob."""
        return [_span(recorded.headers.get("Range")) for recorded in self.requests if "/blobs/" in recorded.path and recorded.method == "GET"]


def _span(header: str | None) -> tuple[int, int] | None:
    if header is None:
        return None
    start, last = header.removeprefix("bytes=").split("-")
    return int(start), int(last) + 1


def _handler(throttle: Throttle) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # Some tests kill the client.
            with contextlib.suppress(ConnectionError):
                super().handle()

        def _forward(self) -> None:
            throttle.requests.append(RecordedRequest(self.command, self.path, dict(self.headers)))
            left_out = _HOP if throttle.ranges else {*_HOP, "range"}
            with contextlib.closing(http.client.HTTPConnection(throttle.upstream, timeout=30)) as upstream:
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for key, value in self.headers.items():
                    if key.lower() not in left_out:
                        upstream.putheader(key, value)
                upstream.endheaders(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self._answer(upstream.getresponse())

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in {*_HOP, "transfer-encoding"}:
                    self.send_header(key, value)
            if answer.getheader("Content-Length") is None:
                self.send_header("Connection", "close")
            self.end_headers()
            try:
                throttle.relay(answer, t.cast(t.BinaryIO, self.wfile))
            except ConnectionError:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815 - the names are the server's

        def log_message(self, *arguments: object) -> None:
            """Print nothing: the requests are recorded."""

    return Handler
