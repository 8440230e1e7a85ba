# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A threaded HTTP(S) server for tests. An application answers honestly, and scripted faults change its answers.

Everything is a function from a request to an answer: the application (`App`), and the reaction of a fault, which also gets the application.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import http.server
import ssl
import threading
import traceback
import typing as t
from email.message import Message
from urllib.parse import parse_qsl, urlsplit

PAUSE = 0.01  # seconds between checks for a stop of the server


@dataclasses.dataclass(frozen=True)
class Request:
    """A received request. `target` is the path with the query, as sent; `authorized` says whether it carried valid credentials."""

    method: str
    target: str
    headers: Message
    body: bytes = b""
    authorized: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.target}"

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def values(self, name: str) -> list[str]:
        """Return all values of a parameter of the query."""
        return [value for key, value in self.query if key == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def without(self, name: str) -> Request:
        """Return this request without one of its headers."""
        headers = Message()
        for key, value in self.headers.items():
            if key.lower() != name.lower():
                headers[key] = value
        return dataclasses.replace(self, headers=headers)


@dataclasses.dataclass(frozen=True)
class Wire:
    """How an answer is sent.

    `framing`: with its `length`, in `chunks`, or up to the `end` of the connection. `cut` ends the connection after so many bytes of the body. `pace` sends
    so many bytes at a time, with so many seconds after each. `repeat` sends the body so many times. `raw` is sent instead of everything, and the connection
    ends.
    """

    delay: float = 0
    framing: str = "length"
    cut: int | None = None
    pace: tuple[int, float] | None = None
    repeat: int = 1
    raw: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """A status, headers (names may repeat) and a body. The server adds Content-Length if it is missing."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    wire: Wire = Wire()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_header(self, name: str, value: str | None) -> Answer:
        """Return this answer with one header replaced, added, or (None) removed."""
        kept = tuple((key, old) for key, old in self.headers if key.lower() != name.lower())
        return dataclasses.replace(self, headers=kept if value is None else (*kept, (name, value)))

    def on_wire(self, **changes: t.Any) -> Answer:
        return dataclasses.replace(self, wire=dataclasses.replace(self.wire, **changes))


App = t.Callable[[Request], Answer]
Placeholders = t.Mapping[str, str]
Reaction = t.Callable[[Request, App, Placeholders], Answer]


@dataclasses.dataclass(frozen=True)
class Fault:
    """Apply REACTION to requests that match WHERE, a glob over `METHOD /path?query` in which `{name}` stands for the value of a placeholder:
    to `times` of them, beginning with number `first`.

    Requests without the needed credentials are affected only if ANYONE is set. If UNREAD is set, the body of the request is not read.
    """

    where: str
    reaction: Reaction
    first: int = 1
    times: int = 1_000_000
    anyone: bool = False
    unread: bool = False

    def matches(self, request: Request, placeholders: Placeholders) -> bool:
        return (request.authorized or self.anyone) and fits(request, self.where, placeholders)


def fits(request: Request, pattern: str, placeholders: Placeholders) -> bool:
    """Return whether `METHOD /path?query` matches a glob."""
    for name, value in placeholders.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return fnmatch.fnmatchcase(str(request), pattern.replace("[", "[[]"))


class Server:
    """Serve APP on a free port of ADDRESS. `requests` holds all requests in order, `placeholders` has the values of `{name}` in faults.

    IS_AUTHORIZED returns whether a request carries valid credentials. Only the application refuses requests.
    """

    def __init__(
        self,
        app: App,
        tls: ssl.SSLContext | None = None,
        is_authorized: t.Callable[[Request], bool] = lambda request: True,
        address: str = "127.0.0.1",
    ) -> None:
        self.app = app
        self.is_authorized = is_authorized
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self.placeholders: dict[str, str] = {}
        self.sent = 0
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._met: dict[int, int] = {}
        self._server = _Listener((address, 0), _handler(self))
        self._server.tls = tls
        self.port = int(self._server.server_address[1])
        self.host = f"{address}:{self.port}"
        self.url = f"{'https' if tls is not None else 'http'}://{self.host}"
        self.placeholders["self"] = self.url

    def __enter__(self) -> Server:
        threading.Thread(target=self._server.serve_forever, args=(PAUSE,), daemon=True).start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        assert self.errors == [], "\n".join(self.errors)

    @property
    def lines(self) -> list[str]:
        return [str(request) for request in self.requests]

    def hang_up(self, times: int) -> None:
        """Close the next connections after the first bytes arrive, without an answer."""
        self._server.hang_ups = times

    def count(self, pattern: str) -> int:
        """Return how many requests with valid credentials match a glob."""
        return sum(request.authorized and fits(request, pattern, self.placeholders) for request in self.requests)

    def script(self, *faults: Fault) -> None:
        """Replace the faults. The first one that matches a request and is not used up applies."""
        with self._lock:
            self._faults = list(faults)
            self._met = {}

    def fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            chosen = None
            for number, fault in enumerate(self._faults):
                if not fault.matches(request, self.placeholders):
                    continue
                self._met[number] = self._met.get(number, 0) + 1
                if chosen is None and fault.first <= self._met[number] < fault.first + fault.times:
                    chosen = fault
            return chosen

    def answer(self, request: Request, fault: Fault | None) -> Answer:
        with self._lock:
            self.requests.append(request)
        try:
            return fault.reaction(request, self.app, self.placeholders) if fault is not None else self.app(request)
        except Exception:  # noqa: BLE001 - reported when the server ends: an error of the test's own must fail the test
            self.errors.append(traceback.format_exc())
            return Answer(599)

    def count_sent(self, size: int) -> None:
        with self._lock:
            self.sent += size


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    tls: ssl.SSLContext | None = None
    hang_ups = 0

    def get_request(self) -> tuple[t.Any, t.Any]:
        """Accept without the TLS handshake, which runs in the thread of the connection: a slow client delays no other."""
        connection, address = super().get_request()
        if self.hang_ups:
            self.hang_ups -= 1
            with connection:
                connection.settimeout(5)
                connection.recv(65536)
            raise ConnectionAbortedError
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that refuse a certificate or disconnect, which is what tests do."""


def _handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            request = Request(self.command, self.path, self.headers)
            request = dataclasses.replace(request, authorized=server.is_authorized(request))
            fault = server.fault_for(request)
            unread = fault is not None and fault.unread
            answer = server.answer(request if unread else dataclasses.replace(request, body=self._body()), fault)
            self.close_connection = self.close_connection or unread
            # Some tests kill the client, or let it disconnect.
            with contextlib.suppress(OSError):
                self._send(answer)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = bytearray()
            while True:
                size = int(self.rfile.readline().partition(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return bytes(body)

        def _send(self, answer: Answer) -> None:
            wire = answer.wire
            if wire.delay:
                server.ending.wait(wire.delay)
            if wire.raw is not None:
                self.wfile.write(wire.raw)
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for key, value in answer.headers:
                self.send_header(key, value)
            if wire.framing == "length" and answer.header("Content-Length") is None and answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body) * wire.repeat))
            if wire.framing == "chunks":
                self.send_header("Transfer-Encoding", "chunked")
            if wire.framing == "end":
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD" and answer.status != 204:
                self._send_body(answer)

        def _send_body(self, answer: Answer) -> None:
            wire = answer.wire
            body = answer.body if wire.cut is None else answer.body[: wire.cut]
            step, wait = wire.pace or (1024 * 1024, 0.0)
            for _time in range(wire.repeat):
                for start in range(0, len(body), step):
                    piece = body[start : start + step]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if wire.framing == "chunks" else piece)
                    server.count_sent(len(piece))
                    if server.ending.wait(wait) if wait else server.ending.is_set():
                        return
            if wire.cut is not None or wire.framing == "end":
                self.close_connection = True
            elif wire.framing == "chunks":
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_CONNECT = _serve  # noqa: N815 - the names are the server's

        def log_message(self, *arguments: object) -> None:
            """Print nothing: the requests are recorded."""

    return Handler
