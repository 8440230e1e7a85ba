# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A response whose headers or body arrive too slowly times out; one that arrives slowly but steadily doesn't. Forbidden peers get no request."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import threading
import time
import typing as t

import pytest
import urllib3

from ansible_collections.longshore.images.plugins.module_utils.registry.http import connections
from ansible_collections.longshore.images.plugins.module_utils.registry.http.connections import (
    ForbiddenPeer,
    InvalidRequest,
    PeerSession,
    count_received,
    read_available,
)
from tests.support.serving import serving_parts

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"


@contextlib.contextmanager
def slow_server(*parts: bytes, every: float) -> t.Iterator[str]:
    """Run a server that responds with PARTS, one every EVERY seconds, and yield its URL."""
    with serving_parts(parts, every) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def session() -> t.Iterator[PeerSession]:
    session = PeerSession(2, 0.5)
    yield session
    session.close()


def get(session: PeerSession, url: str, read_timeout: float = 5) -> t.Any:
    return session.send_checked("GET", url, None, timeout=(5, read_timeout))[0]


def test_headers_that_arrive_too_slowly_time_out(session: PeerSession) -> None:
    with slow_server(*(bytes([byte]) for byte in HEAD[:20]), every=0.1) as url, pytest.raises(urllib3.exceptions.ReadTimeoutError):
        get(session, url)


def test_a_body_that_arrives_too_slowly_times_out(session: PeerSession) -> None:
    with slow_server(HEAD, *[b"x"] * 20, every=0.1) as url:
        response = get(session, url)
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            all(iter(lambda: response.read(100_000, decode_content=False), b""))


def test_reading_returns_the_bytes_that_have_arrived(session: PeerSession) -> None:
    with slow_server(HEAD, b"abc", b"d" * 9_997, every=0.3) as url:
        response = get(session, url)
        assert response.read(100_000, decode_content=False) == b"abc"
        assert response.read(100_000, decode_content=False) == b"d" * 9_997
        assert response.read(100_000, decode_content=False) == b""


def read_parts(response: t.Any) -> t.Iterator[bytes]:
    """Yield what each call reads into a buffer that is larger than the body."""
    buffer = memoryview(bytearray(20_000))
    while True:
        count = read_available(response, buffer)
        if not count:
            return
        yield bytes(buffer[:count])


def test_bytes_are_passed_on_soon_although_the_buffer_is_not_full(session: PeerSession) -> None:
    with slow_server(HEAD + b"abc", b"d" * 5_000, b"e" * 4_997, every=0.4) as url:
        response = get(session, url)
        parts = list(read_parts(response))
        assert parts == [b"abc", b"d" * 5_000, b"e" * 4_997]
        assert count_received(response) == 10_000


def test_a_buffer_is_filled_from_several_parts(session: PeerSession) -> None:
    with slow_server(HEAD + b"a", *[b"b" * 3_333] * 3, every=0.02) as url:
        parts = list(read_parts(get(session, url)))
        assert b"".join(parts) == b"a" + b"b" * 9_999
        assert len(parts) <= 3


@pytest.mark.parametrize(("parts", "error"), [((b"abc",), http.client.IncompleteRead), ((b"abc", *[b"x"] * 20), TimeoutError)], ids=["end", "stall"])
def test_a_body_that_ends_early_or_stalls_is_an_error_after_its_bytes(session: PeerSession, parts: tuple[bytes, ...], error: type[Exception]) -> None:
    with slow_server(HEAD + parts[0], *parts[1:], every=0.1) as url, get(session, url) as response:
        read = read_parts(response)
        assert next(read) == b"abc"
        with pytest.raises(error):
            list(read)


def test_silence_is_a_timeout(session: PeerSession) -> None:
    with slow_server(HEAD + b"abc", b"late", every=1) as url, get(session, url, 0.3) as response:
        read = read_parts(response)
        assert next(read) == b"abc"
        with pytest.raises(TimeoutError):
            next(read)


