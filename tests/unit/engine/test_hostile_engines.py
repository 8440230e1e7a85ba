# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostile engines that send endless or slow answers, redirects or lies. Each request ends in time, in bounded memory, with one error."""

from __future__ import annotations

import contextlib
import itertools
import json
import resource
import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine import http_api as api_module
from ansible_collections.longshore.images.plugins.module_utils.engine import interfaces
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address
from ansible_collections.longshore.images.plugins.module_utils.engine.docker import Docker, open_docker
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import Details, EngineImage
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.folders import short_folder
from tests.support.images import make_image

OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TIMEOUT = 1.0
ARCHIVE = b"archive"
MIB = 1024 * 1024


@contextlib.contextmanager
def hostile(*answers: t.Iterable[bytes], every: float = 0, reads: int | None = None, at_most: float = 8) -> t.Iterator[Api]:
    """Yield the API of an engine that sends the next of ANSWERS, part by part, on each connection.

    It reads a whole request, or only READS bytes of it.
    """
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        server.settimeout(20)

        def serve() -> None:
            for parts in answers:
                connection, _address = server.accept()
                with connection, contextlib.suppress(OSError):
                    data, chunk = b"", b"-"
                    while chunk and not (is_whole(data) if reads is None else len(data) >= reads):
                        data += (chunk := connection.recv(65536 if reads is None else reads))
                    for part in parts:
                        connection.sendall(part)
                        time.sleep(every)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        began = time.monotonic()
        yield Api(Address.unix(str(folder / "s")), "docker", TIMEOUT)
        assert time.monotonic() - began < at_most
        thread.join(10)


def is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    return bool(end) and (b"POST" not in head or len(body) == len(ARCHIVE))


def dripping(data: bytes) -> t.Iterator[bytes]:
    return (bytes([byte]) for byte in itertools.chain(data, itertools.repeat(32)))


ENDLESS = {
    "interim answers": itertools.repeat(CONTINUE),
    "a body": itertools.chain([OK + b"\r\n"], itertools.repeat(b" " * MIB)),
    "a body in chunks": itertools.chain([CHUNKED], itertools.repeat(b"100000\r\n" + b" " * MIB + b"\r\n")),
    "a chunk of a negative size": itertools.chain([CHUNKED + b"-1\r\n"], itertools.repeat(b" " * MIB)),
    "headers": itertools.chain([OK], itertools.repeat(b"X: y\r\n")),
    "one header": itertools.chain([OK + b"X: "], itertools.repeat(b"y" * MIB)),
    "a status line": itertools.repeat(b"x" * MIB),
    "trailers": itertools.chain([CHUNKED + b"0\r\n"], itertools.repeat(b"X: y\r\n")),
    "the body of an error": itertools.chain([b"HTTP/1.1 500 No\r\n\r\n"], itertools.repeat(b" " * MIB)),
}


