# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_pull over a network that is slow, breaks or stalls: a real registry behind a proxy that records requests."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.store.pulling import StorePulling
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http.client import HttpClient
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer import ranged_fetch as fetch
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull import PullPolicy, plan_pull
from tests.support import modules
from tests.support.faults import partial_files, wrong_blobs
from tests.support.images import Image, make_image
from tests.support.registry import Registry, needed
from tests.support.serving import serving
from tests.support.throttle import Throttle

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
MIB = 1024 * 1024
IMAGE = make_image("slow", 1, HOST, size=6 * MIB)
LAYER = IMAGE.layers[0]


@pytest.fixture
def throttle(anonymous: Registry, repository: str) -> t.Iterator[Throttle]:
    """Run a slow proxy of a registry that has the image."""
    anonymous.put(IMAGE, repository, "1")
    throttle = Throttle(anonymous.host)
    with throttle.running():
        yield throttle


def options(throttle: Throttle, repository: str, store: str) -> dict[str, t.Any]:
    return {"name": f"{throttle.host}/{repository}:1", "store": store}


def wait_until(condition: t.Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_whole(store: str, image: Image = IMAGE) -> bool:
    opened = Store(store)
    return wrong_blobs(store) == [] and partial_files(store) == [] and all(opened.has_blob(blob) for blob in image.blobs)


def layer_ranges(throttle: Throttle) -> list[tuple[int, int] | None]:
    """Return the requested ranges of the layer. The config is fetched once, as a whole."""
    ranges = throttle.asked_ranges()
    ranges.remove(None)
    return ranges


def test_the_proxy_is_honest(throttle: Throttle, repository: str, tmp_path: Path) -> None:
    needed("skopeo")
    command = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{throttle.host}/{repository}:1", f"oci:{tmp_path}/copy:1"]
    subprocess.run(command, check=True)
    assert (tmp_path / "copy" / "blobs" / "sha256" / LAYER.digest.hex).read_bytes() == IMAGE.content[LAYER.digest]


def test_a_killed_pull_is_resumed_and_fetches_only_the_rest(throttle: Throttle, repository: str, store: str) -> None:
    throttle.rate = 2 * MIB
    running = modules.start_module("image_pull", options(throttle, repository, store))
    wait_until(lambda: throttle.sent > 3 * MIB)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert partial_files(store) != []

    throttle.rate, throttle.sent = None, 0
    throttle.requests.clear()
    results = modules.run("image_pull", options(throttle, repository, store))
    (asked,) = [span for span in throttle.asked_ranges() if span is not None]
    assert asked[0] > MIB
    assert asked[1] == LAYER.size
    assert throttle.sent < LAYER.size - MIB
    assert results["bytes_transferred"] >= LAYER.size  # a resumed blob counts with its full size
    assert is_whole(store)


def test_a_pull_whose_network_failed_permanently_is_resumed(throttle: Throttle, repository: str, store: str) -> None:
    throttle.breaks, throttle.broken_after = 1, 4 * MIB
    failed = modules.fail("image_pull", {**options(throttle, repository, store), "retries": 1})
    assert failed["error"] == "unreachable"
    assert str(LAYER.digest) in failed["msg"]

    throttle.requests.clear()
    modules.run("image_pull", options(throttle, repository, store))
    assert (4 * MIB, LAYER.size) in throttle.asked_ranges()
    assert is_whole(store)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges honoured", "ranges ignored"])
def test_a_broken_connection_is_resumed_at_its_offset(throttle: Throttle, repository: str, store: str, ranges: bool) -> None:
    throttle.ranges = ranges
    throttle.breaks, throttle.broken_after = 2, 2 * MIB
    modules.run("image_pull", options(throttle, repository, store))
    expected = [None, (2 * MIB, LAYER.size), (4 * MIB if ranges else 2 * MIB, LAYER.size)]
    assert layer_ranges(throttle) == expected
    assert is_whole(store)


def test_eight_processes_that_pull_one_layer_fetch_it_once(throttle: Throttle, repository: str, store: str) -> None:
    throttle.rate = 2 * MIB
    running = [modules.start_module("image_pull", options(throttle, repository, store)) for _process in range(8)]
    results = [modules.finish_module(process) for process in running]
    assert [result.get("msg") for result in results] == [None] * 8
    assert len([recorded for recorded in throttle.requests if str(LAYER.digest) in recorded.path]) == 1
    assert is_whole(store)


# Large blobs, with small limits for the size.


@pytest.fixture
def _in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MIN_PARALLEL", MIB)
    monkeypatch.setattr(fetch, "MIN_RANGE", MIB)
    monkeypatch.setattr(fetch, "RECORD_EVERY", MIB // 4)
    monkeypatch.setattr(fetch, "FAST", float("inf"))


def pull(throttle: Throttle, repository: str, store: str, retries: int = 5, concurrency: int = 4) -> list[str]:
    """Pull in this process, and return the error messages."""
    registries = Registries(ClientSettings(default=HostSettings(plain_http=True), retries=retries, concurrency=concurrency))
    host = Platform.parse(HOST)
    with Workers(concurrency) as workers:
        place = StorePulling(Store(store), registries.repository, Selection((host,), explicit=False), host, workers)
        plan = plan_pull(place, [Reference.parse(f"{throttle.host}/{repository}:1")], PullPolicy.ALWAYS)
        plan = plan.apply(workers)
    registries.client.close()
    return [error.message for error in plan.errors]


def pieces() -> list[tuple[int, int]]:
    return [(start, min(start + MIB, LAYER.size)) for start in range(0, LAYER.size, MIB)]


@pytest.mark.usefixtures("_in_pieces")
def test_a_large_layer_is_fetched_in_parallel_ranges(throttle: Throttle, repository: str, store: str) -> None:
    throttle.rate = 2 * MIB
    began = time.monotonic()
    assert pull(throttle, repository, store) == []
    assert time.monotonic() - began < LAYER.size / throttle.rate / 2
    assert sorted(filter(None, throttle.asked_ranges())) == pieces()
    assert is_whole(store)


@pytest.mark.usefixtures("_in_pieces")
def test_one_transfer_at_a_time_means_one_connection(throttle: Throttle, repository: str, store: str) -> None:
    assert pull(throttle, repository, store, concurrency=1) == []
    assert throttle.asked_ranges() == [None, None]
    assert is_whole(store)


@pytest.mark.usefixtures("_in_pieces")
def test_the_first_answer_is_the_layer_if_ranges_are_ignored(throttle: Throttle, repository: str, store: str) -> None:
    throttle.ranges = False
    assert pull(throttle, repository, store) == []
    assert layer_ranges(throttle) == [(0, MIB)]
    assert is_whole(store)


@pytest.mark.usefixtures("_in_pieces")
def test_the_layer_is_fetched_as_a_whole_if_ranges_are_suddenly_ignored(throttle: Throttle, repository: str, store: str) -> None:
    throttle.rate = 2 * MIB
    stop = threading.Timer(0.7, lambda: setattr(throttle, "ranges", False))
    throttle.breaks, throttle.broken_after = 3, MIB // 2
    stop.start()
    assert pull(throttle, repository, store) == []
    stop.join()
    assert is_whole(store)


@pytest.mark.usefixtures("_in_pieces")
def test_ranges_that_break_off_are_resumed_and_received_bytes_are_not_requested_again(throttle: Throttle, repository: str, store: str) -> None:
    throttle.breaks, throttle.broken_after = 3, MIB // 2
    (outcome,) = pull(throttle, repository, store, retries=1)
    assert "broke off" in outcome
    throttle.breaks, throttle.sent = 1, 0
    assert pull(throttle, repository, store) == []
    assert throttle.sent < LAYER.size - MIB // 4
    assert is_whole(store)


# Stalls.


@contextlib.contextmanager
def silent_registry() -> t.Iterator[str]:
    """Run a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept()[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in kept:
            connection.close()


def test_a_silent_registry_is_an_error_after_the_timeout(store: str) -> None:
    with silent_registry() as host:
        began = time.monotonic()
        results = modules.fail("image_pull", {"name": f"{host}/a:1", "store": store, "plain_http": True, "timeout": 1, "retries": 2})
        assert results["error"] == "unreachable"
        assert time.monotonic() - began < 20


# Rate limits.


def test_a_host_that_limits_requests_gets_fewer_at_once_and_all_succeed() -> None:
    at_once, most, lock = [0], [0], threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                at_once[0] += 1
                refused = at_once[0] > 3
                most[0] = max(most[0], at_once[0])
            time.sleep(0.05)
            with lock:
                at_once[0] -= 1
            self.send_response_only(429 if refused else 200)
            self.send_header("RateLimit-Remaining", "7" if refused else "9")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            """Nothing is printed."""

    client = HttpClient(ClientSettings(concurrency=8))
    answers: list[bytes] = []
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        request = Request("GET", f"http://127.0.0.1:{port}/", "it")

        def ask() -> None:
            answers.extend(client.send(request, HostSettings()).body(10) for _request in range(5))

        threads = [threading.Thread(target=ask) for _thread in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        client.close()
    assert answers == [b"{}"] * 40
    assert most[0] > 3
    assert client.rate_limit == (None, 7)
