# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to attach new referrers to images: signatures and attestations, at a registry or in a store."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ImageNotFound, LongshoreError
from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers, Referrer, ReferrerPlace, SignatureCandidate, list_candidates
from ..places.facts import format_count, image_facts
from ..places.platforms import read_image
from ..places.referrer_plan import ReferrerPlan
from ..transfer.interfaces import Chunks
from ..transfer.plan import ImagePlan, TransferPlan
from ..transfer.transfer import Transfer
from ..transfer.workers import Workers
from ..trust.artifacts import Artifact

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A new referrer of the manifest SUBJECT. `tag` is its tag at the place if that is made of the subject's digest, None if it has only a `subject`."""

    artifact: Artifact
    subject: Digest
    tag: str | None = None


@dataclasses.dataclass(frozen=True)
class Present:
    """A referrer of the manifest SUBJECT that the place already has, so that it isn't attached again."""

    root: Descriptor
    subject: Digest
    tag: str | None = None


@dataclasses.dataclass(frozen=True)
class Attached:
    """The attachments that an image is missing, those that it has, and the results of its row."""

    missing: tuple[Attachment, ...]
    present: tuple[Present, ...]
    results: t.Mapping[str, t.Any]


class Target(t.Protocol):
    """A place where referrers are attached to the image REFERENCE."""

    reference: Reference
    place: ReferrerPlace

    def read_image(self) -> Graph:
        """Return the image, with all documents that are there. Raises ImageNotFound."""

    def plan_referrers(self, found: FoundReferrers) -> ReferrerPlan: ...

    def make_transfer(self, source: MemorySource, image: Graph, referrers: ReferrerPlan, workers: Workers) -> Transfer: ...


# Returns the attachments that an image is missing.
MakeAttachments = t.Callable[[Target, Graph], Attached]


def plan_attachments(targets: t.Sequence[Target], make: MakeAttachments, verb: str, host: Platform, workers: Workers) -> TransferPlan:
    """Plan to attach the referrers that MAKE returns for each of TARGETS. VERB is the first word of the actions.

    An image that fails has its error in its row; the others are done.
    """

    def plan(target: Target) -> ImagePlan:
        try:
            return _plan_target(target, make, verb, host, workers)
        except LongshoreError as error:
            return ImagePlan(str(target.reference.name), error=error)

    # One after the other: two names of one image have the same list of referrers.
    return TransferPlan([plan(target) for target in targets])


def _plan_target(target: Target, make: MakeAttachments, verb: str, host: Platform, workers: Workers) -> ImagePlan:
    image = target.read_image()
    attached = make(target, image)
    content = {digest: data for attachment in attached.missing for digest, data in attachment.artifact.content.items()}
    roots = [(attachment.artifact.root, attachment.subject, attachment.tag) for attachment in attached.missing]
    roots += [(present.root, present.subject, present.tag) for present in attached.present]
    found = FoundReferrers([_make_referrer(target, content, *root) for root in roots])
    referrers = target.plan_referrers(found)
    what = format_count(len(attached.missing), "referrer")
    return ImagePlan(
        requested=str(target.reference.name),
        image=image_facts(str(target.reference.name), image, None, host),
        changes=referrers.changes,
        actions=(f"{verb} {target.reference.name} ({what})",) if referrers.missing else (),
        transfer=target.make_transfer(MemorySource(content), image, referrers, workers) if referrers.missing else None,
        results=dict(attached.results),
    )


def _make_referrer(target: Target, content: t.Mapping[Digest, bytes], root: Descriptor, subject: Digest, tag: str | None) -> Referrer:
    """Return a referrer that is in CONTENT or at the place. Blobs that a new manifest shares with an older one are at the place."""

    def read(descriptor: Descriptor) -> bytes | None:
        data = content.get(descriptor.digest)
        return data if data is not None else target.place.read_document(descriptor)

    name = target.reference.with_tag(tag) if tag is not None else None
    return Referrer(read_image(root, str(root.digest), read), subject, name)


def find_candidates(place: ReferrerPlace, subject: Digest, *, attestations: bool = False) -> list[SignatureCandidate]:
    """Return the possible signatures of SUBJECT that can be read, with ATTESTATIONS also those under cosign's tag for attestations."""
    return [candidate for candidate in list_candidates(place, subject, attestations=attestations) if candidate.data is not None]


@dataclasses.dataclass(frozen=True)
class MemorySource:
    """A source of new blobs, which are only in memory."""

    content: t.Mapping[Digest, bytes]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return (self.content[descriptor.digest],)


class RegistryTarget:
    """An image at a registry."""

    def __init__(self, reference: Reference, repository: Repository) -> None:
        from ..registry.referrers import RepositoryReferrers

        self.reference = reference
        self.place: ReferrerPlace = RepositoryReferrers(repository)
        self._repository = repository

    def read_image(self) -> Graph:
        root = self._repository.fetch_manifest(self.reference)
        return read_image(root, str(self.reference), self._repository.read_document)

    def plan_referrers(self, found: FoundReferrers) -> ReferrerPlan:
        from ..places.registry.referrers import plan_for_registry

        return plan_for_registry(self._repository, found)

    def make_transfer(self, source: MemorySource, image: Graph, referrers: ReferrerPlan, workers: Workers) -> Transfer:
        from ..places.registry.blob_mounts import BlobMounts
        from ..places.registry.referrers import make_transfer

        mounts = BlobMounts(lambda _reference: self._repository, lambda _registry, _digest: ())
        split = mounts.split(referrers.missing_blobs(()), self._repository, workers)
        return make_transfer(source, mounts, self._repository, NamedGraph(image, (), None), split, referrers, is_present=True)


class StoreTarget:
    """An image in a store. If it has only some images of an index, the others can be signed too, because their digests are known."""

    def __init__(self, reference: Reference, store: Store) -> None:
        from ..store.referrers import referrers_in_store

        self.reference = reference
        self.place: ReferrerPlace = referrers_in_store(store, reference.context)
        self._store = store

    def read_image(self) -> Graph:
        entry = self._store.get_complete_entry(self.reference)
        graph = self._store.read_graph(entry)
        if graph is None:
            raise ImageNotFound(f"{self.reference} can't be read in the store {self._store.path}")
        return graph

    def plan_referrers(self, found: FoundReferrers) -> ReferrerPlan:
        from ..places.store.referrers import plan_for_store

        return plan_for_store(self._store, found, (self.reference.name,))

    def make_transfer(self, source: MemorySource, image: Graph, referrers: ReferrerPlan, workers: Workers) -> Transfer:
        moves = self._store.list_missing(referrers.blobs)
        *others, last = referrers.missing
        reused = referrers.blobs_without(moves)
        return Transfer(source, self._store, last.graph, last.names, selection=None, moves=moves, reused=reused, referrers=tuple(others))


def registry_targets(references: t.Iterable[Reference], repository: t.Callable[[Reference], Repository]) -> list[Target]:
    """Return images at registries. `repository` opens a repository to change."""
    return [RegistryTarget(reference, repository(reference)) for reference in dict.fromkeys(references)]


def store_targets(references: t.Iterable[Reference], store: Store) -> list[Target]:
    """Return images in a store."""
    return [StoreTarget(reference, store) for reference in dict.fromkeys(references)]
