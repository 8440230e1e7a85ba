# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of a verification: the accepted signature, or the reason why every candidate was rejected."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ..errors import LongshoreError, Unsigned, Untrusted
from ..oci.digest import Digest
from ..oci.text import sanitise, sanitise_message

SIMPLE_SIGNING = "simple_signing"
BUNDLE = "bundle"
GPG = "gpg"

_MAX_SHOWN = 5  # signers in a message
_MAX_SIGNERS = 20  # in a row

# The words of `check` in a row besides those of FailedCheck.
NO_SIGNATURE, ATTESTATION, REFUSED_BY_RULE, NO_RULE, NOT_CHECKED = "no_signature", "attestation", "refused_by_rule", "no_rule", "not_checked"


class FailedCheck(enum.IntEnum):
    """The check that a rejected candidate failed, in the order of the checks. The candidate that passed the most checks explains a refusal best."""

    UNREADABLE = 0  # not a signature that we can read
    OTHER_PURPOSE = 1  # a statement of another kind, such as an SBOM
    OTHER_SIGNER = 2  # no key or identity of the rule made it
    MALFORMED = 3  # signed by an accepted key, but not a valid statement
    OTHER_DIGEST = 4
    OTHER_REPOSITORY = 5
    OTHER_ANNOTATIONS = 6

    @property
    def word(self) -> str:
        """Return the check as it appears in results, where it is the same in all versions."""
        return self.name.lower()


class Rejected(Exception):
    """A candidate is not accepted. This package catches the exception and reports it as the reason of a refusal."""

    def __init__(self, failed_check: FailedCheck, reason: str) -> None:
        super().__init__(reason)
        self.failed_check = failed_check
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Signer:
    """Who made a signature: a key, by the SHA-256 of its DER form in hex (a GPG key by its fingerprint), or an identity that an issuer confirmed."""

    key: str | None = None
    issuer: str | None = None
    identity: str | None = None
    is_logged: bool = False

    @property
    def log(self) -> str:
        """Return whether an entry in a transparency log was checked. For signatures by key it is only if a policy.json requires one."""
        return "not_checked" if self.key is not None and not self.is_logged else "checked"

    def __str__(self) -> str:
        return f"key {self.key[:12]}" if self.key is not None else f"{self.identity} of {self.issuer}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """An accepted signature. `digest` is the digest that it signs, `annotations` are signed together with it."""

    format: str
    signer: Signer
    digest: Digest
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether an image is accepted, and why. `signature` is None if none was needed, or none accepted.

    `is_unsigned` is true if a signature was needed and there was no candidate at all. `failure` is the cause of the error that prevented the check, if any.
    `check` is the word of the check that failed, and `platform` the first platform of an index for which it did. `rule` is the scope of the rule that decided,
    `candidates` the number of signatures and attestations that were seen, and `signers` are those who made them as far as it is known.
    """

    accepted: bool
    reason: str
    signature: Signature | None = None
    attestations: tuple[str, ...] = ()
    is_unsigned: bool = False
    failure: str | None = None
    check: str | None = None
    rule: str | None = None
    platform: str | None = None
    candidates: int = 0
    signers: tuple[str, ...] = ()

    @property
    def cause(self) -> str | None:
        """Return the cause of a refusal, one of the words of `error` in results; None for an image that is accepted."""
        if self.accepted:
            return None
        return self.failure or (Unsigned.cause if self.is_unsigned else Untrusted.cause)

    def error(self, what: str) -> LongshoreError | None:
        """Return the error of an image that is not accepted, None otherwise. WHAT names the image."""
        if self.accepted:
            return None
        if self.is_unsigned:
            return Unsigned(f"{what} is not signed: {self.reason}{self._details()}", verification=self.facts())
        return Untrusted(f"{what} is not trusted: {self.reason}{self._details()}", verification=self.facts())

    def _details(self) -> str:
        """Return what was seen and which rule decided, for a message."""
        details = []
        if self.candidates:
            shown = ", ".join(self.signers[:_MAX_SHOWN]) + (" and others" if len(self.signers) > _MAX_SHOWN else "")
            noun = "signature or attestation was" if self.candidates == 1 else "signatures or attestations were"
            details.append(f"{self.candidates} {noun} seen, by {shown or 'unknown signers'}")
        if self.rule is not None:
            details.append(f"the rule for {f'{sanitise(self.rule, 200)!r}' if self.rule else 'all images'} decided")
        return f" ({'; '.join(details)})" if details else ""

    def facts(self) -> dict[str, t.Any]:
        """Return the verdict as the key `verification` of an image's row."""
        signature = self.signature
        signer = signature.signer if signature is not None else None
        return {
            "accepted": self.accepted,
            "reason": sanitise_message(self.reason),
            "error": self.cause,
            "format": signature.format if signature is not None else None,
            "key": signer.key if signer is not None else None,
            "issuer": signer.issuer if signer is not None else None,
            "identity": signer.identity if signer is not None else None,
            "digest": str(signature.digest) if signature is not None else None,
            "log": signer.log if signer is not None else None,
            "annotations": dict(signature.annotations) if signature is not None else {},
            "attestations": list(self.attestations),
            "check": None if self.accepted else self.check or NOT_CHECKED,
            "rule": self.rule,
            "platform": self.platform,
            "candidates": self.candidates,
            "signers": list(self.signers[:_MAX_SIGNERS]),
        }
