# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers: signatures, attestations and other artifacts that refer to an image, or whose tag is made of its digest, are copied with the image."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import RegistryError, UnsupportedFormat
from ...limits import MAX_LEVELS, MAX_REFERRERS
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
    """The referrers of one image. `missing` are those that the target doesn't have yet, in the order in which they must be published."""

    missing: list[NamedGraph] = dataclasses.field(default_factory=list)
    changes: list[RefChange] = dataclasses.field(default_factory=list)
    rows: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


class ReferrerFinder:
    """Find the referrers of images at SOURCE, and which of them are missing at TARGET."""

    def __init__(self, source: Repository, target: Repository, tags: DigestTags) -> None:
        """Prepare a finder. TAGS are the tags of SOURCE that are made of digests."""
        self._source = source
        self._target = target
        self._tags = tags
        self._documents: Read = source.read_document

    def find(self, image: Graph) -> FoundReferrers:
        """Return the referrers of IMAGE and of each of its manifests, the referrers of these, and so on.

        Raises RegistryError for more than MAX_REFERRERS: a registry could answer without end.
        """
        self._documents = bound_reads(self._source.read_document, f"the referrers of an image of {self._source.name}")
        found = FoundReferrers()
        lists: list[NamedGraph] = []
        subjects = [descriptor.digest for descriptor in image.documents]
        seen = set(subjects)
        for _level in range(MAX_LEVELS):
            next_subjects: list[Digest] = []
            for subject in subjects:
                for graph in (*self._find_listed(subject, found, lists), *self._find_tagged(subject, found)):
                    next_subjects += [descriptor.digest for descriptor in graph.documents if descriptor.digest not in seen]
                    seen.update(next_subjects)
                    if len(seen) > MAX_REFERRERS:
                        raise RegistryError(f"{self._source.name}: one image has more than the {MAX_REFERRERS} referrers that are allowed")
            subjects = next_subjects
        # A registry accepts a list only after the manifests that it names.
        found.missing += lists
        return found

    def _find_listed(self, subject: Digest, found: FoundReferrers, lists: list[NamedGraph]) -> t.Iterator[Graph]:
        """Yield the graphs of manifests whose `subject` is SUBJECT. If the target doesn't maintain the list of referrers itself, plan to complete it."""
        listed = [referrer for referrer in list_referrers(self._source, subject).referrers if self._is_readable(referrer, found)]
        for referrer in listed:
            graph = self._read(referrer.descriptor)
            name = _as_reference(self._target).pinned(graph.root.digest)
            self._add(graph, name, found)
            yield graph
        if listed:
            at_target = list_referrers(self._target, subject)
            if not at_target.kept_by_registry:
                lists += self._complete_list(subject, at_target, listed, found)

    def _is_readable(self, referrer: Referrer, found: FoundReferrers) -> bool:
        if referrer.descriptor.is_document:
            return True
        kind = sanitise(referrer.descriptor.media_type, 100)
        found.warnings.append(f"{self._source.name}@{referrer.descriptor.digest} has the media type {kind} and is not copied")
        return False

    def _complete_list(self, subject: Digest, at_target: ReferrerList, listed: t.Sequence[Referrer], found: FoundReferrers) -> list[NamedGraph]:
        """Plan the fallback tag of SUBJECT with all LISTED referrers (OCI distribution specification, referrers tag schema)."""
        data = at_target.document_with(listed)
        before = RefState(Digest.of(at_target.document)) if at_target.document is not None else None
        after = RefState(Digest.of(data)) if data is not None else before
        name = _as_reference(self._target).tagged(referrers_tag(subject))
        found.changes.append(RefChange(str(name), before, after))
        if data is None:
            return []
        root = Descriptor(media_types.OCI_INDEX, Digest.of(data), len(data))
        return [NamedGraph(Graph(root, {root: data}, (), ()), (name,), None)]

    def _find_tagged(self, subject: Digest, found: FoundReferrers) -> t.Iterator[Graph]:
        """Yield the graphs whose tag is made of the digest SUBJECT, as cosign's signatures are."""
        for reference in self._tags.find(subject):
            root = self._source.probe(reference)
            if root is not None:
                graph = self._read(root)
                self._add(graph, _as_reference(self._target).tagged(str(reference.tag)), found)
                yield graph

    def _add(self, graph: Graph, name: Reference, found: FoundReferrers) -> None:
        """Add the row and the change of one referrer, and plan to copy it if the target is missing it."""
        current = self._target.probe(name)
        is_present = current is not None and current.digest == graph.root.digest
        found.rows.append({"digest": str(graph.root.digest), "tag": name.tag, "changed": not is_present})
        state = RefState(graph.root.digest)
        found.changes.append(RefChange(str(name), RefState(current.digest) if current is not None else None, state))
        if not is_present:
            found.missing.append(NamedGraph(graph, (name,), None))

    def _read(self, root: Descriptor) -> Graph:
        plain = dataclasses.replace(root, platform=None, annotations={})
        graph = read_graph(plain, f"{self._source.name}@{root.digest}", self._documents)
        if graph is None:
            raise UnsupportedFormat(f"{self._source.name}@{root.digest} can't be read")
        return graph


def _as_reference(repository: Repository) -> Reference:
    return Reference(repository.registry, repository.repository)
