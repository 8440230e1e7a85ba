# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One repository of a registry, for writing (distribution specification, Pushing)."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from .blob_upload import BlobUpload, Content, check_stored_digest
from .http.messages import Body, Request

if t.TYPE_CHECKING:
    from .repository import Repository


@dataclasses.dataclass(frozen=True)
class RepositorySink:
    """A repository to push to. `mounts` says which other repository of the registry has a missing blob, so that it can be mounted from there."""

    repository: Repository
    mounts: dict[Digest, str] = dataclasses.field(default_factory=dict)

    def open_writer(self, unused_needed: t.Iterable[Digest]) -> RepositoryWriter:
        return RepositoryWriter(self.repository, self.mounts)


class RepositoryWriter:
    """Pushes to one repository: blobs first, then manifests after what they reference, the tag last. A push that fails doesn't change the tag."""

    publishes_together = False

    def __init__(self, repository: Repository, mounts: t.Mapping[Digest, str] | None = None) -> None:
        self._repository = repository
        self._mounts = mounts or {}

    def __enter__(self) -> RepositoryWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        """Do nothing: there is nothing to release."""

    def find_missing_blobs(self, unused_graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """Return PLANNED: the plan has asked the registry already."""
        return planned

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Store one blob: mount it from another repository if one has it and the registry agrees, else upload it.

        Raises DigestMismatch if the bytes don't match DESCRIPTOR: the registry then never finishes the blob.
        """
        upload = BlobUpload(self._repository, descriptor, content, f"{self._repository.name}: blob {descriptor.digest}")
        source = self._mounts.get(descriptor.digest)
        if source is None or not upload.mount(source):
            upload.send()

    def discard(self) -> None:
        """Do nothing: a registry deletes blobs that no manifest references by itself."""

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
        """Push the documents of images whose blobs are at the registry: children by digest, then the image itself by each of its names."""
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
            headers={"Content-Type": descriptor.media_type},
            body=lambda: Body(len(data), (data,)),
            accepted=(201,),
        )
        check_stored_digest(self._repository.endpoint.send(request, self._repository.repository), descriptor, what)
