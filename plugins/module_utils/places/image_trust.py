# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify images before anything is planned for them: choose the bytes to verify, and search places for signatures."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..oci.referrers import Candidate as PlaceCandidate
from ..oci.referrers import ReferrerPlace, list_candidates
from ..trust.policy import Policy
from ..trust.simple_signing import SIGNATURE_ANNOTATION
from ..trust.verdict import Verdict
from ..trust.verification import Candidate, Subject


def verify_image(policy: Policy, reference: Reference | None, graph: Graph, places: t.Iterable[ReferrerPlace]) -> Verdict:
    """Verify the image GRAPH, the part of it that is used, by its name REFERENCE. Signatures are looked for in each of PLACES, until one is accepted.

    A signature of the index covers everything that the index lists. Without one, each of the image's manifests needs its own: a signature
    for one platform must not approve the others. GRAPH needs no documents if PLACES is empty.
    Raises InvalidTrust, MissingLibrary, and the errors of places that fail.
    """
    refusal: Verdict | None = None
    for place in places:
        verdict = _verify_in_place(policy, reference, graph, place)
        if verdict.accepted:
            return verdict
        # A rejected signature explains a refusal better than a place without signatures.
        if refusal is None or refusal.is_unsigned:
            refusal = verdict
    # Without a place to search, as for an image in an engine, the policy may still accept the image unsigned.
    return refusal if refusal is not None else _verify_in_place(policy, reference, graph, None)


def _verify_in_place(policy: Policy, reference: Reference | None, graph: Graph, place: ReferrerPlace | None) -> Verdict:
    whole = _verify_manifest(policy, reference, graph, graph.root, place)
    children = [image.descriptor for image in graph.images if image.descriptor.digest != graph.root.digest]
    if whole.accepted or not children:
        return whole
    verdict = whole
    for child in children:
        verdict = _verify_manifest(policy, reference, graph, child, place)
        if not verdict.accepted:
            return whole if verdict.is_unsigned else verdict
    return verdict


def _verify_manifest(policy: Policy, reference: Reference | None, graph: Graph, manifest: Descriptor, place: ReferrerPlace | None) -> Verdict:
    data = next((content for document, content in graph.documents.items() if document.digest == manifest.digest), None)
    context = reference.context if reference is not None else None

    def find_candidates() -> t.Iterator[Candidate]:
        for found in list_candidates(place, manifest.digest) if place is not None else ():
            yield as_trust_candidate(found, manifest.digest, context)

    return policy.verify(Subject(reference, manifest.digest, data), find_candidates)


def as_trust_candidate(found: PlaceCandidate, subject: Digest, repository: str | None) -> Candidate:
    """Return a blob of a place as a candidate for the signature of SUBJECT. A candidate whose manifest names another subject is rejected."""
    where = found.tag if found.tag is not None else f"the referrer {found.root.digest}"
    layer = found.layer
    if found.problem is not None or layer is None:
        return Candidate(where, problem=found.problem or "it has no content")
    if found.tag is None and found.subject != subject:
        return Candidate(where, problem=f"its subject is {found.subject or 'missing'}, and not {subject}")
    return Candidate(where, layer.media_type, found.data, repository, layer.annotations.get(SIGNATURE_ANNOTATION))


def cover_selection(root: Descriptor, data: bytes, selected: Graph) -> Graph:
    """Return the graph to verify for SELECTED, a part of the image at ROOT whose bytes are DATA. A signature of the index is valid for each of its images."""
    if selected.root.digest == root.digest:
        return selected
    documents = {
        document: content for document, content in selected.documents.items() if document.digest != selected.root.digest or not document.is_index
    }
    return Graph(root, {**documents, root: data}, selected.images, ())
