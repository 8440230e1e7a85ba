# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan an index of several images at a registry. Members in the index's repository stay where they are; others are mounted or copied there."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ImageNotFound, InvalidOption
from ..oci.digest import Digest
from ..oci.graph import Graph, ImageNode, read_graph
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..places.facts import describe_transfer
from ..places.registry.blob_mounts import BlobMounts, BlobSplit
from ..transfer.interfaces import Chunks
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer
from ..transfer.workers import Workers
from .index import describe_index
from .index_members import REPLACE, IndexMember, IndexOptions, MemberRequest, NewIndex, make_index

if t.TYPE_CHECKING:
    from ..registry.repository import Repository

OpenRepository = t.Callable[[Reference], "Repository"]


@dataclasses.dataclass(frozen=True)
class _RemoteMember:
    """A member and its repository."""

    member: IndexMember
    repository: Repository


def plan_index_remote(options: IndexOptions, *, repository: OpenRepository, destination: OpenRepository, workers: Workers) -> TransferPlan:
    """Plan to make the index that OPTIONS describe at the registry of its name. Members are read from `repository`; `destination` is never a mirror.

    Raises ImageNotFound for a member that doesn't exist, and the errors of `make_index`.
    """
    target = destination(options.name)
    befores = dict(zip(options.names, workers.map(target.probe, options.names)))
    found = workers.map(lambda request: _find_member(request, repository), options.requests)
    root = befores[options.name]
    current = IndexMember(str(options.name), root, target.read_document) if root is not None and options.existing != REPLACE else None
    members = [(request, remote.member if remote is not None else None) for request, remote in zip(options.requests, found)]
    index = make_index(options, members, current)
    if index is None:
        return TransferPlan([_unchanged(name) for name in options.names])
    moved = tuple(name for name, before in befores.items() if before is None or before.digest != index.root.digest)
    is_stored = len(moved) < len(befores)
    others = [] if is_stored else _read_others(index, [remote for remote in found if remote is not None], target)
    transfer = _plan_transfer(index, moved, others, target, destination, workers)
    return TransferPlan([_plan_name(name, before, index, transfer, target) for name, before in befores.items()])


def _find_member(request: MemberRequest, repository: OpenRepository) -> _RemoteMember | None:
    """Return a member, None if only its platform is given. Raises ImageNotFound, and InvalidOption for a digest without a repository."""
    if request.name is None:
        return None
    if isinstance(request.name, Digest):
        raise InvalidOption(f"manifests: {request.name} names no repository; at a registry write repository@{request.name}")
    source = repository(request.name)
    try:
        root = source.fetch_manifest(request.name)
    except ImageNotFound as error:
        raise ImageNotFound(f"{request.name}: {request.name.registry} doesn't have it", status=404) from error
    return _RemoteMember(IndexMember(str(request.name), root, source.read_document), source)


@dataclasses.dataclass(frozen=True)
class _OtherImage:
    """An image of the index that its repository may not have: its graph, and the repository that has it."""

    graph: Graph
    repository: Repository


def _read_others(index: NewIndex, found: t.Sequence[_RemoteMember], target: Repository) -> list[_OtherImage]:
    """Return the images and attestations of the index that come from other repositories."""
    by_label = {remote.member.label: remote for remote in found if remote.repository.name != target.name}
    others: dict[Digest, _OtherImage] = {}
    for image in index.images:
        remote = by_label.get(image.label)
        if remote is None:
            continue
        for entry in image.entries:
            graph = read_graph(entry.descriptor, f"{image.label}, {entry.descriptor.digest}", remote.member.read)
            if graph is not None:
                others[entry.descriptor.digest] = _OtherImage(graph, remote.repository)
    return list(others.values())


@dataclasses.dataclass(frozen=True)
class _SeveralRepositories:
    """A source that reads each blob from the repository of its image."""

    by_digest: t.Mapping[Digest, Repository]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self.by_digest[descriptor.digest].read_blob(descriptor)


def _plan_transfer(
    index: NewIndex,
    moved: tuple[Reference, ...],
    others: t.Sequence[_OtherImage],
    target: Repository,
    destination: OpenRepository,
    workers: Workers,
) -> Transfer:
    mounts = BlobMounts(destination, lambda registry, digest: ())
    origins: dict[Digest, Repository] = {}
    documents: dict[Descriptor, bytes] = {}
    nodes: list[ImageNode] = []
    for other in others:
        mounts.add_present(other.repository, other.graph.blobs)
        origins.update((blob.digest, other.repository) for blob in other.graph.blobs)
        documents.update(other.graph.documents)
        nodes += other.graph.images
    documents[index.root] = index.data
    graph = Graph(index.root, documents, tuple(nodes), ())
    split = mounts.split(graph.blobs, target, workers) if others else BlobSplit()
    return Transfer(
        _SeveralRepositories(origins),
        mounts.sink(target),
        graph,
        moved,
        selection=None,
        moves=split.moves,
        reused=graph.blobs_without(split.moves),
        pending=bool(moved),
        linked=split.linked,
    )


def _plan_name(name: Reference, before: Descriptor | None, index: NewIndex, transfer: Transfer, target: Repository) -> ImagePlan:
    was = RefState(before.digest) if before is not None else None
    platforms = list(dict.fromkeys(str(image.entry.platform) for image in index.images))
    moving = f"; {describe_transfer(transfer.moves)}" if transfer.moves else ""
    return ImagePlan(
        requested=str(name),
        changes=(RefChange(str(name), was, RefState(index.root.digest)),),
        actions=(f"{describe_index(name, index, was)}{moving}",) if name in transfer.names else (),
        transfer=transfer,
        results={
            "digest": str(index.root.digest),
            "image_id": None,
            "media_type": index.root.media_type,
            "platforms": platforms,
            "size": None,
            "previous_digest": str(was.digest) if was is not None else None,
            "members": index.rows,
            "endpoint": target.endpoint.url,
        },
    )


def _unchanged(name: Reference) -> ImagePlan:
    """Return the row of an index that doesn't exist, so that no member can be removed."""
    return ImagePlan(str(name), changes=(RefChange(str(name), None, None),), results={"previous_digest": None, "members": []})
