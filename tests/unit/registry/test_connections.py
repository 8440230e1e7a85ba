# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An answer that drips is given up, in its headers and in its body; one that comes slowly but steadily isn't."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
import typing as t

import pytest
import requests
import urllib3

from ansible_collections.longshore.images.plugins.module_utils.registry.http.connections import ForbiddenPeer, make_adapter, make_session

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"


@contextlib.contextmanager
def sending(*parts: bytes, every: float) -> t.Iterator[str]:
    """A server that answers with PARTS, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _address = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for part in parts:
                    connection.sendall(part)
                    time.sleep(every)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(10)


@pytest.fixture
def session() -> t.Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", make_adapter(2, 0.5))
        yield session


def test_headers_that_drip_are_given_up(session: requests.Session) -> None:
    with sending(*(bytes([byte]) for byte in HEAD[:20]), every=0.1) as url, pytest.raises(requests.exceptions.ReadTimeout):
        session.get(url, stream=True, timeout=(5, 5))


def test_a_body_that_drips_is_given_up(session: requests.Session) -> None:
    with sending(HEAD, *[b"x"] * 20, every=0.1) as url:
        answer = session.get(url, stream=True, timeout=(5, 5))
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            all(iter(lambda: answer.raw.read(100_000, decode_content=False), b""))


def test_what_has_come_is_had_without_waiting_for_the_rest(session: requests.Session) -> None:
    with sending(HEAD, b"abc", b"d" * 9_997, every=0.3) as url:
        answer = session.get(url, stream=True, timeout=(5, 5))
        assert answer.raw.read(100_000, decode_content=False) == b"abc"
        assert answer.raw.read(100_000, decode_content=False) == b"d" * 9_997
        assert answer.raw.read(100_000, decode_content=False) == b""


def test_a_slow_first_byte_and_a_slow_but_steady_body_are_no_stall(session: requests.Session) -> None:
    with sending(b"", HEAD, *[b"x" * 500] * 20, every=0.1) as url:
        assert len(session.get(url, timeout=(5, 5)).content) == 10_000


def test_a_reader_that_takes_its_time_is_no_stall(session: requests.Session) -> None:
    with sending(HEAD, b"x" * 5_000, b"y" * 5_000, every=0.1) as url:
        answer = session.get(url, stream=True, timeout=(5, 5))
        received = 0
        while received < 10_000:
            time.sleep(0.4)
            received += len(answer.raw.read(2_000, decode_content=False))


def test_a_connection_whose_answer_was_read_is_used_again(session: requests.Session) -> None:
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
            answer = session.get(f"http://127.0.0.1:{server.getsockname()[1]}/", stream=True, timeout=(5, 5))
            assert answer.raw.read(100, decode_content=False) == b"abc"
            answer.close()
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
def test_what_has_no_end_is_given_up_however_fast_it_comes(session: requests.Session, parts: t.Iterable[bytes]) -> None:
    with sending(*itertools.islice(parts, 100_000), every=0) as url:
        began = time.monotonic()
        with pytest.raises((requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError)):
            session.get(url, stream=True, timeout=(5, 5)).raw.read(100, decode_content=False)
        assert time.monotonic() - began < 5


class Counting:
    """A server on loopback that answers every request, and keeps what came over each connection."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.received: list[bytearray] = []
        self._answer = answer
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
                connection.sendall(self._answer)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def counting() -> t.Iterator[Counting]:
    server = Counting()
    yield server
    server.close()


NOWHERE: frozenset[str] = frozenset()
ON_LOOPBACK = frozenset(["loopback"])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_is_sent_to_an_address_that_a_request_does_not_allow(counting: Counting, scheme: str) -> None:
    session = make_session(2, 5)
    body = iter([b"the body"])
    with pytest.raises(ForbiddenPeer):
        session.send_checked(
            "PUT", f"{scheme}://localhost:{counting.port}/", NOWHERE, headers={"Authorization": "secret"}, data=body, timeout=5, verify=False
        )
    session.close()
    time.sleep(0.1)
    # The connection was made, since only that tells the address; TLS was not begun over it either.
    assert b"".join(map(bytes, counting.received)) == b""
    assert next(body) == b"the body"


def test_a_pooled_connection_is_checked_for_every_request(counting: Counting) -> None:
    session = make_session(2, 5)
    url = f"http://localhost:{counting.port}/"
    for allowed in (None, ON_LOOPBACK):
        answer, kind = session.send_checked("GET", f"{url}good", allowed, timeout=5)
        assert (answer.content, kind) == (b"ok", "loopback")
    assert len(counting.received) == 1
    with pytest.raises(ForbiddenPeer):
        session.send_checked("GET", f"{url}stolen", NOWHERE, timeout=5)
    assert session.send_checked("GET", f"{url}good", None, timeout=5)[0].content == b"ok"
    session.close()
    assert b"stolen" not in b"".join(map(bytes, counting.received))


def test_a_request_that_is_sent_while_a_body_is_read_has_a_check_of_its_own(counting: Counting) -> None:
    session = make_session(2, 5)
    url = f"http://localhost:{counting.port}/"

    def body() -> t.Iterator[bytes]:
        with pytest.raises(ForbiddenPeer):
            session.send_checked("GET", f"{url}stolen", NOWHERE, timeout=5)
        yield b"x"

    answer, kind = session.send_checked("PUT", url, ON_LOOPBACK, data=body(), timeout=5)
    assert (answer.status_code, kind) == (200, "loopback")
    with pytest.raises(ForbiddenPeer):
        session.send_checked("GET", f"{url}stolen", NOWHERE, timeout=5)
    session.close()


def test_a_socks_proxy_is_refused_instead_of_passed_by(counting: Counting) -> None:
    session = make_session(2, 5)
    url = f"http://localhost:{counting.port}/"
    with pytest.raises(requests.exceptions.InvalidSchema):
        session.send_checked("GET", url, None, timeout=5, proxies={"http": "socks5h://127.0.0.1:1"})
    session.close()
    assert counting.received == []
