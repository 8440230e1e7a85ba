# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Valid and invalid HTTP answers of an engine: each returns a result or raises one error that names the engine."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine import http_api as api_module
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address, Tls
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import EngineLogin
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, EngineRefused
from tests.support.folders import short_folder


@contextlib.contextmanager
def answering(answer: bytes, until: int | None = None, timeout: float = 5) -> t.Iterator[tuple[Api, list[bytes]]]:
    """Yield an API whose server reads a request, whole or only UNTIL so many bytes, and sends ANSWER; and the list of requests read."""
    requests: list[bytes] = []
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        server.settimeout(5)

        def serve() -> None:
            connection, _address = server.accept()
            with connection:
                connection.settimeout(5)
                data = b""
                while not _is_whole(data) and (until is None or len(data) < until):
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    data += chunk
                requests.append(data)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Api(Address.unix(str(folder / "s")), "docker", timeout), requests
        finally:
            thread.join(10)


def _is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")), 0)
    return bool(end) and len(body) >= length


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_list_can_have_many_objects() -> None:
    with answering(http(b"[" + b",".join([b'{"Id": "x"}'] * 1500) + b"]")) as (api, requests):
        assert len(api.get_list("/images/json")) == 1500
    assert requests[0].startswith(b"GET /images/json HTTP/1.1\r\n")


def test_an_answer_in_chunks_is_read() -> None:
    with answering(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{"a"\r\n5\r\n: 1}]\r\n0\r\n\r\n') as (api, _requests):
        assert [document.members for document in api.get_list("/images/json")] == [{"a": 1}]


def test_a_missing_object_is_none() -> None:
    with answering(http(b'{"message": "no such image"}', "404 Not Found")) as (api, _requests):
        assert api.get("/images/x/json") is None


@pytest.mark.parametrize(
    ("address", "is_sent"),
    [
        (Address.unix("/run/docker.sock"), True),
        (Address.parse("tcp://docker.test", "docker_host", Tls()), True),
        (Address.parse("tcp://docker.test", "docker_host"), False),
    ],
)
def test_a_login_is_sent_to_an_engine_only_where_nobody_can_listen(monkeypatch: pytest.MonkeyPatch, address: Address, is_sent: bool) -> None:
    sent: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(Api, "send", lambda _api, path, headers: sent.append((path, headers)))
    login = EngineLogin("r.test", "user", "p/ss")
    Api(address, "docker", 5).pull("r.test/app", "sha256:0", login)
    ((path, headers),) = sent
    assert path == "/images/create?fromImage=r.test%2Fapp&tag=sha256%3A0"
    decoded = {name: json.loads(base64.urlsafe_b64decode(value)) for name, value in headers.items()}
    assert decoded == ({"X-Registry-Auth": {"username": "user", "password": "p/ss", "serveraddress": "r.test"}} if is_sent else {})
    assert "p/ss" not in repr(login)


def test_an_archive_is_sent_unchanged_with_its_size() -> None:
    with answering(http(b'{"stream": "Loaded image: x"}\n')) as (api, requests):
        api.send("/images/load", [b"first", memoryview(b"second")], 11)
    assert b"Content-Length: 11\r\n" in requests[0]
    assert requests[0].endswith(b"\r\n\r\nfirstsecond")


@pytest.mark.parametrize(
    "answer",
    [
        http(b'{"message": "no space"}', "500 Internal Server Error"),
        http(b'{"stream": "Loading"}\n{"errorDetail": {"message": "no space"}, "error": "no space"}\n'),
        http(b'{"cause": "full", "message": "no space", "response": 500}', "507 Insufficient Storage"),
    ],
)
def test_a_refusal_is_reported_with_the_message_of_the_engine(answer: bytes) -> None:
    with answering(answer) as (api, _requests), pytest.raises(EngineRefused, match=r"docker at unix://.* refused the request: no space"):
        api.send("/images/load", [b"data"], 4)


def test_a_refusal_before_the_end_of_the_archive_is_reported() -> None:
    def endless() -> t.Iterator[bytes]:
        for _piece in range(500):
            yield bytes(65536)

    answer = http(b'{"message": "too large"}', "413 Too Large")
    with answering(answer, until=100_000) as (api, _requests), pytest.raises(EngineError, match=r"too large|closed the connection unexpectedly"):
        api.send("/images/load", endless(), 500 * 65536)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{",
        http(b"<html>"),
        http(b'{"an": "object"}'),
        http(b"[1]"),
        http(b'[{"a": 1, "a": 2}]'),
        http(b"[" * 100_000),
        http(b'[{"a": NaN}]'),
    ],
)
def test_an_invalid_answer_is_an_error_that_names_the_engine(answer: bytes) -> None:
    with answering(answer) as (api, _requests), pytest.raises(EngineError, match="docker"):
        api.get_list("/images/json")


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_LIST", 1000)
    with answering(http(b"[" + b" " * 5000 + b"]")) as (api, _requests), pytest.raises(EngineError, match="longer than the 1000 bytes"):
        api.get_list("/images/json")


def test_an_engine_that_never_answers_is_a_timeout() -> None:
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        with pytest.raises(EngineError, match="didn't answer in time"):
            Api(Address.unix(str(folder / "s")), "docker", 0.2).get("/info")


def test_control_characters_of_an_engine_do_not_reach_a_terminal() -> None:
    with answering(http(b'{"message": "\\u001b[31mred"}', "500 No")) as (api, _requests), pytest.raises(EngineRefused) as caught:
        api.get("/info")
    assert "\x1b" not in caught.value.message
