# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending one blob is tried again as often and as long as any other request, whichever part of it fails."""

from __future__ import annotations

import random
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import RegistryError
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry import blob_upload as session
from ansible_collections.longshore.images.plugins.module_utils.registry.blob_upload import BlobUpload
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from tests.support.images import make_image
from tests.support.programmable import acts
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.doors import OpenDoor
from tests.support.programmable.server import Fault, Server

OPEN = "POST */blobs/uploads/*"
FINISH = "PUT */blobs/uploads/*"
IMAGE = make_image("sent", 1, size=100_000)
BLOB = IMAGE.layers[0]


@pytest.fixture
def server() -> t.Iterator[Server]:
    with Server(Distribution(OpenDoor())) as server:
        yield server


def send(server: Server, retries: int, pauses: t.Sequence[float] = (0,)) -> None:
    """Sends the blob in pieces, with these PAUSES before each of them."""

    def content(descriptor: Descriptor) -> t.Iterator[bytes]:
        data = IMAGE.content[descriptor.digest]
        length = -(-len(data) // len(pauses))
        for number, seconds in enumerate(pauses):
            time.sleep(seconds)
            yield data[number * length : (number + 1) * length]

    registries = Registries(ClientSettings(HostSettings(plain_http=True), retries=retries))
    repository = registries.repository(Reference.parse(f"{server.host}/app:1"), direct=True)
    try:
        BlobUpload(repository, BLOB, content, "the blob").send()
    finally:
        registries.client.close()


@pytest.mark.parametrize("where", [OPEN, FINISH])
def test_an_upload_that_always_fails_is_tried_so_often_and_no_more(server: Server, where: str) -> None:
    server.script(Fault(where, acts.instead(503)))
    with pytest.raises(RegistryError, match="503"):
        send(server, 3)
    assert server.count(where) == 3


@pytest.mark.parametrize("where", [OPEN, FINISH])
def test_the_wait_that_a_registry_asks_for_is_kept_to(server: Server, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0)
    server.script(Fault(where, acts.instead(503, b"", ("Retry-After", "1")), times=1))
    began = time.monotonic()
    send(server, 2)
    assert time.monotonic() - began >= 1


def test_a_wait_longer_than_all_tries_may_take_is_not_begun(server: Server) -> None:
    server.script(Fault(FINISH, acts.instead(503, b"", ("Retry-After", "3600"))))
    began = time.monotonic()
    with pytest.raises(RegistryError):
        send(server, 3)
    assert server.count(FINISH) == 1
    assert time.monotonic() - began < 5


def test_the_time_for_tries_begins_when_bytes_stop_to_move(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEADLINE", 0.6)
    server.script(Fault(FINISH, acts.raw(), times=1))
    send(server, 2, (0.4, 0.4, 0.4))
    assert server.count(FINISH) == 2


def test_a_session_that_cannot_be_asked_after_for_now_is_not_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CHUNK_SIZE", 30_000)
    server.script(Fault("PATCH *", acts.instead(503), first=3, times=1), Fault("GET */blobs/uploads/*", acts.instead(503), times=1))
    send(server, 3)
    assert server.count(OPEN) == 1
    assert str(BLOB.digest) in t.cast(Distribution, server.app).repositories["app"].blobs
