# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify the signatures of one image: find the candidate that a rule accepts, or the reason why all are rejected."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ..limits import MAX_CANDIDATE, MAX_CANDIDATES
from ..oci.digest import Digest
from ..oci.reference import Reference
from ..oci.text import sanitise
from .bundle import BUNDLE_TYPE, ENVELOPE_TYPE, Bundle, read_attestation, read_bundle
from .encoding import decode_base64
from .keys import PublicKey
from .repositories import RepositoryRule, SameRepository
from .simple_signing import PAYLOAD_TYPE, read_payload
from .statement import SIGNATURE_TYPE, Statement, read_statement
from .verdict import ATTESTATION, BUNDLE, NO_SIGNATURE, SIMPLE_SIGNING, FailedCheck, Rejected, Signature, Signer, Verdict

if t.TYPE_CHECKING:
    from .keyless import KeylessVerifier


@dataclasses.dataclass(frozen=True)
class Subject:
    """The image to verify: its name (None if it has none), its digest, and the bytes of its manifest or index.

    `manifest` is None if these bytes are missing, such as those of an index of which only some images are stored. Signatures that sign the bytes
    directly are then rejected.
    """

    reference: Reference | None
    digest: Digest
    manifest: bytes | None


@dataclasses.dataclass(frozen=True)
class SignatureBytes:
    """A blob that may be a signature. Only the digest of its bytes was verified.

    `where` names it in messages. `media_type` is the media type of its layer, `repository` the repository that has it, and `signature` the layer's
    annotation with a simple signature, and `log_entry` that with an entry of a log about it. If `data` is None, the candidate is rejected, and `problem`
    says why.
    """

    where: str
    media_type: str = ""
    data: bytes | None = None
    repository: str | None = None
    signature: str | None = None
    problem: str = "its bytes are missing"
    log_entry: str | None = None


class AttestationCheck(t.Protocol):
    """Checks the content of the attestations of one image."""

    def add(self, statement: Statement) -> None:
        """Examine a statement that an accepted signer signed."""

    def find_problem(self) -> str | None:
        """Return why the statements aren't accepted, None if they are."""


class AttestationGate(t.Protocol):
    """A demand on the content of attestations. `gates.Gate` is one; it isn't imported here, so that rules without gates don't need its files."""

    def start(self, digest: Digest) -> AttestationCheck: ...


@dataclasses.dataclass(frozen=True)
class SignatureRule:
    """Requires a signature by one of `keys`, or by an identity that `keyless` accepts, and an attestation of each of these types by one of them.

    The signature must include `annotations`. Without `bundles` only simple signatures count. With `log_keys`, a simple signature by a key needs an entry
    of a log with one of these keys. `gates` are demands on the content of attestations.
    """

    keys: tuple[PublicKey, ...] = ()
    keyless: KeylessVerifier | None = None
    repository: RepositoryRule = dataclasses.field(default_factory=SameRepository)
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    attestations: tuple[str, ...] = ()
    gates: tuple[AttestationGate, ...] = ()
    bundles: bool = True
    log_keys: tuple[PublicKey, ...] = ()


def verify_signatures(subject: Subject, candidates: t.Iterable[SignatureBytes], rule: SignatureRule) -> Verdict:
    """Return the verdict of RULE about an image. At most MAX_CANDIDATES of CANDIDATES are read, and none after an accepted one unless RULE has gates:
    these need the newest attestation.

    Raises DigestMismatch if the bytes of the image's manifest don't have its digest, and what reading CANDIDATES raises: a place that fails is no
    reason to call an image unsigned.
    """
    if subject.manifest is not None:
        subject.digest.check(subject.manifest, str(subject.reference or subject.digest))
    verification = _Verification(subject, rule)
    for candidate in itertools.islice(candidates, MAX_CANDIDATES):
        verification.examine(candidate)
        if verification.is_complete:
            break
    return verification.verdict()


