# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a push: store -> registry."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, LongshoreError
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer
from ..transfer.workers import Workers
from .blob_mounts import BlobMounts, BlobSplit, MountCandidates
from .facts import describe_transfer, image_facts, short_digest
from .platforms import reject_sparse, select_platforms

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.store import Store


def push_destination(name: Reference | Digest, destination: str | None, names: int) -> Reference:
    """Where an image goes: DESTINATION itself for one name, below it where it ends in a slash, and back where its name says without one."""
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
) -> TransferPlan:
    """Plan to push images of STORE, each with its destination. A blob that several of them need in one repository is sent once.

    `selection` is None if all that the store has of an image is meant. Raises InvalidOption for two images with one destination.
    """
    return _Pusher(store, repository, selection, host).plan(pairs, workers)


@dataclasses.dataclass(frozen=True)
class _Pusher:
    """How images are pushed in this run. `selection` is None where all that the store holds is meant."""

    store: Store
    repository: t.Callable[[Reference], Repository]
    selection: Selection | None
    host: Platform

    def plan(self, pairs: t.Sequence[tuple[Reference | Digest, Reference]], workers: Workers) -> TransferPlan:
        """The plan for several images, each with its destination. Blobs that several of them bring to one repository are sent once.

        Raises InvalidOption for two images with one destination.
        """
        _refuse_contradictions(pairs)
        self.store.reload()  # a damaged store ends the run before anything is asked for
        outlets = BlobMounts(self.repository, MountCandidates(self.store))
        images = [self._plan_or_error(name, destination, outlets, workers) for name, destination in dict.fromkeys(pairs)]
        return TransferPlan(images)

    def _plan_or_error(self, name: Reference | Digest, destination: Reference, outlets: BlobMounts, workers: Workers) -> ImagePlan:
        try:
            return self._plan(name, destination, outlets, workers)
        except LongshoreError as error:
            return ImagePlan(str(destination.name), error=error, results={"source": str(name)})

    def _plan(self, name: Reference | Digest, destination: Reference, outlets: BlobMounts, workers: Workers) -> ImagePlan:
        """Raises ImageNotFound, StoreDamaged, and PlatformMissing for a sparse image where no platform is chosen: registries refuse it."""
        entry = self.store.get_complete_entry(name)
        graph = select_platforms(entry.descriptor, entry.label, self.store.read_document, self.selection)
        if destination.digest is not None and destination.digest != graph.root.digest:
            raise InvalidOption(f"{name} has the digest {graph.root.digest} and can't be pushed to {destination}")
        repository = self.repository(destination)
        found = repository.probe(destination)
        there = found is not None and found.digest == graph.root.digest
        if not there:
            reject_sparse(graph, entry.label)
        division = self._division(graph, repository, there, outlets, workers)
        will_be = RefState(graph.root.digest, tuple(graph.platforms))
        was = will_be if there else RefState(found.digest) if found is not None else None
        place = f" in place of {short_digest(was.digest)}" if was is not None else ""
        source = "" if str(name) == str(destination.name) else f"{name} as "
        action = f"push {source}{destination.name} ({short_digest(graph.root.digest)}){place}: {describe_transfer(division.moves)}"
        return ImagePlan(
            requested=str(destination.name),
            image=image_facts(str(destination.name), graph, self.selection, self.host),
            changes=(RefChange(str(destination.name), was, will_be),),
            actions=(action,) if not there else (),
            transfer=Transfer(
                self.store,
                outlets.destination(repository),
                graph,
                (destination.name,),
                selection=None,
                moves=division.moves,
                reused=graph.blobs_without(division.moves),
                pending=not there,
                linked=division.linked,
            ),
            results={"source": str(name), "previous_digest": str(was.digest) if was is not None else None, "endpoint": repository.answered_by},
        )

    def _division(self, graph: Graph, repository: Repository, there: bool, outlets: BlobMounts, workers: Workers) -> BlobSplit:
        if there:
            outlets.has(repository, graph.blobs)
            return BlobSplit()
        for blob in graph.blobs:
            self.store.blob_origins.add(blob.digest, repository.name)
        return outlets.lacking(graph, repository, workers)


def _refuse_contradictions(pairs: t.Iterable[tuple[Reference | Digest, Reference]]) -> None:
    """One tag points at one image: each further run would move it from one to the other."""
    taken: dict[Reference, tuple[Reference | Digest, Reference]] = {}
    for name, destination in pairs:
        first = taken.setdefault(destination.name, (name, destination))
        if first != (name, destination):
            raise InvalidOption(f"{first[0]} and {name} can't both be pushed to {destination.name}; give them different destinations")
