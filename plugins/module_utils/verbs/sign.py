# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to sign images with a private key, and to attach signed statements to them."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption
from ..files import naming_path_in_errors, read_named
from ..limits import MAX_CANDIDATE
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.referrers import ATTESTATION, SIGNATURE, SignatureCandidate, referrers_tag
from ..oci.text import sanitise
from ..places.image_trust import as_trust_candidate
from ..trust.artifacts import make_attestation_image, make_bundle_referrer, make_signature_image
from ..trust.bundle import BUNDLE_TYPE, ENVELOPE_TYPE, make_attestation, make_bundle, read_attestation, read_bundle
from ..trust.keys import PrivateKey
from ..trust.repositories import AnyRepository, NamedRepository
from ..trust.simple_signing import PAYLOAD_TYPE, make_payload, signed_repository
from ..trust.statement import PREDICATE_TYPES, SIGNATURE_TYPE, find_predicate_type, make_statement
from ..trust.verdict import BUNDLE, SIMPLE_SIGNING, Rejected
from ..trust.verification import SignatureRule, Subject, verify_signatures
from .attach import Attached, Attachment, Present, Target, find_candidates

_MEDIA_TYPES = {BUNDLE: BUNDLE_TYPE, SIMPLE_SIGNING: PAYLOAD_TYPE}
FORMATS = tuple(_MEDIA_TYPES)
ENVELOPE = "att"  # the format of attestations under cosign's tag
_ATTESTATION_TYPES = {BUNDLE: BUNDLE_TYPE, ENVELOPE: ENVELOPE_TYPE}
ATTESTATION_FORMATS = tuple(_ATTESTATION_TYPES)


@dataclasses.dataclass(frozen=True)
class Signing:
    """Signs images with `key`, in each of `formats`, with `annotations`; if `recursive`, also each manifest of an index."""

    key: PrivateKey
    formats: t.Sequence[str]
    annotations: t.Mapping[str, str]
    recursive: bool

    def __call__(self, target: Target, image: Graph) -> Attached:
        """Return the signatures that an image is missing. A signature counts if this key made it for this repository, with these annotations."""
        missing: list[Attachment] = []
        present: list[Present] = []
        rows: list[dict[str, t.Any]] = []
        for manifest in list_manifests(image, self.recursive):
            candidates = find_candidates(target.place, manifest.digest)
            for form in self.formats:
                found = self._find_signature(target, image, manifest, candidates, form)
                rows.append({"digest": str(manifest.digest), "format": form, "changed": found is None})
                if found is None:
                    missing.append(self._sign(target, manifest, form))
                else:
                    present.append(Present(found.root, manifest.digest, found.tag))
        return Attached(tuple(missing), tuple(present), {"key": self.key.public.fingerprint, "signatures": rows})

    def _find_signature(
        self, target: Target, image: Graph, manifest: Descriptor, candidates: t.Sequence[SignatureCandidate], form: str
    ) -> SignatureCandidate | None:
        """Return the candidate that is a signature by this key, None if there is none."""
        context = target.reference.context
        rule = SignatureRule(
            keys=(self.key.public,),
            # A bundle names no repository, so one that was copied from another repository is valid too.
            repository=NamedRepository(context) if form == SIMPLE_SIGNING else AnyRepository(),
            annotations=self.annotations,
        )
        subject = Subject(target.reference, manifest.digest, image.documents.get(manifest))
        for found in candidates:
            if found.layer is not None and found.layer.media_type == _MEDIA_TYPES[form]:
                candidate = as_trust_candidate(found, manifest.digest, context)
                if verify_signatures(subject, [candidate], rule).accepted:
                    return found
        return None

    def _sign(self, target: Target, manifest: Descriptor, form: str) -> Attachment:
        if form == BUNDLE:
            statement = make_statement(manifest.digest, SIGNATURE_TYPE, {}, self.annotations)
            return Attachment(make_bundle_referrer(manifest, make_bundle(statement, self.key), SIGNATURE_TYPE), manifest.digest)
        payload = make_payload(target.reference, manifest.digest, self.annotations)
        existing = _read_cosign_tag(target, manifest.digest, SIGNATURE)
        return Attachment(make_signature_image(payload, self.key, existing), manifest.digest, f"{referrers_tag(manifest.digest)}{SIGNATURE}")