class _Verification:
    """The state of verifying one image: what was accepted so far, and the rejection that got furthest."""

    def __init__(self, subject: Subject, rule: SignatureRule) -> None:
        self._subject = subject
        self._rule = rule
        self._signature: Signature | None = None
        self._attested: set[str] = set()
        self._checks = [gate.start(subject.digest) for gate in rule.gates]
        self._examined = 0
        self._unread: str | None = None
        self._furthest: tuple[FailedCheck, str] | None = None
        self._signers: dict[str, None] = {}

    @property
    def is_complete(self) -> bool:
        return not self._checks and self._signature is not None and self._attested.issuperset(self._rule.attestations)

    def examine(self, candidate: SignatureBytes) -> None:
        """Accept or reject one candidate."""
        self._examined += 1
        try:
            data = candidate.data
            if data is None:
                raise Rejected(FailedCheck.UNREADABLE, candidate.problem)
            if len(data) > MAX_CANDIDATE:
                raise Rejected(FailedCheck.UNREADABLE, f"it is longer than the {MAX_CANDIDATE} bytes that are allowed")
            if candidate.media_type == PAYLOAD_TYPE:
                self._accept(self._check_simple(candidate, data))
            elif candidate.media_type in (BUNDLE_TYPE, ENVELOPE_TYPE):
                self._examine_bundle(candidate, data)
            else:
                raise Rejected(FailedCheck.UNREADABLE, f"it has the type {sanitise(candidate.media_type, 100)}")
        except Rejected as rejection:
            self._record_rejection(candidate, rejection)
            is_signed = rejection.failed_check == FailedCheck.MALFORMED
            is_unread = candidate.data is None or len(candidate.data) > MAX_CANDIDATE
            if candidate.media_type in (BUNDLE_TYPE, ENVELOPE_TYPE) and (is_signed or is_unread):
                self._unread = self._unread or f"{candidate.where}: {rejection.reason}"

    def _record_rejection(self, candidate: SignatureBytes, rejection: Rejected) -> None:
        if self._furthest is None or rejection.failed_check > self._furthest[0]:
            self._furthest = rejection.failed_check, f"{candidate.where}: {rejection.reason}"

    def _accept(self, signature: Signature) -> None:
        self._signature = self._signature or signature

    # The two formats. The signature is verified before the signed bytes are parsed.

    def _check_simple(self, candidate: SignatureBytes, data: bytes) -> Signature:
        if candidate.signature is None:
            raise Rejected(FailedCheck.UNREADABLE, "it has no signature")
        signature = decode_base64(candidate.signature, "its signature")
        signer = self._find_key(signature, data, curve_hash=False)
        if self._rule.log_keys:
            from .log_entry import check_log_entry

            key = next(key for key in self._rule.keys if key.fingerprint == signer.key)
            check_log_entry(candidate.log_entry, self._rule.log_keys, key, signature, data)
            signer = dataclasses.replace(signer, is_logged=True)
        payload = read_payload(data)
        if payload.digest != str(self._subject.digest):
            raise Rejected(FailedCheck.OTHER_DIGEST, f"it signs {sanitise(payload.digest, 100)}")
        if not self._rule.repository.accepts_signed(self._subject.reference, payload.docker_reference):
            raise Rejected(FailedCheck.OTHER_REPOSITORY, f"it is for the repository {sanitise(payload.docker_reference, 200)}")
        annotations = self._check_annotations(payload.annotations)
        return Signature(SIMPLE_SIGNING, signer, self._subject.digest, annotations)

    def _examine_bundle(self, candidate: SignatureBytes, data: bytes) -> None:
        if not self._rule.bundles:
            raise Rejected(FailedCheck.OTHER_PURPOSE, "a bundle names no repository, which a policy's signedIdentity asks for")
        is_bundle = candidate.media_type == BUNDLE_TYPE
        bundle = read_bundle(data, self._subject.manifest) if is_bundle else read_attestation(data)
        signer = self._find_signer(bundle)
        statement = read_statement(bundle.payload, self._subject.digest) if bundle.payload is not None else None
        if not self._rule.repository.accepts_place(self._subject.reference, candidate.repository):
            raise Rejected(FailedCheck.OTHER_REPOSITORY, f"it is in the repository {sanitise(str(candidate.repository), 200)}")
        if statement is not None and statement.predicate_type != SIGNATURE_TYPE:
            self._attested.add(statement.predicate_type)
            for check in self._checks:
                check.add(statement)
            raise Rejected(FailedCheck.OTHER_PURPOSE, f"it is a statement of the type {sanitise(statement.predicate_type, 100)}, and not a signature")
        if not is_bundle:
            raise Rejected(FailedCheck.OTHER_PURPOSE, "it is a signature in the form of an attestation")
        annotations = self._check_annotations(statement.annotations if statement is not None else {})
        self._accept(Signature(BUNDLE, signer, self._subject.digest, annotations))

    def _find_key(self, signature: bytes, data: bytes, *, curve_hash: bool, claimed: str | None = None) -> Signer:
        for key in self._rule.keys:
            if key.accepts(signature, data, curve_hash=curve_hash):
                self._signers[f"key {key.fingerprint}"] = None
                return Signer(key=key.fingerprint)
        self._signers[f"another key that calls itself {claimed}" if claimed is not None else "another key"] = None
        raise Rejected(
            FailedCheck.OTHER_SIGNER, "no accepted key made it" if self._rule.keys else "it is made by a key, and only identities are accepted"
        )

    def _find_signer(self, bundle: Bundle) -> Signer:
        """Return who signed. A certificate counts only for identities: a key rule must not accept one that merely contains its key (GHSA-fx35-mq7g-6g98)."""
        if not bundle.has_certificate:
            return self._find_key(bundle.signature, bundle.signed_bytes, curve_hash=bundle.curve_hash, claimed=bundle.claimed_key)
        if self._rule.keyless is None:
            self._signers["another identity"] = None
            raise Rejected(FailedCheck.OTHER_SIGNER, "it is signed by a certificate, and only keys are accepted")
        try:
            signer = self._rule.keyless.verify(bundle)
        except Rejected as rejection:
            self._signers[f"another identity, {rejection.reason}"] = None
            raise
        self._signers[str(signer)] = None
        return signer

    def _check_annotations(self, signed: t.Mapping[str, t.Any]) -> dict[str, str]:
        for name, value in self._rule.annotations.items():
            if signed.get(name) != value:
                raise Rejected(FailedCheck.OTHER_ANNOTATIONS, f"its annotation {sanitise(name, 100)} is not {sanitise(value, 100)!r}")
        return {name: value for name, value in signed.items() if isinstance(value, str)}

    # The outcome.

    def verdict(self) -> Verdict:
        return dataclasses.replace(self._decide(), candidates=self._examined, signers=tuple(self._signers))

    def _decide(self) -> Verdict:
        if self._signature is None:
            if self._furthest is None:
                return Verdict(False, "it has no signature", is_unsigned=True, check=NO_SIGNATURE)
            return Verdict(False, self._furthest[1], check=self._furthest[0].word)
        problem = self._find_attestation_problem()
        if problem is not None:
            return Verdict(False, problem, self._signature, check=ATTESTATION)
        return Verdict(True, f"signed by {self._signature.signer}", self._signature, tuple(self._rule.attestations))

    def _find_attestation_problem(self) -> str | None:
        """Return why the attestations don't meet the rule, None if they do. With gates, an attestation that wasn't read could be the newest one."""
        if self._checks and self._examined >= MAX_CANDIDATES:
            return f"it has {MAX_CANDIDATES} or more signatures and attestations, so one that isn't read may be newer; delete old ones"
        if self._checks and self._unread is not None:
            return f"an attestation that can't be read may be newer, {self._unread}"
        missing = [kind for kind in self._rule.attestations if kind not in self._attested]
        if missing:
            return f"it has no accepted attestation of the type {sanitise(missing[0], 200)}"
        return next(filter(None, (check.find_problem() for check in self._checks)), None)
