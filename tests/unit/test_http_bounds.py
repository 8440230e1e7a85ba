# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP answer has bounds: in interim answers, in headers, in trailers, and in time."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils import limits
from ansible_collections.longshore.images.plugins.module_utils.http_bounds import bounded_response
from tests.support.serving import serving_parts

OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SILENCE = 5.0
WITHIN = 4.0


@contextlib.contextmanager
def asking(port: int, **bounds: t.Any) -> t.Iterator[http.client.HTTPConnection]:
    """A connection that has sent a request. The test fails when it takes longer than its bounds allow."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SILENCE)
    connection.response_class = bounded_response(**bounds)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        yield connection
    assert time.monotonic() - began < WITHIN


ENDLESS_HEADERS = [
    ("interim answers", itertools.repeat(CONTINUE), "interim answers"),
    ("interim answers with headers", itertools.repeat(CONTINUE[:-2] + b"X: y\r\n\r\n"), "interim answers"),
    ("long headers", itertools.chain([OK], itertools.repeat(b"X: " + b"y" * 60_000 + b"\r\n")), "longer than the"),
    ("long interim headers", itertools.chain([CONTINUE[:-2]], itertools.repeat(b"X: " + b"y" * 60_000 + b"\r\n")), "longer than the"),
]


@pytest.mark.parametrize(("parts", "words"), [case[1:] for case in ENDLESS_HEADERS], ids=[case[0] for case in ENDLESS_HEADERS])
def test_headers_without_an_end_are_given_up(parts: t.Iterable[bytes], words: str) -> None:
    with serving_parts(parts) as port, asking(port) as connection, pytest.raises(http.client.HTTPException, match=words):
        connection.getresponse()


@pytest.mark.parametrize("parts", [[bytes([byte]) for byte in OK * 100], [CONTINUE] * 10], ids=["headers", "interim answers"])
def test_headers_that_drip_are_given_up(parts: t.Sequence[bytes]) -> None:
    with serving_parts(parts, every=0.2) as port, asking(port, header_seconds=1) as connection, pytest.raises(socket.timeout):
        connection.getresponse()


def test_trailers_without_an_end_are_given_up() -> None:
    parts = itertools.chain([CHUNKED + b"1\r\nx\r\n0\r\n"], itertools.repeat(b"X: y\r\n"))
    with serving_parts(parts) as port, asking(port) as connection:
        answer = connection.getresponse()
        with pytest.raises(http.client.HTTPException, match="trailers"):
            answer.read(100)


@pytest.mark.parametrize("head", [OK + b"Content-Length: 1000\r\n\r\n", OK + b"\r\n"], ids=["with a length", "without one"])
def test_a_deadline_ends_an_answer_that_drips(head: bytes) -> None:
    with serving_parts([head, *[b"x"] * 100], every=0.1) as port, asking(port, seconds=1) as connection:
        answer = connection.getresponse()
        with pytest.raises(socket.timeout):
            answer.read(1000)
        answer.close()


def test_a_deadline_is_shorter_than_the_timeout_of_the_socket() -> None:
    with serving_parts([OK], every=3) as port, asking(port, seconds=1) as connection, pytest.raises(socket.timeout):
        connection.getresponse()


def test_a_usual_answer_is_read_and_the_timeout_of_its_socket_stays() -> None:
    trailers = b"X: y\r\n" * limits.MAX_TRAILERS
    parts = [CONTINUE] * limits.MAX_INTERIM_ANSWERS + [CHUNKED, b"3\r\nabc\r\n", b"0\r\n" + trailers + b"\r\n"]
    with serving_parts(parts) as port, asking(port, header_seconds=2, seconds=3) as connection:
        answer = connection.getresponse()
        assert connection.sock.gettimeout() == SILENCE
        assert answer.read(100) == b"abc"
        assert answer.read(100) == b""
