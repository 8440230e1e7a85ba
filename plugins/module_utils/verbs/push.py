# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a push: store -> registry."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, LongshoreError, StoreDamaged
from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers
from ..places.facts import describe_transfer, image_facts, short_digest
from ..places.platforms import reject_sparse, select_platforms
from ..places.referrer_plan import ReferrerPlan
from ..places.registry.blob_mounts import BlobMounts, BlobSplit, MountCandidates
from ..places.registry.referrers import describe_changes, make_transfer, plan_for_registry, split_with_referrers
from ..places.store.stored_referrers import find_complete_referrers
from ..places.verification import Verification, check_names
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.index import Entry
    from ..store.store import Store
    from ..trust.policy import Policy


def push_destination(name: Reference | Digest, destination: str | None, names: int) -> Reference:
    """Return the reference to push an image to.

    That is DESTINATION itself for one name, a reference below it if it ends in a slash, and the image's own name without DESTINATION.
    Raises InvalidOption for an image without a name, and for one DESTINATION of several NAMES.
    """
    if destination is None:
        if isinstance(name, Digest):
            raise InvalidOption(f"{name} has no name to be pushed to; give destination")
        return name
    if destination.endswith("/"):
        if isinstance(name, Digest):
            raise InvalidOption(f"{name} has no name to put after {destination}; give a whole reference as destination")
        tail = f":{name.tag}" if name.tag is not None else f"@{name.digest}"
        return Reference.parse(f"{destination}{name.repository}{tail}")
    if names > 1:
        raise InvalidOption(
            f"destination {destination} is one reference, but {names} images are to be pushed; end it with a slash to put them below it"
        )
    return Reference.parse_destination(destination, ", or a slash alone to keep the image's own")


def plan_push(
    store: Store,
    pairs: t.Sequence[tuple[Reference | Digest, Reference]],
    *,
    repository: t.Callable[[Reference], Repository],
    selection: Selection | None,
    host: Platform,
    workers: Workers,
    referrers: bool = True,
    trust: Policy | None = None,
) -> TransferPlan:
    """Plan to push images of STORE, each with its destination. A blob that several of them need in one repository is sent once.

    `selection` is None to push all platforms that the store has. With REFERRERS signatures and other referrers are pushed with their image.
    An image that TRUST refuses has its error in its row. Raises InvalidOption for two images with one destination.
    """
    return _Pusher(store, repository, selection, host, referrers, trust).plan(pairs, workers)


