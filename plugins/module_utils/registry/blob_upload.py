# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Uploading one blob: an upload session at a registry (distribution specification, Pushing blobs)."""

from __future__ import annotations

import dataclasses
import functools
import re
import time
import typing as t
from urllib.parse import quote, urlsplit

from ..errors import Denied, ImageNotFound, LongshoreError, RateLimited, RegistryError, Unreachable
from ..limits import DEADLINE
from ..oci.digest import DigestMismatch, Verifier
from ..oci.manifest import Descriptor
from ..streams import ChunkReader, Chunks
from .http.errors import parse_number
from .http.messages import Body, Request, Response
from .http.retries import TRANSIENT_STATUSES, wait_before_retry
from .http.urls import resolve_redirect

if t.TYPE_CHECKING:
    from .repository import Repository

CHUNK_SIZE = 64 * 1024 * 1024

Content = t.Callable[[Descriptor], Chunks]

_CHUNKS_REFUSED = frozenset((400, 404, 405, 411, 415, 416, 501))
_RECEIVED = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)


class BlobUpload:
    """The upload of one blob.

    Large blobs are sent in chunks, so that an interrupted upload is resumed where the registry says. Small ones, and all at registries that refuse chunks, are
    sent in one request. The bytes are verified while they are sent: a registry never gets to finish a blob that doesn't match its descriptor.
    """

    def __init__(self, repository: Repository, descriptor: Descriptor, content: Content, what: str) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._content = content
        self._what = what
        self._location: str | None = None
        self._local_peers: frozenset[str] = frozenset()
        self._chunk_size = CHUNK_SIZE
        self._use_chunks = True
        self._received = 0
        self._chunk_reader: ChunkReader | None = None
        self._last_progress = 0.0
        self._deadline: float | None = None

    # Sessions.

    def mount(self, source: str) -> bool:
        """Return True if the registry mounts the blob from its repository SOURCE.

        If it doesn't, the session that it opened instead is used; if it opened none, `send` opens one.
        """
        route = self._repository.endpoint.route
        if not source.startswith(route.removed_prefix):
            return False  # the host's configuration reads it from another registry
        source_name = route.remote_name(source)
        url = f"{self._uploads}?mount={quote(str(self._descriptor.digest), safe='')}&from={quote(source_name, safe='')}"
        request = Request("POST", url, self._what, body=_empty_body, accepted=(201, 202), scopes=(f"repository:{source_name}:pull",))
        try:
            response = self._send(request)
        except (Denied, ImageNotFound, RegistryError):
            return False
        if response.status == 201:
            check_stored_digest(response, self._descriptor, self._what)
            return True
        self._start_session(response)
        return False

    def _open_session(self) -> None:
        self._start_session(self._send(Request("POST", self._uploads, self._what, body=_empty_body, accepted=(202,), repeatable=False)))

    def _start_session(self, response: Response) -> None:
        response.close()
        self._set_location(response)
        self._chunk_size = max(CHUNK_SIZE, parse_number(response.headers.get("OCI-Chunk-Min-Length")) or 0)
        self._received = 0

    def _resume(self) -> None:
        """Resume an interrupted session at the byte that the registry expects next. Open a new session if the registry doesn't say."""
        if self._location is None or not self._received:
            return self._open_session()
        try:
            response = self._send(Request("GET", self._location, self._what, accepted=(200, 202, 204), repeatable=False))
        except (Denied, ImageNotFound, RegistryError) as error:
            if error.status in TRANSIENT_STATUSES:
                raise
            return self._open_session()
        response.close()
        received = _read_received(response)
        # "0-0" may mean one byte or none.
        if received is None or not 1 < received <= self._descriptor.size:
            return self._open_session()
        self._received = received
        if "Location" in response.headers:
            self._set_location(response)
        return None

    def _set_location(self, response: Response) -> None:
        """Use the address in RESPONSE for the next request, with the local addresses that it may lead to. Raises RegistryError."""
        self._location, self._local_peers = _read_location(response, self._what), response.local_peers

    # Bytes.

    def send(self) -> None:
        """Send the blob. Transient errors are retried until 45 s after the last byte before the error; each chunk that arrives starts this time again.

        Raises DigestMismatch if the bytes don't match the descriptor.
        """
        tries = self._repository.endpoint.client.settings.retries
        attempt = received_before = 0
        self._last_progress = time.monotonic()
        while True:
            try:
                if self._location is None or attempt:
                    self._resume()
                self._send_all()
                return
            except (Unreachable, RegistryError, RateLimited) as error:
                if error.status not in (None, *TRANSIENT_STATUSES):
                    raise
                if self._received > received_before:
                    attempt, self._deadline, received_before = 0, None, self._received
                self._deadline = self._deadline or self._last_progress + DEADLINE
                attempt += 1
                if attempt >= tries:
                    raise
                wait_before_retry(attempt - 1, self._deadline, error)

    def _send_all(self) -> None:
        if self._use_chunks and self._descriptor.size > self._chunk_size:
            try:
                self._send_chunks()
            except LongshoreError as error:
                if self._received or error.status not in _CHUNKS_REFUSED:
                    raise
                self._use_chunks = False
                self._open_session()
        if self._received:
            self._finish(_empty_body)
        else:
            self._finish(lambda: Body(self._descriptor.size, self._read_verified()))

    def _send_chunks(self) -> None:
        while self._received < self._descriptor.size:
            start, end = self._received, min(self._received + self._chunk_size, self._descriptor.size)
            headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{end - 1}"}
            body = functools.partial(self._chunk, start, end - start)
            response = self._send(
                Request("PATCH", str(self._location), self._what, headers=headers, body=body, accepted=(201, 202, 204), repeatable=False)
            )
            response.close()
            if "Location" in response.headers:
                self._set_location(response)
            if (_read_received(response) or end) != end:
                raise RegistryError(f"{self._what}: {self._repository.endpoint.registry} stored another part of it than was sent")
            self._received = end
        for _chunk in self._reader(self._descriptor.size).take(1):
            """Reading past the last byte verifies the digest."""

    def _finish(self, body: t.Callable[[], Body]) -> None:
        """Send the request that ends the session. It contains the whole blob unless that was sent before."""
        location = _with_digest(str(self._location), self._descriptor)
        headers = {"Content-Type": "application/octet-stream"}
        response = self._send(Request("PUT", location, self._what, headers=headers, body=body, accepted=(201, 204), repeatable=False))
        check_stored_digest(response, self._descriptor, self._what)

    def _chunk(self, start: int, size: int) -> Body:
        return Body(size, self._reader(start).take(size))

    def _reader(self, offset: int) -> ChunkReader:
        """Return a reader of the bytes from OFFSET on. It continues, or starts again and skips: the bytes sent before must be verified too."""
        if self._chunk_reader is None or self._chunk_reader.offset != offset:
            self._chunk_reader = ChunkReader(self._read_verified())
            for _chunk in self._chunk_reader.take(offset):
                """Skipped: only verified."""
        return self._chunk_reader

    def _read_verified(self) -> t.Iterator[bytes | bytearray | memoryview]:
        verifier = Verifier(self._descriptor.digest, self._descriptor.size, self._what)
        for chunk in self._content(self._descriptor):
            verifier.update(chunk)
            self._last_progress = time.monotonic()
            yield chunk
        verifier.finish()

    # Requests.

    @property
    def _uploads(self) -> str:
        return f"/v2/{self._repository.repository}/blobs/uploads/"

    def _send(self, request: Request) -> Response:
        local_peers = None if request.url.startswith("/") else self._local_peers
        sent = dataclasses.replace(request, deadline=self._deadline, local_peers=local_peers)
        return self._repository.endpoint.send(sent, self._repository.repository)


