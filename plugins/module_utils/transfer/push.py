# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a push: store -> registry."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, LongshoreError, PlatformMissing
from ..oci.digest import Digest
from ..oci.graph import Graph, children_for, read_graph
from ..oci.manifest import Descriptor, Index, read_manifest
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.selecting import check_plain
from .describe import image_facts, moving, short
from .plan import ImagePlan, MovingPlan, RefChange, RefState, Transfer
from .workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.store import Store


def destination_of(name: Reference | Digest, destination: str | None, names: int) -> Reference:
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
    return Reference.parse(destination)


@dataclasses.dataclass(frozen=True)
class Pusher:
    """How images are pushed in this run. `selection` is None where all that the store holds is meant."""

    store: Store
    repository: t.Callable[[Reference], Repository]
    selection: Selection | None
    host: Platform

    def plan(self, pairs: t.Sequence[tuple[Reference | Digest, Reference]], workers: Workers) -> MovingPlan:
        """The plan for several images, each with its destination. Blobs that several of them bring to one repository are sent once."""
        self.store.reload()  # a damaged store ends the run before anything is asked for
        images = [self._plan_or_error(name, destination, workers) for name, destination in dict.fromkeys(pairs)]
        return MovingPlan(images)

    def _plan_or_error(self, name: Reference | Digest, destination: Reference, workers: Workers) -> ImagePlan:
        try:
            return self._plan(name, destination, workers)
        except LongshoreError as error:
            return ImagePlan(str(destination.name), error=error, own={"source": str(name)})

    def _plan(self, name: Reference | Digest, destination: Reference, workers: Workers) -> ImagePlan:
        graph = self._outgoing(name)
        if destination.digest is not None and destination.digest != graph.root.digest:
            raise InvalidOption(f"{name} has the digest {graph.root.digest} and can't be pushed to {destination}")
        repository = self.repository(destination)
        found = repository.probe(destination)
        there = found is not None and found.digest == graph.root.digest
        moves = () if there else self._lacking(graph, repository, workers)
        will_be = RefState(graph.root.digest, tuple(graph.platforms))
        was = will_be if there else RefState(found.digest) if found is not None else None
        plan = ImagePlan(
            asked=str(destination.name),
            image=image_facts(str(destination.name), graph, self.selection, self.host),
            changes=(RefChange(str(destination.name), was, will_be),),
            own={"source": str(name), "previous_digest": str(was.digest) if was is not None else None, "endpoint": repository.answered_by},
        )
        if not there:
            place = f" in place of {short(was.digest)}" if was is not None else ""
            source = "" if str(name) == str(destination.name) else f"{name} as "
            plan.actions = (f"push {source}{destination.name} ({short(graph.root.digest)}){place}: {moving(moves)}",)
        reused = tuple(blob for blob in graph.blobs if blob not in moves)
        plan.transfer = Transfer(self.store, repository, graph, (destination.name,), None, moves, reused, not there)
        return plan

    def _lacking(self, graph: Graph, repository: Repository, workers: Workers) -> tuple[Descriptor, ...]:
        """Asks for each blob, several at once; not at all where the repository has the image already under another tag."""
        if repository.probe(Reference(repository.registry, repository.repository, None, graph.root.digest)) is not None:
            return ()
        held = workers.map(repository.has, graph.blobs)
        return tuple(blob for blob, is_held in zip(graph.blobs, held) if not is_held)

    # What is pushed.

    def _outgoing(self, name: Reference | Digest) -> Graph:
        """The image as it leaves the store: whole, one of its platforms, or a new index over several.

        Raises ImageNotFound, StoreDamaged, and PlatformMissing for a sparse image where no platform is chosen: registries refuse it.
        """
        entry = self.store.complete(name)
        graph = self._read(entry.descriptor, entry.label)
        if self.selection is None or self.selection.everything:
            if graph.absent:
                held = ", ".join(graph.platforms) or "no platform"
                raise PlatformMissing(
                    f"{entry.label} is here only for {held} of the {len(graph.absent) + len(graph.images)} images in its index; give platform to push those"
                )
            return graph
        return self._part(graph, self.selection, entry.label)

    def _part(self, graph: Graph, selection: Selection, label: str) -> Graph:
        index = read_manifest(graph.documents[graph.root], graph.root.media_type, label)
        if not isinstance(index, Index):
            check_plain(graph.images[0].platform, selection, label)
            return graph
        chosen = children_for(selection)(index, label)
        absent = {child.digest for child in graph.absent}
        for child in chosen:
            if child.digest in absent:
                raise PlatformMissing(f"{label} is not here for {child.platform}; pull it for this platform first")
        if len(chosen) == 1:
            return self._read(chosen[0], label)
        data = index.only({child.digest for child in chosen})
        root = Descriptor(index.media_type, Digest.of(data), len(data))
        return self._read(root, label, {root.digest: data})

    def _read(self, root: Descriptor, label: str, made: t.Mapping[Digest, bytes] | None = None) -> Graph:
        graph = read_graph(root, label, lambda descriptor: (made or {}).get(descriptor.digest) or self.store.read(descriptor))
        if graph is None:
            raise PlatformMissing(f"{label} is not here")
        return graph
