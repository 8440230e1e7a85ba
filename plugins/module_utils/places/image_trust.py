# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify images before anything is planned for them: choose the bytes to verify, and search places for signatures."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ImageNotFound, UnsupportedFormat
from ..limits import MAX_CANDIDATE, MAX_CANDIDATES
from ..oci.digest import Digest
from ..oci.document_reader import Read
from ..oci.graph import Graph, ImageNode, read_graph
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..oci.referrers import ReferrerPlace, SignatureCandidate, SignatureServers, list_candidates
from ..trust.gpg import read_signature_file
from ..trust.policy import TrustPolicy
from ..trust.simple_signing import LOG_ANNOTATION, SIGNATURE_ANNOTATION
from ..trust.verdict import Rejected, Verdict
from ..trust.verification import SignatureBytes, Subject


def verify_image(policy: TrustPolicy, reference: Reference | None, graph: Graph, places: t.Iterable[ReferrerPlace]) -> Verdict:
    """Verify the image GRAPH, the part of it that is used, by its name REFERENCE. Signatures are looked for in each of PLACES, until one is accepted.

    A signature of the index covers everything that the index lists. Without one, each of the image's manifests needs its own: a signature
    for one platform must not approve the others. GRAPH needs no documents if PLACES is empty.
    If the policy has gates, all PLACES are searched together: one of them may have a newer result of a scan than the others.
    Raises InvalidTrust, MissingLibrary, and the errors of places that fail.
    """
    refusal: Verdict | None = None
    for group in [list(places)] if policy.has_gates(reference) else ([place] for place in places):
        verdict = _verify_in_places(policy, reference, graph, group)
        if verdict.accepted:
            return verdict
        # A rejected signature explains a refusal better than a place without signatures.
        if refusal is None or refusal.is_unsigned:
            refusal = verdict
    # Without a place to search, as for an image in an engine, the policy may still accept the image unsigned.
    return refusal if refusal is not None else _verify_in_places(policy, reference, graph, ())


def verify_everything(policy: TrustPolicy, reference: Reference | None, root: Descriptor, read: Read, places: t.Sequence[ReferrerPlace]) -> Verdict:
    """Verify everything that the digest of ROOT can give: the images of all platforms, and attestations. READ returns documents of the image.

    The entries of an index are read only if the index itself has no accepted signature. An image that is listed and can't be read is refused, because it may
    appear later. Raises ImageNotFound if ROOT can't be read, and what `verify_image` raises.
    """
    data = read(root)
    if data is None:
        raise ImageNotFound(f"{reference or root.digest} can't be read")
    verdict = verify_image(policy, reference, Graph(root, {root: data}, (), ()), places)
    if verdict.accepted or not root.is_index:
        return verdict

    def read_if_there(descriptor: Descriptor) -> bytes | None:
        try:
            return read(descriptor)
        except ImageNotFound:
            return None

    graph = t.cast(Graph, read_graph(root, str(reference or root.digest), read_if_there))
    if graph.absent:
        return dataclasses.replace(verdict, reason=f"{verdict.reason}, and {graph.absent[0].digest}, which its index lists, can't be read")
    return verify_image(policy, reference, graph, places)


def _verify_in_places(policy: TrustPolicy, reference: Reference | None, graph: Graph, places: t.Sequence[ReferrerPlace]) -> Verdict:
    whole = _verify_manifest(policy, reference, graph, graph.root, places)
    children = [image for image in graph.images if image.descriptor.digest != graph.root.digest]
    if whole.accepted or not children:
        return whole
    verdict = whole
    for position, child in enumerate(children):
        verdict = _verify_manifest(policy, reference, graph, child.descriptor, places)
        if not verdict.accepted:
            others = (_verify_manifest(policy, reference, graph, other.descriptor, places) for other in children[position + 1 :])
            return _refusal_of_child(
                whole, verdict, child, is_like_others=position == 0 and verdict.is_unsigned and all(one.is_unsigned for one in others)
            )
    return verdict


def _refusal_of_child(whole: Verdict, verdict: Verdict, child: ImageNode, *, is_like_others: bool) -> Verdict:
    """Return the verdict that explains best why an image of an index is refused. It names the image, unless nothing of the index has a signature."""
    platform = str(child.platform) if child.platform is not None else None
    label = f"its image for {platform} ({child.descriptor.digest})" if platform is not None else f"its image {child.descriptor.digest}"
    if verdict.is_unsigned:
        reason = whole.reason if is_like_others else f"{whole.reason}, and {label} has none either"
        return dataclasses.replace(whole, reason=reason, platform=platform)
    return dataclasses.replace(verdict, reason=f"{label}: {verdict.reason}", platform=platform)


