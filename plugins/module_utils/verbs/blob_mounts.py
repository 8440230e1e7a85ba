# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repositories that a run pushes to, and what they needn't be sent because another repository of the same registry has it."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ..errors import LongshoreError
from ..oci.digest import Digest
from ..oci.graph import Graph, read_graph
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..registry.upload import RepositorySink
    from ..store.index import Entry
    from ..store.store import Store

MAX_ASKED = 3

Hints = t.Callable[[str, Digest], t.Iterable[str]]


@dataclasses.dataclass(frozen=True)
class BlobSplit:
    """Blobs that a repository lacks: those to be moved there, and those that it takes over from another, which may be one that this run pushes to."""

    moves: tuple[Descriptor, ...] = ()
    linked: t.Mapping[Descriptor, RepositorySink | None] = dataclasses.field(default_factory=dict)


class BlobMounts:
    """Divides what is lacking. HINTS tells, by a registry and a digest, repositories that may have a blob; they are asked before they are counted on."""

    def __init__(self, repository: t.Callable[[Reference], Repository], hints: Hints) -> None:
        self._repository = repository
        self._hints = hints
        self._destinations: dict[str, RepositorySink] = {}
        self._holders: dict[tuple[str, Digest], dict[str, RepositorySink | None]] = {}

    def destination(self, repository: Repository) -> RepositorySink:
        """The one sink for this repository, so that what several images bring there is sent once."""
        from ..registry.upload import RepositorySink

        return self._destinations.setdefault(repository.name, RepositorySink(repository))

    def has(self, repository: Repository, blobs: t.Iterable[Descriptor]) -> None:
        """Notes that REPOSITORY has these blobs."""
        for blob in blobs:
            self._held_at(repository, blob).setdefault(repository.repository, None)

    def lacking(self, graph: Graph, repository: Repository, workers: Workers) -> BlobSplit:
        """What REPOSITORY lacks of an image: nothing where it has it already, be it under another tag."""
        if repository.probe(Reference(repository.registry, repository.repository, None, graph.root.digest)) is not None:
            self.has(repository, graph.blobs)
            return BlobSplit()
        return self.divide(graph.blobs, repository, workers)

    def divide(self, blobs: t.Sequence[Descriptor], repository: Repository, workers: Workers) -> BlobSplit:
        """What REPOSITORY lacks of BLOBS, from now on counted as there: later images for other repositories take it over."""
        destination = self.destination(repository)
        held = workers.map(repository.has_blob, blobs)
        self.has(repository, [blob for blob, is_held in zip(blobs, held) if is_held])
        lacking = [blob for blob, is_held in zip(blobs, held) if not is_held]
        undecided = [blob for blob in lacking if repository.repository not in self._held_at(repository, blob)]
        for blob, origin in zip(undecided, workers.map(lambda blob: self._origin(blob, repository), undecided)):
            if origin is not None:
                destination.mounts[blob.digest] = origin
        linked = {blob: self._source_of(blob, destination) for blob in lacking if blob.digest in destination.mounts}
        for blob in undecided:
            self._held_at(repository, blob)[repository.repository] = destination
        return BlobSplit(tuple(blob for blob in lacking if blob not in linked), linked)

    def _held_at(self, repository: Repository, blob: Descriptor) -> dict[str, RepositorySink | None]:
        """The repositories of a registry that have a blob, or get it from this run."""
        return self._holders.setdefault((repository.registry, blob.digest), {})

    def _source_of(self, blob: Descriptor, destination: RepositorySink) -> RepositorySink | None:
        """The sink of this run that must have a blob before DESTINATION can take it over; None where it is there already."""
        return self._held_at(destination.repository, blob).get(destination.mounts[blob.digest])

    def _origin(self, blob: Descriptor, repository: Repository) -> str | None:
        """A repository that a blob can be had from: one that this run knows of, else one of those hinted at that says it has it."""
        known = next(iter(self._held_at(repository, blob)), None)
        if known is not None:
            return known
        registry = repository.registry
        hinted = [context for context in dict.fromkeys(self._hints(registry, blob.digest)) if context != repository.name]
        return next((candidate.repository for context in hinted[:MAX_ASKED] for candidate in self._asked(context, registry, blob)), None)

    def _asked(self, context: str, registry: str, blob: Descriptor) -> list[Repository]:
        """The repository CONTEXT, if it says that it has the blob. One that can't be asked is none to take a blob from."""
        try:
            candidate = self._repository(Reference.parse(context))
            return [candidate] if candidate.registry == registry and candidate.has_blob(blob) else []
        except LongshoreError:
            return []


class MountCandidates:
    """What the store notes of blobs that came or went, then its own names at the registry whose images hold the blob."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._by_name: dict[str, dict[Digest, list[str]]] = {}

    def __call__(self, registry: str, digest: Digest) -> t.Iterator[str]:
        yield from (place for place in self._store.blob_origins.repositories(digest) if place.startswith(f"{registry}/"))
        with self._lock:
            if registry not in self._by_name:
                self._by_name[registry] = self._named_at(registry)
        yield from self._by_name[registry].get(digest, ())

    def _named_at(self, registry: str) -> dict[Digest, list[str]]:
        contexts: dict[Digest, list[str]] = {}
        for entry in self._store.index.entries:
            if entry.name is not None and entry.name.registry == registry:
                for digest in self._blobs(entry):
                    contexts.setdefault(digest, []).append(entry.name.context)
        return contexts

    def _blobs(self, entry: Entry) -> t.Iterator[Digest]:
        """Read from manifests alone; what is odd tells nothing."""
        try:
            graph = read_graph(entry.descriptor, entry.label, self._read_document)
        except LongshoreError:
            return
        yield from (blob.digest for blob in graph.blobs) if graph is not None else ()

    def _read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._store.read_document(descriptor) if descriptor.is_document else None