def check_stored_digest(response: Response, descriptor: Descriptor, what: str) -> None:
    """Raise DigestMismatch if the registry says that it stored something else."""
    response.close()
    stored_digest = response.headers.get("Docker-Content-Digest")
    if stored_digest is not None and stored_digest != str(descriptor.digest):
        raise DigestMismatch(
            f"{what}: {urlsplit(response.url).netloc} stored it under another digest than {descriptor.digest}", digest=descriptor.digest
        )


def _empty_body() -> Body:
    return Body(0, ())


def _read_received(response: Response) -> int | None:
    """Return how many bytes a registry says it has, None if it doesn't say."""
    match = _RECEIVED.fullmatch(response.headers.get("Range", "").strip())
    return int(match.group(1)) + 1 if match is not None else None


def _read_location(response: Response, what: str) -> str:
    location = response.headers.get("Location")
    if not location:
        raise RegistryError(f"{what}: the registry opened an upload without saying where")
    return resolve_redirect(response.url, location, f"{what}: the registry sends the upload")


def _with_digest(url: str, descriptor: Descriptor) -> str:
    """Return the upload's address with the digest added. Its query belongs to the registry and is kept unchanged."""
    return f"{url}{'&' if urlsplit(url).query else '?'}digest={quote(str(descriptor.digest), safe='')}"