def list_platform_verdicts(
    policy: TrustPolicy, reference: Reference | None, graph: Graph, places: t.Sequence[ReferrerPlace]
) -> list[tuple[ImageNode, Verdict]]:
    """Return the verdict about each image of an index alone. Raises what `verify_image` raises."""
    whole = verify_image(policy, reference, Graph(graph.root, graph.documents, (), ()), places)
    if whole.accepted:
        return [(image, whole) for image in graph.images]
    return [(image, verify_image(policy, reference, Graph(image.descriptor, graph.documents, (), ()), places)) for image in graph.images]


def _verify_manifest(
    policy: TrustPolicy, reference: Reference | None, graph: Graph, manifest: Descriptor, places: t.Sequence[ReferrerPlace]
) -> Verdict:
    data = next((content for document, content in graph.documents.items() if document.digest == manifest.digest), None)
    context = reference.context if reference is not None else None

    def find_candidates() -> t.Iterator[SignatureBytes]:
        read: set[tuple[Digest, str | None]] = set()
        for place in places:
            new = set()
            for found in list_candidates(place, manifest.digest, attestations=policy.demands_attestations(reference)):
                key = (found.root.digest, found.tag)
                if key not in read:
                    yield as_trust_candidate(found, manifest.digest, context)
                    if found.problem is None:
                        new.add(key)
            read |= new

    def find_gpg_candidates() -> t.Iterator[SignatureBytes]:
        for place in places:
            if place.servers is not None:
                yield from read_gpg_candidates(policy, reference, manifest.digest, place.servers)

    return policy.verify(Subject(reference, manifest.digest, data), find_candidates, find_gpg_candidates)


def read_gpg_candidates(policy: TrustPolicy, reference: Reference | None, digest: Digest, servers: SignatureServers) -> list[SignatureBytes]:
    """Return the files that signature servers have for DIGEST. All are read before any is verified: as with skopeo, one that is no signature refuses.

    They are those of the repository that SERVERS read for, also if the image gets another name.
    Raises InvalidTrust for files of registries.d that can't be read, UnsupportedFormat for a file that is no signature, and the errors of servers.
    """
    if policy.read_lookaside is None:
        return []
    lookaside = policy.read_lookaside()
    name = reference if reference is not None and reference.context == servers.repository.context else servers.repository
    found: list[SignatureBytes] = []
    for number in range(1, MAX_CANDIDATES + 1):
        url = lookaside.signature_url(name, digest, number)
        data = servers.read_url(url, MAX_CANDIDATE)
        if data is None:
            break
        try:
            read_signature_file(data)
        except Rejected as rejection:
            raise UnsupportedFormat(f"the signature {url} of {name} can't be read: {rejection.reason}") from rejection
        found.append(SignatureBytes(url, data=data))
    return found


def as_trust_candidate(found: SignatureCandidate, subject: Digest, repository: str | None) -> SignatureBytes:
    """Return a blob of a place as a candidate for the signature of SUBJECT. A candidate whose manifest names another subject is rejected."""
    where = found.tag if found.tag is not None else f"the referrer {found.root.digest}"
    layer = found.layer
    if found.problem is not None or layer is None:
        media_type = layer.media_type if layer is not None else ""
        return SignatureBytes(where, media_type, problem=found.problem or "it has no content")
    if found.tag is None and found.subject != subject:
        return SignatureBytes(where, problem=f"its subject is {found.subject or 'missing'}, and not {subject}")
    signature, log_entry = (layer.annotations.get(name) for name in (SIGNATURE_ANNOTATION, LOG_ANNOTATION))
    return SignatureBytes(where, layer.media_type, found.data, repository, signature, log_entry=log_entry)


def cover_selection(root: Descriptor, data: bytes, selected: Graph) -> Graph:
    """Return the graph to verify for SELECTED, a part of the image at ROOT whose bytes are DATA. A signature of the index is valid for each of its images."""
    if selected.root.digest == root.digest:
        return selected
    documents = {
        document: content for document, content in selected.documents.items() if document.digest != selected.root.digest or not document.is_index
    }
    return Graph(root, {**documents, root: data}, selected.images, ())
