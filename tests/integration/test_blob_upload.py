# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload one blob to a real registry: in one request, in chunks, and with network failures."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, RegistryError
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry import blob_upload as session
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.registry.upload import RepositoryWriter
from tests.support.recorder import HANG_UP, RecordedRequest, Recorder

CHUNK = 1000


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CHUNK_SIZE", CHUNK)


@pytest.fixture
def target(recording: Recorder, repository: str) -> Repository:
    return Registries(ClientSettings(retries=3)).repository(Reference.parse(f"{recording.host}/{repository}:1"))


class Content:
    """SIZE bytes in pieces that differ from the chunk size. `opened` counts how often they were read."""

    def __init__(self, size: int) -> None:
        self.data = bytes(number * number % 251 for number in range(size))
        self.descriptor = Descriptor("application/octet-stream", Digest.of(self.data), size)
        self.opened = 0

    def open(self, _descriptor: Descriptor) -> t.Iterator[bytes]:
        self.opened += 1
        yield from (self.data[start : start + 333] for start in range(0, len(self.data), 333))


def sent(recording: Recorder) -> list[str]:
    return [
        recorded.method if "Content-Range" not in recorded.headers else f"PATCH {recorded.headers['Content-Range']}"
        for recorded in recording.requests
    ]


def once(condition: t.Callable[[RecordedRequest], bool], status: int) -> t.Callable[[RecordedRequest], int | None]:
    """Return an interceptor that fails the first request for which CONDITION is true."""
    failed: list[RecordedRequest] = []

    def intercept(recorded: RecordedRequest) -> int | None:
        if failed or not condition(recorded):
            return None
        failed.append(recorded)
        return status

    return intercept


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK])
def test_a_blob_of_up_to_one_chunk_goes_in_one_piece(recording: Recorder, target: Repository, size: int) -> None:
    content = Content(size)
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert sent(recording) == ["POST", "PUT"]
    assert target.has_blob(content.descriptor)


@pytest.mark.parametrize("size", [CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 500])
def test_a_larger_blob_goes_in_chunks_and_is_read_once(recording: Recorder, target: Repository, size: int) -> None:
    content = Content(size)
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    ranges = [f"PATCH {start}-{min(start + CHUNK, size) - 1}" for start in range(0, size, CHUNK)]
    assert sent(recording) == ["POST", *ranges, "PUT"]
    assert content.opened == 1
    assert b"".join(map(bytes, target.read_blob(content.descriptor))) == content.data


@pytest.mark.parametrize("fault", [HANG_UP, 500, 503])
def test_an_upload_that_breaks_off_resumes_at_the_offset_of_the_registry(recording: Recorder, target: Repository, fault: int) -> None:
    content = Content(3 * CHUNK)
    recording.intercept = once(lambda recorded: recorded.headers.get("Content-Range") == "1000-1999", fault)
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert sent(recording) == ["POST", "PATCH 0-999", "PATCH 1000-1999", "GET", "PATCH 1000-1999", "PATCH 2000-2999", "PUT"]
    assert b"".join(map(bytes, target.read_blob(content.descriptor))) == content.data


def test_an_upload_that_the_registry_lost_is_restarted(recording: Recorder, target: Repository) -> None:
    content = Content(3 * CHUNK)
    breaking = once(lambda recorded: recorded.headers.get("Content-Range") == "2000-2999", HANG_UP)
    recording.intercept = lambda recorded: 404 if recorded.method == "GET" else breaking(recorded)
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert sent(recording)[3:6] == ["PATCH 2000-2999", "GET", "POST"]
    recording.intercept = lambda recorded: None
    assert b"".join(map(bytes, target.read_blob(content.descriptor))) == content.data


def test_a_last_request_that_fails_is_retried_without_the_bytes(recording: Recorder, target: Repository) -> None:
    content = Content(2 * CHUNK)
    recording.intercept = once(lambda recorded: recorded.method == "PUT", HANG_UP)
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert sent(recording) == ["POST", "PATCH 0-999", "PATCH 1000-1999", "PUT", "GET", "PUT"]
    assert target.has_blob(content.descriptor)


@pytest.mark.parametrize("status", [400, 404, 405, 415, 501])
def test_a_registry_without_chunked_uploads_gets_the_blob_in_one_piece(recording: Recorder, target: Repository, status: int) -> None:
    content = Content(3 * CHUNK)
    recording.intercept = lambda recorded: status if recorded.method == "PATCH" else None
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert sent(recording) == ["POST", "PATCH 0-999", "POST", "PUT"]
    assert b"".join(map(bytes, target.read_blob(content.descriptor))) == content.data


def test_a_permanent_fault_is_reported_after_the_allowed_tries(recording: Recorder, target: Repository) -> None:
    content = Content(3 * CHUNK)
    recording.intercept = lambda recorded: 500 if recorded.headers.get("Content-Range") == "1000-1999" else None
    with pytest.raises(RegistryError) as caught:
        RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert caught.value.status == 500
    # The previous chunk was progress, so the count of tries began again.
    assert sent(recording).count("PATCH 1000-1999") == 3


@pytest.mark.parametrize("size", [500, 2500])
def test_an_upload_of_altered_bytes_is_never_finished(recording: Recorder, target: Repository, size: int) -> None:
    content = Content(size)
    content.data = content.data[:-1] + b"?"
    with pytest.raises(DigestMismatch):
        RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert not target.has_blob(content.descriptor)


@pytest.mark.parametrize("size", [500, 2500])
def test_bytes_that_end_early_are_an_error(target: Repository, size: int) -> None:
    content = Content(size)
    content.data = content.data[:-10]
    with pytest.raises(LongshoreError):
        RepositoryWriter(target).put_blob(content.descriptor, content.open)
    assert not target.has_blob(content.descriptor)


def test_a_mount_adds_the_blob_without_an_upload(recording: Recorder, target: Repository, repository: str) -> None:
    content = Content(500)
    RepositoryWriter(target).put_blob(content.descriptor, content.open)
    other = Registries(ClientSettings()).repository(Reference.parse(f"{recording.host}/{repository}/other:1"))
    recording.requests.clear()
    RepositoryWriter(other, {content.descriptor.digest: repository}).put_blob(content.descriptor, content.open)
    assert sent(recording) == ["POST"]
    assert other.has_blob(content.descriptor)


def test_a_mount_without_a_source_blob_becomes_an_upload_in_the_same_session(recording: Recorder, target: Repository, repository: str) -> None:
    content = Content(500)
    RepositoryWriter(target, {content.descriptor.digest: f"{repository}/absent"}).put_blob(content.descriptor, content.open)
    assert sent(recording) == ["POST", "PUT"]
    assert target.has_blob(content.descriptor)