@pytest.mark.parametrize("parts", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_endless_answer_is_aborted_and_takes_no_memory(parts: t.Iterator[bytes]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with hostile(parts) as api, pytest.raises(EngineError, match=r"docker at unix://"):
        api.get("/info")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize("answer", [OK + b"\r\n", CHUNKED + b"1\r\n", CONTINUE * 100, OK + b"Content-Length: 100000\r\n\r\n{"])
def test_a_slow_answer_is_aborted_after_the_timeout(answer: bytes) -> None:
    began = time.monotonic()
    with hostile(dripping(answer), every=0.05) as api, pytest.raises(EngineError, match="didn't answer in time"):
        api.get("/info")
    assert time.monotonic() - began < TIMEOUT + 2


def test_a_slow_answer_to_an_archive_is_aborted_after_the_timeout() -> None:
    with hostile(dripping(OK + b"\r\n{}"), every=0.05) as api, pytest.raises(EngineError, match="didn't answer in time"):
        api.send("/images/load", [ARCHIVE], len(ARCHIVE))


def test_sending_to_an_engine_that_stops_reading_is_aborted() -> None:
    with hostile(itertools.repeat(b"", 100), every=0.05, reads=100) as api, pytest.raises(EngineError, match="didn't answer in time"):
        api.send("/images/load", itertools.repeat(bytes(MIB), 100), 100 * MIB)


def test_sending_to_an_engine_that_reads_slowly_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "ENGINE_FLOOR", 100 * MIB)
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()

        def serve() -> None:
            connection, _address = server.accept()
            with connection:
                while connection.recv(65536):
                    time.sleep(0.2)

        threading.Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(EngineError, match="didn't answer in time"):
            Api(Address.unix(str(folder / "s")), "docker", TIMEOUT).send("/images/load", itertools.repeat(bytes(MIB), 100), 100 * MIB)
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("status", ["300 Multiple", "301 Moved", "302 Found", "304 Not Modified", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("sends", [False, True])
def test_a_redirect_is_refused_and_not_followed(status: str, sends: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/images/json"
        answer = f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with hostile([answer]) as api, pytest.raises(EngineError, match=r"answers with a redirect \(status 30\d\).*not followed"):
            api.send("/images/load", [ARCHIVE], len(ARCHIVE)) if sends else api.get_list("/images/json")
        with pytest.raises(socket.timeout):
            elsewhere.accept()


LIES = {
    "a longer body": OK + b"Content-Length: 100\r\n\r\n{}",
    "a negative length": OK + b"Content-Length: -5\r\n\r\n{}",
    "a length that is none": OK + b"Content-Length: x\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a length of exabytes": OK + b"Content-Length: 9999999999999999999999\r\n\r\n{}",
    "a chunk of exabytes": CHUNKED + b"fffffffffffffffff\r\n{}",
    "a chunk that is none": CHUNKED + b"{}\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\n\r\n{}",
    "a status that is none": b"HTTP/1.1 2000 OK\r\n\r\n{}",
    "a compressed body": OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00\x00",
    "an old protocol": b"{}",
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES.keys())
def test_an_answer_with_false_headers_is_an_error(answer: bytes) -> None:
    with hostile([answer]) as api, pytest.raises(EngineError, match=r"docker at unix://"):
        api.get("/info")


def test_an_incomplete_answer_to_an_archive_is_an_error() -> None:
    with hostile([OK + b"Content-Length: 100\r\n\r\n{}\n"]) as api, pytest.raises(EngineError, match="broke off"):
        api.send("/images/load", [ARCHIVE], len(ARCHIVE))


def test_a_long_error_is_cut() -> None:
    body = json.dumps({"message": "x" * 10_000_000}).encode()
    with hostile([b"HTTP/1.1 500 No Room\r\n\r\n" + body]) as api, pytest.raises(EngineError, match=r"No Room \(status 500\)") as caught:
        api.get("/info")
    assert len(caught.value.message) < 1500


def json_answer(document: t.Any) -> list[bytes]:
    body = json.dumps(document).encode()
    return [OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body]


ID = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def test_the_layers_of_another_image_than_the_requested_one_are_refused() -> None:
    listed = [EngineImage(Digest.parse(ID), {}, image_id=Digest.parse(ID))]
    with hostile(json_answer({"Id": OTHER, "RootFS": {"Layers": [OTHER]}})) as api, pytest.raises(EngineError, match=rf"{ID}.*{OTHER}"):
        Docker(api, None).read_layers(listed, lambda digest: [])


@pytest.mark.parametrize("odd", ["sha256:1", "sha256:" + "G" * 64, "../../etc/passwd", "", "x" * 100_000])
def test_an_invalid_id_is_an_error(odd: str) -> None:
    with hostile(json_answer([{"Id": odd, "RepoTags": ["a:1"]}])) as api, pytest.raises(EngineError, match=r"docker at unix://"):
        Docker(api, None).list_images(t.cast(t.Any, None))


@pytest.mark.parametrize("odd", ["-rf", "a b", "../x", "a:1\nb", "a:1\0", "A", "x" * 100_000])
def test_an_invalid_name_is_never_sent_back(odd: str) -> None:
    with hostile(json_answer([{"Id": ID, "RepoTags": [odd]}])) as api:
        [image] = Docker(api, None).list_images(t.cast(t.Any, None))
    assert not image.names
    assert image.other_names == (ID,)
    assert image.details == Details()


@pytest.mark.parametrize("info", [{"OSType": "li nux", "Architecture": "x" * 10_000}, {"OSType": 1}, {"DriverStatus": "x"}, []])
def test_invalid_facts_of_the_engine_are_an_error_or_ignored(info: t.Any) -> None:
    with hostile([OK + b"Content-Length: 2\r\n\r\nOK"], json_answer(info)) as api, contextlib.suppress(EngineError):
        assert open_docker(api).title == "docker"


def test_usual_interim_answers_are_accepted() -> None:
    with hostile([CONTINUE * 3, *json_answer({"ID": "x"})]) as api:
        assert api.get("/info") is not None


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_LIST", 100_000)
    with (
        hostile(itertools.chain([OK + b"\r\n"], itertools.repeat(b" " * 10_000))) as api,
        pytest.raises(EngineError, match="longer than the 100000 bytes"),
    ):
        api.get_list("/images/json")


@pytest.mark.parametrize("parts", [itertools.repeat(CONTINUE), dripping(OK + b"\r\n")], ids=["endless", "dripping"])
def test_a_task_fails_with_one_engine_error(tmp_path: Path, parts: t.Iterator[bytes]) -> None:
    make_image("app").put(Store(str(tmp_path / "store")), "r.test/app:1")
    with hostile(parts, every=0.05, at_most=20) as api:
        options = {"store": str(tmp_path / "store"), "name": ["r.test/app:1"], "engine": "docker", "docker_host": api.place, "engine_timeout": 1}
        assert modules.fail("image_deliver", options)["error"] == "engine_error"
