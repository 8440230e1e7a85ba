# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures by GPG keys: the requirement `signedBy` of policy.json. A program of the host verifies them, behind the interface `GpgKeyring`."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ..limits import MAX_CANDIDATE, MAX_CANDIDATES
from ..oci.text import sanitise
from .repositories import RepositoryRule
from .simple_signing import GPG_TYPE, read_payload
from .verdict import GPG, NO_SIGNATURE, FailedCheck, Rejected, Signature, Signer, Verdict

if t.TYPE_CHECKING:
    from .verification import SignatureBytes, Subject

# The first byte of a signed OpenPGP message: a packet with compressed data, with the beginning of a signature, or with a signature.
_FIRST_BYTES = frozenset(b"\xa0\xa1\xa2\xa3\xc8\x90\x91\x92\x3d\xc4\x88\x89\x8a\x8b\xc2")
# A newer form of the file begins with the name of its format.
_SIMPLE_SIGNING_FILE = b"\x00simple-signing\n"


class GpgKeyring(t.Protocol):
    """Public keys that a signature may be made by."""

    def verify(self, signature: bytes) -> tuple[bytes, str]:
        """Return the bytes that a message SIGNATURE contains and signs, and the fingerprint of the key. Raises Rejected."""


# Open a keyring with the content of key files. The text names them in messages. Raises InvalidTrust, MissingLibrary.
OpenKeyring = t.Callable[[t.Sequence[bytes], str], GpgKeyring]


@dataclasses.dataclass(frozen=True)
class GpgRule:
    """Requires a signature by a key of `keyring` that names a repository which `repository` accepts."""

    keyring: GpgKeyring
    repository: RepositoryRule


def verify_gpg_signatures(subject: Subject, candidates: t.Iterable[SignatureBytes], rule: GpgRule) -> Verdict:
    """Return the verdict of RULE about an image. At most MAX_CANDIDATES of CANDIDATES are read, and none after an accepted one.

    Raises DigestMismatch if the bytes of the image's manifest don't have its digest, and what reading CANDIDATES raises.
    """
    if subject.manifest is not None:
        subject.digest.check(subject.manifest, str(subject.reference or subject.digest))
    furthest: tuple[FailedCheck, str] | None = None
    seen = 0
    for candidate in itertools.islice(candidates, MAX_CANDIDATES):
        seen += 1
        try:
            signature = _verify(subject, candidate, rule)
        except Rejected as rejection:
            if furthest is None or rejection.failed_check > furthest[0]:
                furthest = rejection.failed_check, f"{candidate.where}: {rejection.reason}"
        else:
            return Verdict(True, f"signed by {signature.signer}", signature, candidates=seen, signers=(f"key {signature.signer.key}",))
    if furthest is None:
        return Verdict(False, "it has no GPG signature on the servers that registries.d names", is_unsigned=True, check=NO_SIGNATURE)
    return Verdict(False, furthest[1], check=furthest[0].word, candidates=seen)


def _verify(subject: Subject, candidate: SignatureBytes, rule: GpgRule) -> Signature:
    message = read_signature_file(candidate.data or b"")
    payload, fingerprint = rule.keyring.verify(message)
    claim = read_payload(payload, GPG_TYPE)
    if claim.digest != str(subject.digest):
        raise Rejected(FailedCheck.OTHER_DIGEST, f"it signs {sanitise(claim.digest, 100)}")
    if not rule.repository.accepts_signed(subject.reference, claim.docker_reference):
        raise Rejected(FailedCheck.OTHER_REPOSITORY, f"it is for {sanitise(claim.docker_reference, 200)}")
    _check_optional(claim.annotations)
    annotations = {name: value for name, value in claim.annotations.items() if isinstance(value, str)}
    return Signature(GPG, Signer(key=fingerprint), subject.digest, annotations)


def _check_optional(members: t.Mapping[str, t.Any]) -> None:
    """Raise Rejected for members that skopeo refuses: a creator that is no text, or a timestamp that is no whole number."""
    creator, time = members.get("creator"), members.get("timestamp")
    is_whole = time is None or (isinstance(time, (int, float)) and not isinstance(time, bool) and float(time).is_integer())
    if not (creator is None or isinstance(creator, str)) or not is_whole:
        raise Rejected(FailedCheck.MALFORMED, "its creator or its timestamp is invalid")


def read_signature_file(data: bytes) -> bytes:
    """Return the OpenPGP message in a file of a signature server. Raises Rejected for anything else."""
    if data.startswith(_SIMPLE_SIGNING_FILE):
        return data[len(_SIMPLE_SIGNING_FILE) :]
    if not data or data[0] not in _FIRST_BYTES:
        raise Rejected(FailedCheck.UNREADABLE, "it is no OpenPGP message")
    if len(data) > MAX_CANDIDATE:
        raise Rejected(FailedCheck.UNREADABLE, f"it is longer than the {MAX_CANDIDATE} bytes that are allowed")
    return data