@dataclasses.dataclass(frozen=True)
class _Pusher:
    """The options of the pushes of one run, as `plan_push` documents them."""

    store: Store
    repository: t.Callable[[Reference], Repository]
    selection: Selection | None
    host: Platform
    referrers: bool
    trust: Policy | None

    def plan(self, pairs: t.Sequence[tuple[Reference | Digest, Reference]], workers: Workers) -> TransferPlan:
        reject_shared_destinations(pairs)
        self.store.reload()  # a damaged store stops the run before the first request
        mounts = BlobMounts(self.repository, MountCandidates(self.store))
        images = [self._plan_or_error(name, destination, mounts, workers) for name, destination in dict.fromkeys(pairs)]
        return TransferPlan(images)

    def _plan_or_error(self, name: Reference | Digest, destination: Reference, mounts: BlobMounts, workers: Workers) -> ImagePlan:
        try:
            return self._plan(name, destination, mounts, workers)
        except LongshoreError as error:
            return ImagePlan(str(destination.name), error=error, results={"source": str(name)})

    def _plan(self, name: Reference | Digest, destination: Reference, mounts: BlobMounts, workers: Workers) -> ImagePlan:
        """Return the plan of one image.

        Raises ImageNotFound, StoreDamaged, and PlatformMissing for a sparse index without a selected platform: registries refuse it.
        """
        entry = self.store.get_complete_entry(name)
        graph = select_platforms(entry.descriptor, entry.label, self.store.read_document, self.selection)
        verification = self._verify(entry, destination.name, graph)
        if destination.digest is not None and destination.digest != graph.root.digest:
            raise InvalidOption(f"{name} has the digest {graph.root.digest} and can't be pushed to {destination}")
        repository = self.repository(destination)
        found = repository.probe(destination)
        is_present = found is not None and found.digest == graph.root.digest
        if not is_present:
            reject_sparse(graph, entry.label)
        referrers = self._plan_referrers(entry, graph, repository)
        split = self._split_blobs(graph, referrers, repository, is_present, mounts, workers)
        will_be = RefState(graph.root.digest, tuple(graph.platforms))
        was = will_be if is_present else RefState(found.digest) if found is not None else None
        replaced = f" in place of {short_digest(was.digest)}" if was is not None else ""
        source = "" if str(name) == str(destination.name) else f"{name} as "
        action = f"push {source}{destination.name} ({short_digest(graph.root.digest)}){replaced}: {describe_transfer(split.moves)}"
        return ImagePlan(
            requested=str(destination.name),
            image=image_facts(str(destination.name), graph, self.selection, self.host),
            changes=(RefChange(str(destination.name), was, will_be), *referrers.changes),
            actions=(*((action,) if not is_present else ()), *describe_changes(referrers, "push", str(name), destination)),
            transfer=make_transfer(
                self.store, mounts, repository, NamedGraph(graph, (destination.name,), None), split, referrers, is_present=is_present
            ),
            results={
                "source": str(name),
                "previous_digest": str(was.digest) if was is not None else None,
                "endpoint": repository.answered_by,
                "referrers": list(referrers.rows),
                "verification": verification,
            },
            warnings=referrers.warnings,
        )

    def _verify(self, entry: Entry, new_name: Reference, selected: Graph) -> Verification:
        """Verify SELECTED, a part of a stored image, by its name in the store and by NEW_NAME. Raises StoreDamaged, and what `check_names` raises."""
        if self.trust is None:
            return None
        data = self.store.read_document(entry.descriptor)
        if data is None:
            raise StoreDamaged(f"{entry.label} is damaged in {self.store.path}: {entry.digest} can't be read; pull it again to repair it")
        from ..places.image_trust import cover_selection
        from ..store.referrers import referrers_in_store

        place = referrers_in_store(self.store)
        graph = cover_selection(entry.descriptor, data, selected)
        return check_names(self.trust, (entry.name,), new_name, graph, lambda name: [place.of_name(name)])

    def _plan_referrers(self, entry: Entry, graph: Graph, repository: Repository) -> ReferrerPlan:
        found = find_complete_referrers(self.store, entry, graph) if self.referrers else FoundReferrers()
        return plan_for_registry(repository, found) if found.referrers else ReferrerPlan(warnings=tuple(found.warnings))

    def _split_blobs(
        self, graph: Graph, referrers: ReferrerPlan, repository: Repository, is_present: bool, mounts: BlobMounts, workers: Workers
    ) -> BlobSplit:
        for blob in (*(() if is_present else graph.blobs), *referrers.missing_blobs(graph.blobs)):
            self.store.blob_origins.add(blob.digest, repository.name)
        if is_present:
            mounts.add_present(repository, graph.blobs)
        of_image = BlobSplit() if is_present else mounts.split_image(graph, repository, workers)
        return split_with_referrers(mounts, of_image, graph, referrers, repository, workers)


def reject_shared_destinations(pairs: t.Iterable[tuple[Reference | Digest, Reference]]) -> None:
    """Raise InvalidOption if two images have one destination: every later run would move the tag from one to the other."""
    taken: dict[Reference, tuple[Reference | Digest, Reference]] = {}
    for name, destination in pairs:
        first = taken.setdefault(destination.name, (name, destination))
        if first != (name, destination):
            raise InvalidOption(f"{first[0]} and {name} can't both be pushed to {destination.name}; give them different destinations")
