# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One repository of a registry, for reading (distribution specification, Pulling)."""

from __future__ import annotations

import re
import threading
import time
import typing as t

from ..errors import DigestMismatch, ImageNotFound, InvalidReference, LongshoreError, Unreachable, UnsupportedFormat
from ..limits import DOCUMENT_SECONDS, MAX_CACHED, MAX_DOCUMENT
from ..oci import media_types
from ..oci.digest import Digest
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
    """Images of one repository. Documents that were read once are kept for the run: planning and moving ask for them but once."""

    def __init__(self, endpoint: Endpoint, repository: str, registry: str, ways: MirrorFallback) -> None:
        """ENDPOINT is that of the registry itself, for all but reading; WAYS are what images are read by."""
        self.endpoint = endpoint
        self.repository = repository
        self.registry = registry
        self._ways = ways
        self._documents: dict[Digest, bytes] = {}
        self._kept_bytes = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    @property
    def answered_by(self) -> str:
        """The address that answered last: the registry's own, or that of a mirror."""
        return self._ways.answered_by.url

    @property
    def reading(self) -> Endpoint:
        """Where all is that can be read, for what mirrors don't have."""
        return self._ways.last

    # Manifests.

    def probe(self, reference: Reference) -> Descriptor | None:
        """What a name points at, by one HEAD; None where the registry doesn't have it.

        The answer's headers are a hint, and nothing is stored by them: where they are missing or odd, where HEAD is refused, or another host to which it
        was redirected fails or knows nothing of it, the manifest itself is read.
        """
        try:
            request = Request("HEAD", self._manifest_url(reference.target), str(reference), {"Accept": ACCEPT}, accepted=(200, 404), falls_back=True)
            response = self._ways.send(request, reference.digest is None)
        except LongshoreError as error:
            if error.status not in _HEAD_REFUSED and not error.elsewhere:
                raise
            return self._fetched_or_none(reference)
        response.close()
        if response.status == 404:
            return None if url_origin(response.url) == url_origin(self.answered_by) else self._fetched_or_none(reference)
        return _described_by(response.headers, reference) or self._fetched_or_none(reference)

    def _fetched_or_none(self, reference: Reference) -> Descriptor | None:
        try:
            return self.fetch_manifest(reference)
        except ImageNotFound:
            return None

    def fetch_manifest(self, reference: Reference) -> Descriptor:
        """Reads the manifest or index that a reference points at. Raises ImageNotFound, DigestMismatch, UnsupportedFormat."""
        return self._fetch(reference)[0]

    def _fetch(self, reference: Reference) -> tuple[Descriptor, bytes]:
        request = Request("GET", self._manifest_url(reference.target), str(reference), {"Accept": ACCEPT}, limit=MAX_DOCUMENT)
        return self._ways.take(request, reference.digest is None, lambda response: self._taken_in(reference, response))

    def _taken_in(self, reference: Reference, response: Response) -> tuple[Descriptor, bytes]:
        data = response.body(MAX_DOCUMENT)
        if len(data) > MAX_DOCUMENT:
            raise UnsupportedFormat(f"{reference}: the manifest is longer than the {MAX_DOCUMENT} bytes that are allowed")
        if reference.digest is not None:
            reference.digest.check(data, str(reference))
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        manifest = read_manifest(data, media_type, str(reference))
        digest = reference.digest or Digest.of(data)
        self._keep(digest, data)
        return Descriptor(manifest.media_type, digest, len(data)), data

    def _keep(self, digest: Digest, data: bytes) -> bytes:
        """Keep a document for the run; the oldest make room, so that a registry can't fill the memory."""
        with self._lock:
            self._kept_bytes += len(data) - len(self._documents.pop(digest, b""))
            self._documents[digest] = data
            while self._kept_bytes > MAX_CACHED:
                self._kept_bytes -= len(self._documents.pop(next(iter(self._documents))))
        return data

    def read_document(self, descriptor: Descriptor) -> bytes:
        """The bytes of a manifest, an index or a config, checked against the digest."""
        known = self._documents.get(descriptor.digest)
        if known is not None:
            return known
        if descriptor.is_document:
            return self._fetch(Reference(self.registry, self.repository, None, descriptor.digest))[1]
        if descriptor.size > MAX_DOCUMENT:
            raise UnsupportedFormat(f"{self.name}: the config {descriptor.digest} is longer than the {MAX_DOCUMENT} bytes that are allowed")
        while True:
            try:
                return self._keep(descriptor.digest, self._read_blob(descriptor))
            except DigestMismatch:
                if not self.report_bad_blob(descriptor):
                    raise

    def _read_blob(self, descriptor: Descriptor) -> bytes:
        data = bytearray()
        whole_by = time.monotonic() + DOCUMENT_SECONDS
        for chunk in self.read_blob(descriptor):
            data += chunk
            if time.monotonic() > whole_by:
                raise Unreachable(f"{self.name}: the config {descriptor.digest} didn't come within {DOCUMENT_SECONDS:.0f} seconds")
            if len(data) > descriptor.size:
                raise DigestMismatch(
                    f"{self.name}: the config {descriptor.digest} is longer than the {descriptor.size} bytes that its descriptor promises",
                    digest=descriptor.digest,
                )
        return descriptor.digest.check(bytes(data), f"{self.name}: the config {descriptor.digest}")

    # Blobs.

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a blob is there, as far as the registry tells: where it refuses HEAD, sending the blob again is the way that works."""
        accepted = (200, 404, *_HEAD_REFUSED)
        response = self._send("HEAD", self._blob_url(descriptor.digest), f"{self.name}@{descriptor.digest}", accepted=accepted)
        response.close()
        return response.status == 200

    def read_blob(self, descriptor: Descriptor, offset: int = 0) -> t.Iterator[bytes]:
        """The bytes of a blob from OFFSET on, for a reader that verifies them. A connection that breaks is taken up again where it broke."""
        known = self._documents.get(descriptor.digest)
        return iter((known[offset:],)) if known is not None else self._download(descriptor).from_offset(offset)

    def read_range(self, descriptor: Descriptor, start: int, stop: int) -> tuple[bool, t.Generator[bytes, None, None]]:
        """The bytes of a blob from START to STOP, or True and all of them where the registry doesn't honour ranges."""
        return self._download(descriptor).piece(start, stop)

    def report_bad_blob(self, descriptor: Descriptor) -> bool:
        """A blob turned out to be another: whether it can be had elsewhere than from the mirrors that gave it, which aren't asked for it again."""
        return self._ways.report_bad_blob(self._blob_url(descriptor.digest))

    def _download(self, descriptor: Descriptor) -> Download:
        from .download import Download

        what = f"{self.name}: blob {descriptor.digest}"

        def ask(headers: t.Mapping[str, str], accepted: tuple[int, ...], deadline: float | None) -> Response:
            return self._send("GET", self._blob_url(descriptor.digest), what, headers, accepted, deadline=deadline)

        return Download(ask, descriptor.size, what, self.registry, self.endpoint.client.settings.retries)

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
        return self._ways.send(Request(method, url, what, headers or {}, accepted=accepted, deadline=deadline), False)

    def _manifest_url(self, target: str) -> str:
        return f"/v2/{self.repository}/manifests/{target}"

    def _blob_url(self, digest: Digest) -> str:
        return f"/v2/{self.repository}/blobs/{digest}"


def _described_by(headers: t.Mapping[str, str], reference: Reference) -> Descriptor | None:
    """The descriptor that a HEAD's headers make, None where they don't make a sound one."""
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
