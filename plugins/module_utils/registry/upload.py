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
from .blob_upload import BlobUpload, Content, check_answer
from .http.messages import Body, Request

if t.TYPE_CHECKING:
    from .repository import Repository


@dataclasses.dataclass(frozen=True)
class RepositorySink:
    """A repository to push to. `mounts` tells, of blobs that it lacks, which other repository of the registry it can take them over from."""

    repository: Repository
    mounts: dict[Digest, str] = dataclasses.field(default_factory=dict)

    def open_writer(self, unused_needed: t.Iterable[Digest]) -> RepositoryWriter:
        return RepositoryWriter(self.repository, self.mounts)


class RepositoryWriter:
    """Pushes to one repository: blobs first, manifests after what they name, the tag last. A push that fails leaves the tag where it was."""

    def __init__(self, repository: Repository, mounts: t.Mapping[Digest, str] | None = None) -> None:
        self._repository = repository
        self._mounts = mounts or {}

    def __enter__(self) -> RepositoryWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        """Nothing is held."""

    def find_missing_blobs(self, unused_graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """The plan has asked the registry already."""
        return planned

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Brings one blob: from another repository where there is one that has it and the registry consents, else by sending it.

        Raises DigestMismatch when the bytes are not what DESCRIPTOR says: the registry then never finishes the blob.
        """
        upload = BlobUpload(self._repository, descriptor, content, f"{self._repository.name}: blob {descriptor.digest}")
        origin = self._mounts.get(descriptor.digest)
        if origin is None or not upload.mount(origin):
            upload.send()

    def discard(self) -> None:
        """A registry clears away by itself what no manifest names."""

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
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
        check_answer(self._repository.endpoint.send(request, self._repository.repository), descriptor, what)
