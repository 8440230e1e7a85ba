# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What travels with an image between registries: signatures and the like, that refer to it or are called after its digest."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import RegistryError, UnsupportedFormat
from ...limits import MAX_COMPANIONS, MAX_LEVELS
from ...oci import media_types
from ...oci.digest import Digest
from ...oci.document_reader import Read, bound_reads
from ...oci.graph import Graph, NamedGraph, read_graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...oci.text import sanitise
from ...registry.referrers import DigestTags, Referrer, ReferrerList, list_referrers, referrers_tag
from ...transfer.plan import RefChange, RefState

if t.TYPE_CHECKING:
    from ...registry.repository import Repository


@dataclasses.dataclass
class FoundReferrers:
    """All that belongs to one image: `lacking` is what the target doesn't have yet, in the order in which it may be published."""

    lacking: list[NamedGraph] = dataclasses.field(default_factory=list)
    changes: list[RefChange] = dataclasses.field(default_factory=list)
    rows: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


class ReferrerFinder:
    """Finds what belongs to images of SOURCE and isn't at TARGET yet."""

    def __init__(self, source: Repository, target: Repository, tags: DigestTags) -> None:
        """TAGS are those of SOURCE."""
        self._source = source
        self._target = target
        self._tags = tags
        self._documents: Read = source.read_document

    def find(self, image: Graph) -> FoundReferrers:
        """All that belongs to IMAGE and to each of its manifests, to what was found, and so on.

        Raises RegistryError for more than there can reasonably be.
        """
        self._documents = bound_reads(self._source.read_document, f"what belongs to an image of {self._source.name}")
        found = FoundReferrers()
        lists: list[NamedGraph] = []
        subjects = [descriptor.digest for descriptor in image.documents]
        seen = set(subjects)
        for _level in range(MAX_LEVELS):
            following: list[Digest] = []
            for subject in subjects:
                for graph in (*self._referring(subject, found, lists), *self._tagged(subject, found)):
                    following += [descriptor.digest for descriptor in graph.documents if descriptor.digest not in seen]
                    seen.update(following)
                    if len(seen) > MAX_COMPANIONS:
                        raise RegistryError(f"{self._source.name}: more than the {MAX_COMPANIONS} manifests that are allowed belong to one image")
            subjects = following
        # A list names what has to be there before it.
        found.lacking += lists
        return found

    def _referring(self, subject: Digest, found: FoundReferrers, lists: list[NamedGraph]) -> t.Iterator[Graph]:
        """What names SUBJECT as its subject. Where the target keeps no list of that itself, its list is completed too."""
        listed = [referrer for referrer in list_referrers(self._source, subject).referrers if self._is_readable(referrer, found)]
        for referrer in listed:
            graph = self._read(referrer.descriptor)
            name = _parent(self._target).pinned(graph.root.digest)
            self._add(graph, name, found)
            yield graph
        if listed:
            there = list_referrers(self._target, subject)
            if not there.kept_by_registry:
                lists += self._completed(subject, there, listed, found)

    def _is_readable(self, referrer: Referrer, found: FoundReferrers) -> bool:
        if referrer.descriptor.is_document:
            return True
        kind = sanitise(referrer.descriptor.media_type, 100)
        found.warnings.append(f"{self._source.name}@{referrer.descriptor.digest} is of type {kind} and isn't copied")
        return False

    def _completed(self, subject: Digest, there: ReferrerList, listed: t.Sequence[Referrer], found: FoundReferrers) -> list[NamedGraph]:
        data = there.document_with(listed)
        before = RefState(Digest.of(there.document)) if there.document is not None else None
        after = RefState(Digest.of(data)) if data is not None else before
        name = _parent(self._target).tagged(referrers_tag(subject))
        found.changes.append(RefChange(str(name), before, after))
        if data is None:
            return []
        root = Descriptor(media_types.OCI_INDEX, Digest.of(data), len(data))
        return [NamedGraph(Graph(root, {root: data}, (), ()), (name,), None)]

    def _tagged(self, subject: Digest, found: FoundReferrers) -> t.Iterator[Graph]:
        """What is called after SUBJECT."""
        for reference in self._tags.find(subject):
            root = self._source.probe(reference)
            if root is not None:
                graph = self._read(root)
                self._add(graph, _parent(self._target).tagged(str(reference.tag)), found)
                yield graph

    def _add(self, graph: Graph, name: Reference, found: FoundReferrers) -> None:
        there = self._target.probe(name)
        is_there = there is not None and there.digest == graph.root.digest
        found.rows.append({"digest": str(graph.root.digest), "tag": name.tag, "changed": not is_there})
        state = RefState(graph.root.digest)
        found.changes.append(RefChange(str(name), RefState(there.digest) if there is not None else None, state))
        if not is_there:
            found.lacking.append(NamedGraph(graph, (name,), None))

    def _read(self, root: Descriptor) -> Graph:
        plain = dataclasses.replace(root, platform=None, annotations={})
        graph = read_graph(plain, f"{self._source.name}@{root.digest}", self._documents)
        if graph is None:
            raise UnsupportedFormat(f"{self._source.name}@{root.digest} can't be read")
        return graph


def _parent(repository: Repository) -> Reference:
    return Reference(repository.registry, repository.repository)
