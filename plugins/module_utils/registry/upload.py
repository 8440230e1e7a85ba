# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One repository of a registry, for writing (distribution specification, Pushing)."""

from __future__ import annotations

import time
import typing as t
from urllib.parse import quote, urljoin, urlsplit

from ..errors import DigestMismatch, RateLimited, RegistryError, Unreachable
from ..oci.digest import Verifier
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from .http import DEADLINE, PASSING_STATUS, Body, Request, Response, pause

if t.TYPE_CHECKING:
    from .repository import Repository

Chunks = t.Iterable[t.Union[bytes, bytearray, memoryview]]
Content = t.Callable[[Descriptor], Chunks]


class RepositoryWriter:
    """Pushes to one repository: blobs first, manifests after what they name, the tag last. A push that fails leaves the tag where it was."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def __enter__(self) -> RepositoryWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        """Nothing is held."""

    def lacking(self, unused_graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """The plan has asked the registry already."""
        return planned

    def ingest(self, descriptor: Descriptor, content: Content) -> None:
        """Uploads one blob in one piece; its bytes are verified on their way out. A try that fails begins with a new upload session.

        Raises DigestMismatch when the bytes are not what DESCRIPTOR says: the registry then never finishes the blob.
        """
        what = f"{self._repository.name}: blob {descriptor.digest}"
        deadline = time.monotonic() + DEADLINE
        tries = self._repository.endpoint.client.settings.retries
        for attempt in range(tries):
            try:
                self._upload(descriptor, content, what)
                return
            except (Unreachable, RegistryError, RateLimited) as error:
                if error.status not in (None, *PASSING_STATUS) or attempt + 1 >= tries:
                    raise
                pause(attempt, None, deadline, error)

    def _upload(self, descriptor: Descriptor, content: Content, what: str) -> None:
        def body() -> Body:
            return Body(descriptor.size, _verified(descriptor, content(descriptor), what))

        session = self._send(Request("POST", f"/v2/{self._repository.repository}/blobs/uploads/", what, body=lambda: Body(0, ()), accepted=(202,)))
        session.close()
        location = _with_digest(_location(session, what), descriptor)
        request = Request("PUT", location, what, {"Content-Type": "application/octet-stream"}, body, accepted=(201, 204), repeatable=False)
        self._check_answer(self._send(request), descriptor, what)

    def discard(self) -> None:
        """A registry clears away by itself what no manifest names."""

    def publish(self, images: t.Sequence[NamedGraph]) -> None:
        """Pushes the documents of images whose blobs are there: children by digest, then the image itself by each of its names."""
        for image in images:
            graph = image.graph
            for descriptor in graph.content:
                if descriptor.is_document and descriptor != graph.root:
                    self._put_manifest(descriptor, graph.documents[descriptor], str(descriptor.digest))
            for name in image.names:
                self._put_manifest(graph.root, graph.documents[graph.root], name.tag or str(graph.root.digest))

    def _put_manifest(self, descriptor: Descriptor, data: bytes, target: str) -> None:
        separator = "@" if ":" in target else ":"
        what = f"{self._repository.name}{separator}{target}"
        request = Request(
            "PUT",
            f"/v2/{self._repository.repository}/manifests/{target}",
            what,
            {"Content-Type": descriptor.media_type},
            lambda: Body(len(data), (data,)),
            accepted=(201,),
        )
        self._check_answer(self._send(request), descriptor, what)

    def _check_answer(self, response: Response, descriptor: Descriptor, what: str) -> None:
        response.close()
        told = response.headers.get("Docker-Content-Digest")
        if told is not None and told != str(descriptor.digest):
            raise DigestMismatch(f"{what}: {self._repository.endpoint.registry} stored it under another digest than {descriptor.digest}")

    def _send(self, request: Request) -> Response:
        return self._repository.endpoint.send(request, self._repository.repository)


def _verified(descriptor: Descriptor, chunks: Chunks, what: str) -> t.Iterator[bytes | bytearray | memoryview]:
    verifier = Verifier(descriptor.digest, descriptor.size, what)
    for chunk in chunks:
        verifier.update(chunk)
        yield chunk
    verifier.finish()


def _location(response: Response, what: str) -> str:
    location = response.headers.get("Location")
    try:
        target = urljoin(response.url, location or "")
        scheme = urlsplit(target).scheme
    except ValueError:
        scheme = ""
    if not location or scheme not in ("http", "https"):
        raise RegistryError(f"{what}: the registry opened an upload without saying where")
    if urlsplit(response.url).scheme == "https" and scheme == "http":
        raise RegistryError(f"{what}: the registry sends the upload from https to http, which is refused")
    return target


def _with_digest(url: str, descriptor: Descriptor) -> str:
    """The upload's address may hold a query that is the registry's own: it is kept to the letter."""
    return f"{url}{'&' if urlsplit(url).query else '?'}digest={quote(str(descriptor.digest), safe='')}"
