# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One repository of a registry, for reading (distribution specification, Pulling)."""

from __future__ import annotations

import re
import threading
import time
import typing as t

from ..errors import ImageNotFound, InvalidReference, LongshoreError, Unreachable, UnsupportedFormat
from ..limits import DOCUMENT_SECONDS, MAX_CACHED, MAX_DOCUMENT
from ..oci import media_types
from ..oci.digest import Digest, DigestMismatch
from ..oci.manifest import Descriptor, read_manifest
from ..oci.reference import Reference
from .endpoint import Endpoint
from .http.messages import Request, Response
from .http.urls import url_origin
from .mirror_fallback import MirrorFallback

if t.TYPE_CHECKING:
    from .download import Download

ACCEPT = ", ".join(sorted(media_types.DOCUMENTS))

_HEAD_REFUSED = frozenset((400, 403, 405, 501))
_LENGTH = re.compile(r"[0-9]{1,15}")


class Repository:
    """The images of one repository. Documents are cached for the run, so that planning and transferring fetch them only once."""

    def __init__(self, endpoint: Endpoint, repository: str, registry: str, fallback: MirrorFallback) -> None:
        """ENDPOINT is the registry itself, for everything but reading; FALLBACK reads from mirrors and the registry."""
        self.endpoint = endpoint
        self.repository = repository
        self.registry = registry
        self._fallback = fallback
        self._documents: dict[Digest, bytes] = {}
        self._cached_bytes = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    @property
    def answered_by(self) -> str:
        """The address that served the last response: the registry's or a mirror's."""
        return self._fallback.answered_by.url

    @property
    def read_endpoint(self) -> Endpoint:
        """The endpoint that serves everything that can be read, including what mirrors don't have."""
        return self._fallback.last

    # Manifests.

    def probe(self, reference: Reference) -> Descriptor | None:
        """Return the descriptor that a name points at, by one HEAD; None if the registry doesn't have it.

        The response's headers are not trusted, and nothing is stored because of them. The manifest itself is fetched if headers are missing or malformed,
        if HEAD is refused, or if HEAD is redirected to another host that fails or doesn't have it.
        """
        try:
            request = Request(
                "HEAD", self._manifest_url(reference.target), str(reference), headers={"Accept": ACCEPT}, accepted=(200, 404), has_fallback=True
            )
            response = self._fallback.send(request, reference.digest is None)
        except LongshoreError as error:
            if error.status not in _HEAD_REFUSED and not error.after_redirect:
                raise
            return self._fetch_or_none(reference)
        response.close()
        if response.status == 404:
            return None if url_origin(response.url) == url_origin(self.answered_by) else self._fetch_or_none(reference)
        return _read_descriptor(response.headers, reference) or self._fetch_or_none(reference)

    def _fetch_or_none(self, reference: Reference) -> Descriptor | None:
        try:
            return self.fetch_manifest(reference)
        except ImageNotFound:
            return None

    def fetch_manifest(self, reference: Reference) -> Descriptor:
        """Fetch the manifest or index that a reference points at. Raises ImageNotFound, DigestMismatch, UnsupportedFormat."""
        return self._fetch(reference)[0]

    def _fetch(self, reference: Reference) -> tuple[Descriptor, bytes]:
        request = Request("GET", self._manifest_url(reference.target), str(reference), headers={"Accept": ACCEPT}, limit=MAX_DOCUMENT)
        return self._fallback.send_and_read(request, reference.digest is None, lambda response: self._read_manifest(reference, response))

    def _read_manifest(self, reference: Reference, response: Response) -> tuple[Descriptor, bytes]:
        data = response.body(MAX_DOCUMENT)
        if len(data) > MAX_DOCUMENT:
            raise UnsupportedFormat(f"{reference}: the manifest is longer than the {MAX_DOCUMENT} bytes that are allowed")
        if reference.digest is not None:
            reference.digest.check(data, str(reference))
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        manifest = read_manifest(data, media_type, str(reference))
        digest = reference.digest or Digest.of(data)
        self._cache(digest, data)
        return Descriptor(manifest.media_type, digest, len(data)), data

    def _cache(self, digest: Digest, data: bytes) -> bytes:
        """Cache a document for the run. The oldest documents are dropped, so that a registry can't fill the memory."""
        with self._lock:
            self._cached_bytes += len(data) - len(self._documents.pop(digest, b""))
            self._documents[digest] = data
            while self._cached_bytes > MAX_CACHED:
                self._cached_bytes -= len(self._documents.pop(next(iter(self._documents))))
        return data

    def forget_documents(self) -> None:
        """Drop the cached documents, for a run that reads thousands of images and needs each only once."""
        with self._lock:
            self._documents.clear()
            self._cached_bytes = 0

    def read_document(self, descriptor: Descriptor) -> bytes:
        """Return the bytes of a manifest, an index or a config, checked against the digest."""
        cached = self._documents.get(descriptor.digest)
        if cached is not None:
            return cached
        if descriptor.is_document:
            return self._fetch(Reference(self.registry, self.repository, None, descriptor.digest))[1]
        if descriptor.size > MAX_DOCUMENT:
            raise UnsupportedFormat(f"{self.name}: the config {descriptor.digest} is longer than the {MAX_DOCUMENT} bytes that are allowed")
        while True:
            try:
                return self._cache(descriptor.digest, self._read_blob(descriptor))
            except DigestMismatch:
                if not self.report_bad_blob(descriptor):
                    raise

    def _read_blob(self, descriptor: Descriptor) -> bytes:
        data = bytearray()
        deadline = time.monotonic() + DOCUMENT_SECONDS
        for chunk in self.read_blob(descriptor):
            data += chunk
            if time.monotonic() > deadline:
                raise Unreachable(f"{self.name}: the config {descriptor.digest} didn't arrive within {DOCUMENT_SECONDS:.0f} seconds")
            if len(data) > descriptor.size:
                raise DigestMismatch(
                    f"{self.name}: the config {descriptor.digest} is longer than the {descriptor.size} bytes that its descriptor promises",
                    digest=descriptor.digest,
                )
        return descriptor.digest.check(bytes(data), f"{self.name}: the config {descriptor.digest}")

    # Blobs.

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Return True if the registry says that it has a blob. If it refuses HEAD, return False: uploading the blob again works in any case."""
        accepted = (200, 404, *_HEAD_REFUSED)
        response = self._send("HEAD", self._blob_url(descriptor.digest), f"{self.name}@{descriptor.digest}", accepted=accepted)
        response.close()
        return response.status == 200

    def read_blob(self, descriptor: Descriptor, offset: int = 0) -> t.Iterator[bytes | memoryview]:
        """Return the bytes of a blob from OFFSET on, for a reader that verifies them. The download is resumed if the connection breaks.

        The chunks share one buffer: each is valid only until the next one is read.
        """
        cached = self._documents.get(descriptor.digest)
        return iter((cached[offset:],)) if cached is not None else self._download(descriptor).read_from(offset)

    def read_range(self, descriptor: Descriptor, start: int, stop: int) -> tuple[bool, t.Generator[bytes | memoryview, None, None]]:
        """Return False and the bytes of a blob from START to STOP, or True and the whole blob if the registry ignores ranges."""
        return self._download(descriptor).read_range(start, stop)

    def report_bad_blob(self, descriptor: Descriptor) -> bool:
        """Record that a mirror sent wrong bytes for this blob. Return True if another source can still serve it."""
        return self._fallback.report_bad_blob(self._blob_url(descriptor.digest))

    def _download(self, descriptor: Descriptor) -> Download:
        from .download import Download

        what = f"{self.name}: blob {descriptor.digest}"

        def send(headers: t.Mapping[str, str], accepted: tuple[int, ...], deadline: float | None) -> Response:
            return self._send("GET", self._blob_url(descriptor.digest), what, headers, accepted, deadline=deadline)

        return Download(send, descriptor.size, what, self.registry, self.endpoint.client.settings.retries)

    # Requests.

    def _send(
        self,
        method: str,
        url: str,
        what: str,
        headers: t.Mapping[str, str] | None = None,
        accepted: tuple[int, ...] = (200,),
        deadline: float | None = None,
    ) -> Response:
        return self._fallback.send(Request(method, url, what, headers=headers or {}, accepted=accepted, deadline=deadline), False)

    def _manifest_url(self, target: str) -> str:
        return f"/v2/{self.repository}/manifests/{target}"

    def _blob_url(self, digest: Digest) -> str:
        return f"/v2/{self.repository}/blobs/{digest}"


def _read_descriptor(headers: t.Mapping[str, str], reference: Reference) -> Descriptor | None:
    """Return the descriptor in the headers of a HEAD response, None if they don't make a valid one."""
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    length = headers.get("Content-Length", "")
    try:
        digest = Digest.parse(headers.get("Docker-Content-Digest", ""))
    except InvalidReference:
        return None
    if (
        media_type not in media_types.DOCUMENTS
        or not _LENGTH.fullmatch(length)
        or int(length) > MAX_DOCUMENT
        or reference.digest not in (None, digest)
    ):
        return None
    return Descriptor(media_type, digest, int(length))