def test_chunks_and_bodies_without_a_length_are_read_to_their_end(session: PeerSession) -> None:
    for head, body in ((b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"), (b"Connection: close", b"abc")):
        with slow_server(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", body, every=0.01) as url:
            assert b"".join(read_parts(get(session, url))) == b"abc"


def test_a_slow_first_byte_and_a_slow_but_steady_body_are_no_stall(session: PeerSession) -> None:
    with slow_server(b"", HEAD, *[b"x" * 500] * 20, every=0.1) as url:
        assert len(get(session, url).read()) == 10_000


def test_a_slow_reader_is_no_stall(session: PeerSession) -> None:
    with slow_server(HEAD, b"x" * 5_000, b"y" * 5_000, every=0.1) as url:
        response = get(session, url)
        received = 0
        while received < 10_000:
            time.sleep(0.4)
            received += len(response.read(2_000, decode_content=False))


def test_a_connection_is_reused_after_its_response_was_read(session: PeerSession) -> None:
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _address = server.accept()
            accepted.append(connection)
            for _request in range(3):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        for _request in range(3):
            response = get(session, f"http://127.0.0.1:{server.getsockname()[1]}/")
            assert list(read_parts(response)) == [b"abc"]
            response.close()
        thread.join(5)
        accepted[0].close()


@pytest.mark.parametrize(
    "parts",
    [
        itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
        itertools.chain([HEAD[:17]], itertools.repeat(b"X: " + b"y" * 60_000 + b"\r\n")),
        itertools.chain([HEAD[:17], b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], itertools.repeat(b"X: y\r\n")),
    ],
    ids=["interim answers", "headers", "trailers"],
)
def test_endless_headers_interim_responses_and_trailers_are_refused(session: PeerSession, parts: t.Iterable[bytes]) -> None:
    with slow_server(*itertools.islice(parts, 100_000), every=0) as url:
        started = time.monotonic()
        with pytest.raises(urllib3.exceptions.HTTPError):
            get(session, url).read(100, decode_content=False)
        assert time.monotonic() - started < 5


class RecordingServer:
    """A server on loopback that answers every request, and records the bytes of each connection."""

    def __init__(self, response: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.received: list[bytearray] = []
        self._response = response
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.received.append(data := bytearray())
        with connection, contextlib.suppress(OSError):
            while part := connection.recv(65536):
                data += part
                connection.sendall(self._response)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def recording_server() -> t.Iterator[RecordingServer]:
    server = RecordingServer()
    yield server
    server.close()


NONE_ALLOWED: frozenset[str] = frozenset()
LOOPBACK_ALLOWED = frozenset(["loopback"])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_is_sent_to_an_address_that_a_request_does_not_allow(recording_server: RecordingServer, scheme: str) -> None:
    session = PeerSession(2, 5)
    body = iter([b"the body"])
    with pytest.raises(ForbiddenPeer):
        session.send_checked(
            "PUT",
            f"{scheme}://localhost:{recording_server.port}/",
            NONE_ALLOWED,
            headers={"Authorization": "secret"},
            data=body,
            timeout=(5, 5),
            verify=False,
        )
    session.close()
    time.sleep(0.1)
    # The connection was opened, because only that shows the address; TLS was not started over it.
    assert b"".join(map(bytes, recording_server.received)) == b""
    assert next(body) == b"the body"


def test_a_pooled_connection_is_checked_for_every_request(recording_server: RecordingServer) -> None:
    session = PeerSession(2, 5)
    url = f"http://localhost:{recording_server.port}/"
    for allowed in (None, LOOPBACK_ALLOWED):
        response, kind = session.send_checked("GET", f"{url}good", allowed, timeout=(5, 5))
        assert (response.read(), kind) == (b"ok", "loopback")
    assert len(recording_server.received) == 1
    with pytest.raises(ForbiddenPeer):
        session.send_checked("GET", f"{url}stolen", NONE_ALLOWED, timeout=(5, 5))
    assert session.send_checked("GET", f"{url}good", None, timeout=(5, 5))[0].read() == b"ok"
    session.close()
    assert b"stolen" not in b"".join(map(bytes, recording_server.received))


def test_a_request_sent_while_a_body_is_read_has_a_separate_check(recording_server: RecordingServer) -> None:
    session = PeerSession(2, 5)
    url = f"http://localhost:{recording_server.port}/"

    def body() -> t.Iterator[bytes]:
        with pytest.raises(ForbiddenPeer):
            session.send_checked("GET", f"{url}stolen", NONE_ALLOWED, timeout=(5, 5))
        yield b"x"

    response, kind = session.send_checked("PUT", url, LOOPBACK_ALLOWED, data=body(), timeout=(5, 5))
    assert (response.status, kind) == (200, "loopback")
    with pytest.raises(ForbiddenPeer):
        session.send_checked("GET", f"{url}stolen", NONE_ALLOWED, timeout=(5, 5))
    session.close()


def test_a_socks_proxy_is_refused_and_not_bypassed(recording_server: RecordingServer) -> None:
    session = PeerSession(2, 5)
    url = f"http://localhost:{recording_server.port}/"
    with pytest.raises(InvalidRequest):
        session.send_checked("GET", url, None, timeout=(5, 5), proxy="socks5h://127.0.0.1:1")
    session.close()
    assert recording_server.received == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("file:///etc/passwd", {}),
        ("http:///path", {}),
        ("http://r.io:x/", {}),
        ("http://127.0.0.1:1/", {"Authorization": "Bearer a\r\nX: y"}),
        ("http://127.0.0.1:1/", {"A": " b"}),
    ],
)
def test_an_invalid_url_or_header_is_refused(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        PeerSession(2, 5).send_checked("GET", url, None, headers=headers)


@pytest.mark.parametrize(
    ("path", "sent"),
    [("", "/"), ("//other.test/x", "/other.test/x"), ("/a%2fb?x=%2F&y=a b#part", "/a%2Fb?x=%2F&y=a%20b"), ("/\u00fc", "/%C3%BC")],
)
def test_the_target_of_a_request_is_a_path_at_its_host(recording_server: RecordingServer, path: str, sent: str) -> None:
    session = PeerSession(2, 5)
    session.send_checked("GET", f"http://127.0.0.1:{recording_server.port}{path}", None)[0].read()
    session.close()
    assert recording_server.received[0].startswith(f"GET {sent} HTTP/1.1\r\n".encode())


def test_a_proxy_gets_the_whole_url_and_its_own_login(recording_server: RecordingServer) -> None:
    session = PeerSession(2, 5)
    proxy = f"http://me:p%40ss@127.0.0.1:{recording_server.port}"
    for host in ("r.io", "other.test"):
        session.send_checked("GET", f"http://{host}/v2/?n=1", None, proxy=proxy)[0].read()
    session.close()
    (received,) = recording_server.received  # one connection to the proxy serves all hosts
    assert received.count(b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n") == 2
    assert b"GET http://other.test/v2/?n=1 HTTP/1.1\r\nHost: other.test\r\n" in received


def test_few_hosts_keep_connections(recording_server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_POOLS", 1)
    session = PeerSession(2, 5)
    for host in ("127.0.0.1", "127.0.0.1", "localhost", "127.0.0.1"):
        session.send_checked("GET", f"http://{host}:{recording_server.port}/", None)[0].read()
    session.close()
    assert len(recording_server.received) == 3
