# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending one blob: an upload session at a registry (distribution specification, Pushing blobs)."""

from __future__ import annotations

import dataclasses
import functools
import re
import time
import typing as t
from urllib.parse import quote, urlsplit

from ..errors import Denied, DigestMismatch, ImageNotFound, LongshoreError, RateLimited, RegistryError, Unreachable
from ..limits import DEADLINE
from ..oci.digest import Verifier
from ..oci.manifest import Descriptor
from ..streams import ChunkReader, Chunks
from .http.errors import parse_number
from .http.messages import Body, Request, Response
from .http.retries import PASSING_STATUS, pause
from .http.urls import resolve_redirect

if t.TYPE_CHECKING:
    from .repository import Repository

CHUNK_SIZE = 64 * 1024 * 1024

Content = t.Callable[[Descriptor], Chunks]

_NO_CHUNKS = frozenset((400, 404, 405, 411, 415, 416, 501))
_RECEIVED = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)


class BlobUpload:
    """One blob on its way. Large blobs go in chunks, so that what breaks off goes on where the registry says; others, and where it takes none, in one piece.

    The bytes are verified on their way out: a registry never gets to finish a blob that is not what its descriptor says.
    """

    def __init__(self, repository: Repository, descriptor: Descriptor, content: Content, what: str) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._content = content
        self._what = what
        self._location: str | None = None
        self._local_peers: frozenset[str] = frozenset()
        self._chunk_size = CHUNK_SIZE
        self._in_chunks = True
        self._received = 0
        self._taker: ChunkReader | None = None
        self._moved_at = 0.0
        self._deadline: float | None = None

    # Sessions.

    def mount(self, origin: str) -> bool:
        """Whether the registry takes the blob over from its repository ORIGIN. Where it doesn't, it has opened a session instead, or is asked for one later."""
        route = self._repository.endpoint.route
        if not origin.startswith(route.own_part):
            return False  # the host's configuration sends it to another place
        there = route.renamed(origin)
        url = f"{self._uploads}?mount={quote(str(self._descriptor.digest), safe='')}&from={quote(there, safe='')}"
        request = Request("POST", url, self._what, body=_nothing, accepted=(201, 202), scopes=(f"repository:{there}:pull",))
        try:
            answer = self._send(request)
        except (Denied, ImageNotFound, RegistryError):
            return False
        if answer.status == 201:
            check_answer(answer, self._descriptor, self._what)
            return True
        self._begin(answer)
        return False

    def _open(self) -> None:
        self._begin(self._send(Request("POST", self._uploads, self._what, body=_nothing, accepted=(202,), repeatable=False)))

    def _begin(self, answer: Response) -> None:
        answer.close()
        self._follow(answer)
        self._chunk_size = max(CHUNK_SIZE, parse_number(answer.headers.get("OCI-Chunk-Min-Length")) or 0)
        self._received = 0

    def _go_on(self) -> None:
        """Takes up a session that was broken off: from the byte that the registry wants next, or with a new session where it doesn't say."""
        if self._location is None or not self._received:
            return self._open()
        try:
            answer = self._send(Request("GET", self._location, self._what, accepted=(200, 202, 204), repeatable=False))
        except (Denied, ImageNotFound, RegistryError) as error:
            if error.status in PASSING_STATUS:
                raise
            return self._open()
        answer.close()
        received = _received(answer)
        # "0-0" is said of one byte and of none.
        if received is None or not 1 < received <= self._descriptor.size:
            return self._open()
        self._received = received
        if "Location" in answer.headers:
            self._follow(answer)
        return None

    def _follow(self, answer: Response) -> None:
        """Continue where ANSWER says, with what it may lead to. Raises RegistryError."""
        self._location, self._local_peers = _location(answer, self._what), answer.local_peers

    # Bytes.

    def send(self) -> None:
        """Sends the blob. A fault that passes is tried again, until 45 s after the last byte before it was sent; each chunk that arrives is a new beginning.

        Raises DigestMismatch when the bytes are not what the descriptor says.
        """
        tries = self._repository.endpoint.client.settings.retries
        attempt = reached = 0
        self._moved_at = time.monotonic()
        while True:
            try:
                if self._location is None or attempt:
                    self._go_on()
                self._send_all()
                return
            except (Unreachable, RegistryError, RateLimited) as error:
                if error.status not in (None, *PASSING_STATUS):
                    raise
                if self._received > reached:
                    attempt, self._deadline, reached = 0, None, self._received
                self._deadline = self._deadline or self._moved_at + DEADLINE
                attempt += 1
                if attempt >= tries:
                    raise
                pause(attempt - 1, self._deadline, error)

    def _send_all(self) -> None:
        if self._in_chunks and self._descriptor.size > self._chunk_size:
            try:
                self._send_chunks()
            except LongshoreError as error:
                if self._received or error.status not in _NO_CHUNKS:
                    raise
                self._in_chunks = False
                self._open()
        if self._received:
            self._put(_nothing)
        else:
            self._put(lambda: Body(self._descriptor.size, self._verified()))

    def _send_chunks(self) -> None:
        while self._received < self._descriptor.size:
            start, end = self._received, min(self._received + self._chunk_size, self._descriptor.size)
            headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{end - 1}"}
            body = functools.partial(self._chunk, start, end - start)
            answer = self._send(Request("PATCH", str(self._location), self._what, headers, body, accepted=(201, 202, 204), repeatable=False))
            answer.close()
            if "Location" in answer.headers:
                self._follow(answer)
            if (_received(answer) or end) != end:
                raise RegistryError(f"{self._what}: {self._repository.endpoint.registry} took another part of it than it was sent")
            self._received = end
        for _surplus in self._reader(self._descriptor.size).take(1):
            """Asking for what comes after the last byte makes the bytes' digest known."""

    def _put(self, body: t.Callable[[], Body]) -> None:
        """The request that ends the session, with the whole blob in it unless that was sent before."""
        location = _with_digest(str(self._location), self._descriptor)
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._send(Request("PUT", location, self._what, headers, body, accepted=(201, 204), repeatable=False))
        check_answer(answer, self._descriptor, self._what)

    def _chunk(self, start: int, size: int) -> Body:
        return Body(size, self._reader(start).take(size))

    def _reader(self, offset: int) -> ChunkReader:
        """The bytes from OFFSET on. They are read on where they were left, else again from the start: what was sent before has to be verified too."""
        if self._taker is None or self._taker.offset != offset:
            self._taker = ChunkReader(self._verified())
            for _known in self._taker.take(offset):
                """Passed over."""
        return self._taker

    def _verified(self) -> t.Iterator[bytes | bytearray | memoryview]:
        verifier = Verifier(self._descriptor.digest, self._descriptor.size, self._what)
        for chunk in self._content(self._descriptor):
            verifier.update(chunk)
            self._moved_at = time.monotonic()
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


def check_answer(response: Response, descriptor: Descriptor, what: str) -> None:
    """Raises DigestMismatch where a registry says that it took in something else."""
    response.close()
    told = response.headers.get("Docker-Content-Digest")
    if told is not None and told != str(descriptor.digest):
        raise DigestMismatch(
            f"{what}: {urlsplit(response.url).netloc} stored it under another digest than {descriptor.digest}", digest=descriptor.digest
        )


def _nothing() -> Body:
    return Body(0, ())


def _received(answer: Response) -> int | None:
    """How many bytes a registry says it has; None where it doesn't say."""
    match = _RECEIVED.fullmatch(answer.headers.get("Range", "").strip())
    return int(match.group(1)) + 1 if match is not None else None


def _location(response: Response, what: str) -> str:
    location = response.headers.get("Location")
    if not location:
        raise RegistryError(f"{what}: the registry opened an upload without saying where")
    return resolve_redirect(response.url, location, f"{what}: the registry sends the upload")


def _with_digest(url: str, descriptor: Descriptor) -> str:
    """The upload's address may hold a query that is the registry's own: it is kept to the letter."""
    return f"{url}{'&' if urlsplit(url).query else '?'}digest={quote(str(descriptor.digest), safe='')}"
