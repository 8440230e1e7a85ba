# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blob mounts: find the blobs that a repository can mount from another repository of the same registry, so that they need no upload."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ...errors import LongshoreError
from ...oci.digest import Digest
from ...oci.graph import Graph, read_graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...transfer.workers import Workers

if t.TYPE_CHECKING:
    from ...registry.repository import Repository
    from ...registry.upload import RepositorySink
    from ...store.index import Entry
    from ...store.store import Store

# Each candidate costs one request.
MAX_CANDIDATES = 3

FindCandidates = t.Callable[[str, Digest], t.Iterable[str]]


@dataclasses.dataclass(frozen=True)
class BlobSplit:
    """The blobs that a repository is missing: those to upload, and those that it can mount from another repository.

    The value in `linked` is the sink of this run that uploads the blob to the other repository first, None if that repository has it already.
    """

    moves: tuple[Descriptor, ...] = ()
    linked: t.Mapping[Descriptor, RepositorySink | None] = dataclasses.field(default_factory=dict)


class BlobMounts:
    """Split missing blobs into those to upload and those to mount.

    `find_candidates` returns for a registry and a digest the repositories that may have the blob. They are checked before a mount is planned.
    """

    def __init__(self, repository: t.Callable[[Reference], Repository], find_candidates: FindCandidates) -> None:
        self._repository = repository
        self._find_candidates = find_candidates
        self._sinks: dict[str, RepositorySink] = {}
        self._holders: dict[tuple[str, Digest], dict[str, RepositorySink | None]] = {}

    def sink(self, repository: Repository) -> RepositorySink:
        """Return the one sink for this repository, so that a blob of several images is uploaded once."""
        from ...registry.upload import RepositorySink

        return self._sinks.setdefault(repository.name, RepositorySink(repository))

    def add_present(self, repository: Repository, blobs: t.Iterable[Descriptor]) -> None:
        """Record that REPOSITORY has these blobs."""
        for blob in blobs:
            self._repositories_with(repository, blob).setdefault(repository.repository, None)

    def split_image(self, graph: Graph, repository: Repository, workers: Workers) -> BlobSplit:
        """Split the blobs of an image that REPOSITORY is missing: none if it has the image, possibly under another tag."""
        if repository.probe(Reference(repository.registry, repository.repository, None, graph.root.digest)) is not None:
            self.add_present(repository, graph.blobs)
            return BlobSplit()
        return self.split(graph.blobs, repository, workers)

    def split(self, blobs: t.Sequence[Descriptor], repository: Repository, workers: Workers) -> BlobSplit:
        """Split those of BLOBS that REPOSITORY is missing. Later images for other repositories can mount them from REPOSITORY."""
        sink = self.sink(repository)
        present = workers.map(repository.has_blob, blobs)
        self.add_present(repository, [blob for blob, is_present in zip(blobs, present) if is_present])
        missing = [blob for blob, is_present in zip(blobs, present) if not is_present]
        undecided = [blob for blob in missing if repository.repository not in self._repositories_with(repository, blob)]
        for blob, mount in zip(undecided, workers.map(lambda blob: self._find_mount(blob, repository), undecided)):
            if mount is not None:
                sink.mounts[blob.digest] = mount
        linked = {blob: self._sink_to_wait_for(blob, sink) for blob in missing if blob.digest in sink.mounts}
        for blob in undecided:
            self._repositories_with(repository, blob)[repository.repository] = sink
        return BlobSplit(tuple(blob for blob in missing if blob not in linked), linked)

    def _repositories_with(self, repository: Repository, blob: Descriptor) -> dict[str, RepositorySink | None]:
        """Return the repositories of a registry that have a blob, or to which this run uploads it."""
        return self._holders.setdefault((repository.registry, blob.digest), {})

    def _sink_to_wait_for(self, blob: Descriptor, sink: RepositorySink) -> RepositorySink | None:
        """Return the sink of this run that must upload a blob before SINK can mount it, None if the blob is at the registry already."""
        return self._repositories_with(sink.repository, blob).get(sink.mounts[blob.digest])

    def _find_mount(self, blob: Descriptor, repository: Repository) -> str | None:
        """Return a repository to mount a blob from: one that this run knows to have it, else the first candidate that confirms it."""
        confirmed = next(iter(self._repositories_with(repository, blob)), None)
        if confirmed is not None:
            return confirmed
        registry = repository.registry
        candidates = [context for context in dict.fromkeys(self._find_candidates(registry, blob.digest)) if context != repository.name]
        return next(
            (candidate.repository for context in candidates[:MAX_CANDIDATES] for candidate in self._check_candidate(context, registry, blob)), None
        )

    def _check_candidate(self, context: str, registry: str, blob: Descriptor) -> list[Repository]:
        """Return the repository CONTEXT if it has the blob. If the request fails, the blob is not mounted from there."""
        try:
            candidate = self._repository(Reference.parse(context))
            return [candidate] if candidate.registry == registry and candidate.has_blob(blob) else []
        except LongshoreError:
            return []


class MountCandidates:
    """Find repositories that may have a blob: those that the store recorded when it pulled or pushed it, then names of stored images with that blob."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._by_name: dict[str, dict[Digest, list[str]]] = {}

    def __call__(self, registry: str, digest: Digest) -> t.Iterator[str]:
        yield from (context for context in self._store.blob_origins.repositories(digest) if context.startswith(f"{registry}/"))
        with self._lock:
            if registry not in self._by_name:
                self._by_name[registry] = self._find_named(registry)
        yield from self._by_name[registry].get(digest, ())

    def _find_named(self, registry: str) -> dict[Digest, list[str]]:
        contexts: dict[Digest, list[str]] = {}
        for entry in self._store.index.entries:
            if entry.name is not None and entry.name.registry == registry:
                for digest in self._list_blobs(entry):
                    contexts.setdefault(digest, []).append(entry.name.context)
        return contexts

    def _list_blobs(self, entry: Entry) -> t.Iterator[Digest]:
        """Return the blobs of an image, read from its manifests only. An image that can't be read has none."""
        try:
            graph = read_graph(entry.descriptor, entry.label, self._read_document)
        except LongshoreError:
            return
        yield from (blob.digest for blob in graph.blobs) if graph is not None else ()

    def _read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._store.read_document(descriptor) if descriptor.is_document else None
