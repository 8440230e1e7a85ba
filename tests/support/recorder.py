# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in front of a registry that records every request, and can let some fail."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import http.server
import typing as t

from .serving import serving

HANG_UP = 0
_HOP = frozenset(("connection", "transfer-encoding", "keep-alive"))


@dataclasses.dataclass(frozen=True)
class RecordedRequest:
    """A recorded request."""

    method: str
    path: str
    headers: t.Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Recorder:
    """Proxy of the registry at UPSTREAM (host:port, plain HTTP). `requests` holds all requests in order.

    `intercept` may answer a request with a status or HANG_UP before it reaches the registry; with None it is passed on.

    From request number `ends_after` on, its authorization is removed from requests, so that the registry itself refuses them.

    REFUSED maps paths, or methods with a path, to the status that is returned instead of passing the request on.
    """

    def __init__(self, upstream: str, refused: t.Mapping[str, int] | None = None) -> None:
        self.upstream = upstream
        self.refused = dict(refused or {})
        self.requests: list[RecordedRequest] = []
        self.ends_after: int | None = None
        self.intercept: t.Callable[[RecordedRequest], int | None] = self._refusal
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Recorder]:
        with serving(self._server):
            yield self

    def _refusal(self, recorded: RecordedRequest) -> int | None:
        path = recorded.path.partition("?")[0]
        return self.refused.get(path) or self.refused.get(f"{recorded.method} {path}")

    @property
    def ended(self) -> str | None:
        """Return the authorization that is no longer valid."""
        if self.ends_after is None or len(self.requests) < self.ends_after:
            return None
        return self.requests[self.ends_after - 1].headers.get("Authorization")

    @property
    def lines(self) -> list[str]:
        return [str(recorded) for recorded in self.requests]


def _handler(recorder: Recorder) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            # Docker sends a header for each media type that it accepts.
            sent = {key: ", ".join(self.headers.get_all(key) or ()) for key in self.headers}
            recorded = RecordedRequest(self.command, self.path, sent)
            recorder.requests.append(recorded)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = recorder.intercept(recorded)
            if status is not None:
                self._fail(status)
                return
            headers = {key: value for key, value in sent.items() if key.lower() not in _HOP and value != recorder.ended}
            with contextlib.closing(http.client.HTTPConnection(recorder.upstream, timeout=30)) as upstream:
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                data = answer.read()
            # Some tests kill the client.
            with contextlib.suppress(ConnectionError):
                self._answer(answer, data)

        def _fail(self, status: int) -> None:
            self.close_connection = True
            if status != HANG_UP:
                self.send_response_only(status)
                self.send_header("Content-Length", "0")
                # Without this header a client may send its next request over the connection that is about to end.
                self.send_header("Connection", "close")
                self.end_headers()

        def _answer(self, answer: http.client.HTTPResponse, data: bytes) -> None:
            self.send_response_only(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in _HOP:
                    self.send_header(key, value)
            if answer.getheader("Content-Length") is None:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815 - the names are the server's

        def log_message(self, *arguments: object) -> None:
            """Print nothing: the requests are recorded."""

    return Handler
