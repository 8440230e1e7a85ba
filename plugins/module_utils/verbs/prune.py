# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to prune a store by a retention policy."""

from __future__ import annotations

import datetime
import functools
import typing as t

from ..errors import UnsupportedFormat
from ..oci.digest import Digest
from ..oci.manifest import read_subject
from ..oci.platform import Platform
from ..oci.referrers import read_digest_tag
from ..places.filters import Filters
from ..places.inspected_image import InspectedImage
from ..places.protection import Protection
from ..places.retention import Candidate, Policy
from ..places.store.garbage import find_garbage, remaining_entries
from ..places.subjects import follow_subjects
from ..transfer.plan import Plan
from .info import Inspector
from .remove import RemoveFromStore, removal_facts, removed_image

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


def plan_prune(store: Store, policy: Policy, filters: Filters, protection: Protection, host: Platform, now: datetime.datetime) -> Plan:
    """Plan to remove the images that POLICY removes at the time NOW. They pass FILTERS and are not protected.

    If the policy removes unnamed images, content that no image needs is deleted too.
    """
    entries = store.index.entries
    candidates = _candidates(store, filters, protection, host)
    removed = set(policy.select_removable(candidates, now))
    leaving = [entry for entry, candidate in zip(entries, candidates) if candidate in removed]
    garbage = find_garbage(store, leaving, policy.dangling)
    step = RemoveFromStore(store, tuple(leaving), (*garbage.freed, *garbage.strays), tuple(garbage.unfinished))
    remaining = remaining_entries(store, leaving)
    kept = sorted({str(entry.digest) for entry in remaining})
    return Plan(
        [removed_image(store, entry, host) for entry in leaving],
        {**removal_facts(leaving, remaining, garbage.size), "kept_digests": kept},
        steps=[step] if leaving or garbage.actions() else [],
        extra_actions=garbage.actions(),
        extra_warnings=garbage.warnings(),
    )


def _candidates(store: Store, filters: Filters, protection: Protection, host: Platform) -> list[Candidate]:
    """Return the candidates of the policy: one for each entry of the store, in order."""
    entries = store.index.entries
    images = [InspectedImage(entry.name, entry.descriptor, functools.partial(store.read_graph, entry), store.read_document) for entry in entries]
    inspector = Inspector(images, f"the store {store.path}", host)
    chosen = {id(image) for image in inspector.find_matching(filters)}
    subjects = _find_subjects(images)
    return [
        Candidate(
            name=image.name,
            digest=image.digest,
            created=_created(inspector, image),
            chosen=id(image) in chosen,
            protected=protection.covers(image, lambda one: one.image_ids) or _has_foreign_name(entry),
            referrer_of=subjects.get(image.digest, frozenset()),
        )
        for entry, image in zip(entries, images)
    ]


def _has_foreign_name(entry: Entry) -> bool:
    """Return whether the entry has a short name of another tool, such as `latest`. It is no reference, but its owner wants to keep the image."""
    return entry.name is None and not entry.is_anonymous


def _created(inspector: Inspector, image: InspectedImage) -> datetime.datetime | None:
    try:
        return inspector.created(image)
    except UnsupportedFormat:
        return None


def _find_subjects(images: t.Sequence[InspectedImage]) -> dict[Digest, frozenset[Digest]]:
    """Return for each referrer, such as a signature, the images that it refers to."""
    images_by_manifest: dict[Digest, set[Digest]] = {}
    for image in images:
        documents = image.graph.documents if image.graph is not None else ()
        for digest in (image.digest, *(document.digest for document in documents)):
            images_by_manifest.setdefault(digest, set()).add(image.digest)
    subjects = {image.digest: found for image in images for found in [_read_subjects(image)] if found}
    return {digest: frozenset(follow_subjects(digest, subjects, images_by_manifest)) for digest in subjects}


def _read_subjects(image: InspectedImage) -> set[Digest]:
    """Return the subjects of an image: from its manifest or, as cosign does, from its tag."""
    root = image.graph.documents.get(image.root) if image.graph is not None else None
    found = (
        read_digest_tag(image.name.tag) if image.name is not None else None,
        read_subject(root, image.label) if root is not None else None,
    )
    return {subject for subject in found if subject is not None}
