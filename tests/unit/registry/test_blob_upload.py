# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upload is retried as often and as long as any other request, whichever part of it fails."""

from __future__ import annotations

import random
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import RegistryError
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry import blob_upload
from ansible_collections.longshore.images.plugins.module_utils.registry.blob_upload import BlobUpload
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from tests.support.images import make_image
from tests.support.programmable import reactions
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Fault, Server

OPEN = "POST */blobs/uploads/*"
FINISH = "PUT */blobs/uploads/*"
IMAGE = make_image("sent", 1, size=100_000)
BLOB = IMAGE.layers[0]


@pytest.fixture
def server() -> t.Iterator[Server]:
    with Server(Distribution(AnonymousAccess())) as server:
        yield server


def send(server: Server, retries: int, pauses: t.Sequence[float] = (0,)) -> None:
    """Send the blob in pieces, with one of PAUSES before each of them."""

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
def test_a_failing_upload_is_tried_as_often_as_retries_says(server: Server, where: str) -> None:
    server.script(Fault(where, reactions.instead(503)))
    with pytest.raises(RegistryError, match="503"):
        send(server, 3)
    assert server.count(where) == 3


@pytest.mark.parametrize("where", [OPEN, FINISH])
def test_an_upload_waits_as_long_as_the_registry_asks(server: Server, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0)
    server.script(Fault(where, reactions.instead(503, b"", ("Retry-After", "1")), times=1))
    started = time.monotonic()
    send(server, 2)
    assert time.monotonic() - started >= 1


def test_a_wait_beyond_the_deadline_is_not_started(server: Server) -> None:
    server.script(Fault(FINISH, reactions.instead(503, b"", ("Retry-After", "3600"))))
    started = time.monotonic()
    with pytest.raises(RegistryError):
        send(server, 3)
    assert server.count(FINISH) == 1
    assert time.monotonic() - started < 5


def test_the_deadline_for_retries_starts_at_the_last_progress(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_upload, "DEADLINE", 0.6)
    server.script(Fault(FINISH, reactions.raw(), times=1))
    send(server, 2, (0.4, 0.4, 0.4))
    assert server.count(FINISH) == 2


def test_a_session_whose_status_is_temporarily_unavailable_is_resumed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_upload, "CHUNK_SIZE", 30_000)
    server.script(Fault("PATCH *", reactions.instead(503), first=3, times=1), Fault("GET */blobs/uploads/*", reactions.instead(503), times=1))
    send(server, 3)
    assert server.count(OPEN) == 1
    assert str(BLOB.digest) in t.cast(Distribution, server.app).repositories["app"].blobs
