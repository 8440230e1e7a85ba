# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to publish the referrers of an image at a registry, and the list of them if the registry doesn't keep it itself."""

from __future__ import annotations

import typing as t

from ...oci import media_types
from ...oci.digest import Digest
from ...oci.graph import Graph, NamedGraph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...oci.referrers import FoundReferrers, Referrer, referrers_tag
from ...registry.referrers import list_referrers
from ...transfer.interfaces import Source
from ...transfer.plan import RefChange, RefState
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..referrer_plan import ReferrerPlan, unique_blobs
from .blob_mounts import BlobMounts, BlobSplit

if t.TYPE_CHECKING:
    from ...registry.repository import Repository


def plan_for_registry(target: Repository, found: FoundReferrers) -> ReferrerPlan:
    """Plan to publish the referrers FOUND in the repository TARGET. A registry accepts a list only after the manifests that it names: lists come last."""
    rows: list[dict[str, t.Any]] = []
    changes: list[RefChange] = []
    missing: list[NamedGraph] = []
    by_subject: dict[Digest, list[Referrer]] = {}
    for referrer in found.referrers:
        name = _as_reference(target).with_tag(referrer.tag) if referrer.tag is not None else _as_reference(target).with_digest(referrer.digest)
        current = target.probe(name)
        is_present = current is not None and current.digest == referrer.digest
        rows.append(referrer.facts(changed=not is_present))
        changes.append(RefChange(str(name), RefState(current.digest) if current is not None else None, RefState(referrer.digest)))
        if not is_present:
            missing.append(NamedGraph(referrer.graph, (name,), None))
        if referrer.tag is None:
            by_subject.setdefault(referrer.subject, []).append(referrer)
    for subject, referrers in by_subject.items():
        completed = _complete_list(target, subject, referrers)
        if completed is not None:
            changes.append(completed[0])
            missing += completed[1]
    blobs = unique_blobs(referrer.graph for referrer in found.referrers)
    return ReferrerPlan(tuple(rows), tuple(changes), tuple(missing), blobs, tuple(found.warnings))


def _complete_list(target: Repository, subject: Digest, referrers: t.Sequence[Referrer]) -> tuple[RefChange, list[NamedGraph]] | None:
    """Return the change of the tag that lists the REFERRERS of SUBJECT, and the new list, if it changes (distribution specification, Referrers Tag Schema).

    Return None if the registry keeps the list itself.
    """
    at_target = list_referrers(target, subject)
    if at_target.kept_by_registry:
        return None
    data = at_target.document_with(referrers)
    before = RefState(Digest.of(at_target.document)) if at_target.document is not None else None
    name = _as_reference(target).with_tag(referrers_tag(subject))
    if data is None:
        return RefChange(str(name), before, before), []
    root = Descriptor.of(media_types.OCI_INDEX, data)
    return RefChange(str(name), before, RefState(root.digest)), [NamedGraph(Graph(root, {root: data}, (), ()), (name,), None)]


def split_with_referrers(
    mounts: BlobMounts, of_image: BlobSplit, graph: Graph, referrers: ReferrerPlan, target: Repository, workers: Workers
) -> BlobSplit:
    """Return OF_IMAGE, the split of the blobs of GRAPH, with the blobs of the missing referrers added."""
    missing = referrers.missing_blobs(graph.blobs)
    if not missing:
        return of_image
    of_referrers = mounts.split(missing, target, workers)
    return BlobSplit((*of_image.moves, *of_referrers.moves), {**of_image.linked, **of_referrers.linked})


def make_transfer(
    source: Source, mounts: BlobMounts, target: Repository, image: NamedGraph, split: BlobSplit, referrers: ReferrerPlan, *, is_present: bool
) -> Transfer:
    """Return the transfer of an image and its missing referrers. If IMAGE is present, only the referrers are published."""
    published = [*referrers.missing, *([] if is_present else [image])]
    last = published[-1] if published else image
    blobs = {blob.digest: blob for blob in (*image.graph.blobs, *referrers.blobs)}
    moved = {blob.digest for blob in split.moves}
    return Transfer(
        source,
        mounts.sink(target),
        last.graph,
        last.names,
        selection=None,
        moves=split.moves,
        reused=tuple(blob for digest, blob in blobs.items() if digest not in moved),
        pending=bool(published),
        linked=split.linked,
        referrers=tuple(published[:-1]),
    )


def describe_changes(referrers: ReferrerPlan, verb: str, source: str, target: Reference) -> list[str]:
    """Return the sentence for the referrers that change, or for the lists that are completed."""
    if referrers.is_changed:
        return [f"{verb} {referrers.count} of {source} to {target.context}"]
    if referrers.missing:
        return [f"complete the lists of referrers of {target} in {target.context}"]
    return []


def _as_reference(repository: Repository) -> Reference:
    return Reference(repository.registry, repository.repository)
