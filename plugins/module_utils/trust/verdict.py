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
from ..oci.text import sanitise_message

SIMPLE_SIGNING = "simple_signing"
BUNDLE = "bundle"


class FailedCheck(enum.IntEnum):
    """The check that a rejected candidate failed, in the order of the checks. The candidate that passed the most checks explains a refusal best."""

    UNREADABLE = 0  # not a signature that we can read
    OTHER_PURPOSE = 1  # a statement of another kind, such as an SBOM
    OTHER_SIGNER = 2  # no key or identity of the rule made it
    MALFORMED = 3  # signed by an accepted key, but not a valid statement
    OTHER_DIGEST = 4
    OTHER_REPOSITORY = 5
    OTHER_ANNOTATIONS = 6


class Rejected(Exception):
    """A candidate is not accepted. This package catches the exception and reports it as the reason of a refusal."""

    def __init__(self, failed_check: FailedCheck, reason: str) -> None:
        super().__init__(reason)
        self.failed_check = failed_check
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Signer:
    """Who made a signature: a key, by the SHA-256 of its DER form in hex, or an identity that an issuer confirmed."""

    key: str | None = None
    issuer: str | None = None
    identity: str | None = None

    @property
    def log(self) -> str:
        """Return whether an entry in a transparency log was checked. For signatures by key it never is."""
        return "not_checked" if self.key is not None else "checked"

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
    """

    accepted: bool
    reason: str
    signature: Signature | None = None
    attestations: tuple[str, ...] = ()
    is_unsigned: bool = False
    failure: str | None = None

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
            return Unsigned(f"{what} is not signed: {self.reason}", verification=self.facts())
        return Untrusted(f"{what} is not trusted: {self.reason}", verification=self.facts())

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
        }