@dataclasses.dataclass(frozen=True)
class Attesting:
    """Attaches a statement of `predicate_type` with `predicate` to images, signed by `key`, in each of `formats`."""

    key: PrivateKey
    predicate_type: str
    predicate: t.Mapping[str, t.Any]
    formats: t.Sequence[str] = (BUNDLE,)

    def __call__(self, target: Target, image: Graph) -> Attached:
        """Return the attestations that an image is missing. An attestation counts if this key signed the same statement."""
        digest = image.root.digest
        statement = make_statement(digest, self.predicate_type, self.predicate, {}, signed_repository(target.reference))
        candidates = find_candidates(target.place, digest, attestations=ENVELOPE in self.formats)
        missing: list[Attachment] = []
        present: list[Present] = []
        for form in self.formats:
            found = next((candidate for candidate in candidates if self._is_attested(image, candidate, statement, form)), None)
            if found is None:
                missing.append(self._attest(target, image, statement, form))
            else:
                present.append(Present(found.root, digest, found.tag))
        return Attached(tuple(missing), tuple(present), {"key": self.key.public.fingerprint, "predicate_type": self.predicate_type})

    def _attest(self, target: Target, image: Graph, statement: bytes, form: str) -> Attachment:
        data = make_bundle(statement, self.key) if form == BUNDLE else make_attestation(statement, self.key)
        if len(data) > MAX_CANDIDATE:
            raise InvalidOption(f"the attestation of {target.reference} would have {len(data)} bytes; verification reads at most {MAX_CANDIDATE}")
        digest = image.root.digest
        if form == BUNDLE:
            return Attachment(make_bundle_referrer(image.root, data, self.predicate_type), digest)
        existing = _read_cosign_tag(target, digest, ATTESTATION)
        return Attachment(make_attestation_image(data, self.predicate_type, existing), digest, f"{referrers_tag(digest)}{ATTESTATION}")

    def _is_attested(self, image: Graph, candidate: SignatureCandidate, statement: bytes, form: str) -> bool:
        if candidate.layer is None or candidate.layer.media_type != _ATTESTATION_TYPES[form] or candidate.data is None:
            return False
        try:
            bundle = read_bundle(candidate.data, image.documents[image.root]) if form == BUNDLE else read_attestation(candidate.data)
        except Rejected:
            return False
        is_same = bundle.payload == statement and not bundle.has_certificate
        return is_same and self.key.public.accepts(bundle.signature, bundle.signed_bytes, curve_hash=bundle.curve_hash)


def list_manifests(image: Graph, recursive: bool) -> list[Descriptor]:
    """Return the manifests and indexes to sign: the image itself, and if RECURSIVE all that it lists, present or not."""
    if not recursive:
        return [image.root]
    found = [image.root, *reversed(list(image.documents)), *image.absent]
    return list({descriptor.digest: descriptor for descriptor in found}.values())


def _read_cosign_tag(target: Target, digest: Digest, suffix: str) -> bytes | None:
    """Return the image of signatures or attestations that cosign's tag with SUFFIX names now, None without one."""
    context = target.reference.context
    for name, root in target.place.find_by_tag(digest, (suffix,)):
        if name.context == context:
            return target.place.read_document(root)
    return None


def read_type(name: str) -> str:
    """Return the URI of a predicate type. Raises InvalidOption for a name that is neither a URI nor a known short name."""
    found = find_predicate_type(name)
    if found is None:
        raise InvalidOption(f"type {sanitise(name, 100)!r} is not a URI, and none of {', '.join(PREDICATE_TYPES)}")
    return found


def read_predicate(given: t.Mapping[str, t.Any] | None, path: str | None) -> t.Mapping[str, t.Any]:
    """Return the predicate GIVEN, else the one in the JSON file PATH. Raises UnsupportedFormat for a file that is no JSON object."""
    if path is None:
        return given or {}
    with naming_path_in_errors(path):
        data = read_named(path, MAX_CANDIDATE)
    return Document.parse(data, path, MAX_CANDIDATE).members
