# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signatures of an image: the verdict of a policy, or what is attached to the image if no policy was given."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ...module_utils.errors import Unsigned, Untrusted
from ...module_utils.oci.referrers import SIGNATURE
from ...module_utils.oci.text import sanitise
from ...module_utils.trust.bundle import BUNDLE_TYPE
from ...module_utils.trust.verdict import BUNDLE, SIMPLE_SIGNING
from ..host_answers import HostAnswer

_FORMATS = {SIMPLE_SIGNING: "simple signing", BUNDLE: "Sigstore bundle"}
_SIGNATURE = "signature"
_SBOM = "SBOM"
_SUFFIXES = {SIGNATURE: _SIGNATURE, ".att": "attestation", ".sbom": _SBOM}
_TYPES = {
    "application/vnd.dev.cosign.artifact.sig.v1+json": _SIGNATURE,
    "application/vnd.cncf.notary.signature": "Notation signature",
    "application/vnd.cyclonedx+json": _SBOM,
    "application/spdx+json": _SBOM,
    BUNDLE_TYPE: "Sigstore bundle",
}
_OTHER = "other content"


class Verdict(enum.Enum):
    """The verdict of a policy about an image. The values appear on the page."""

    SIGNED = "signed"
    ALLOWED = "needs no signature"
    UNSIGNED = "unsigned"
    REFUSED = "refused"
    NOT_FETCHED = "signatures not fetched"
    UNCHECKED = "not checked"

    @property
    def is_refusal(self) -> bool:
        return self in (Verdict.UNSIGNED, Verdict.REFUSED)


@dataclasses.dataclass(frozen=True)
class Verification:
    """A verdict and its reason. `signer` is empty unless a signature was accepted; for a key, `full_signer` has all digits. `details` were signed too."""

    verdict: Verdict
    reason: str
    signer: str = ""
    full_signer: str = ""
    details: str = ""

    @classmethod
    def read(cls, row: HostAnswer) -> Verification:
        reason = sanitise(row.text("reason"))
        if not row.flag("accepted"):
            verdicts = {Unsigned.cause: Verdict.UNSIGNED, Untrusted.cause: Verdict.REFUSED}
            return cls(verdicts.get(row.optional_text("error") or "", Verdict.UNCHECKED), reason)
        form, key = row.optional_text("format"), row.optional_text("key")
        if form is None:
            return cls(Verdict.ALLOWED, reason)
        if key is not None:
            signer, full_signer = f"key {key[:12]}", key
        else:
            signer = full_signer = f"{row.optional_text('identity')} of {row.optional_text('issuer')}"
        annotations = [f"{key}={value}" for key, value in sorted(row.text_by_name("annotations").items())]
        details = [_FORMATS.get(form, form), *annotations, *(f"attestation {kind}" for kind in row.texts("attestations"))]
        return cls(Verdict.SIGNED, reason, sanitise(signer), sanitise(full_signer), sanitise(", ".join(details)))


def describe_referrers(rows: t.Iterable[HostAnswer]) -> str:
    """Return the kinds of signatures and other referrers in ROWS, empty if there are none. They can be invalid."""
    return ", ".join(sorted({_describe_referrer(row) for row in rows}, key=lambda kind: (kind == _OTHER, kind)))


def _describe_referrer(row: HostAnswer) -> str:
    suffix = f".{(row.optional_text('tag') or '').partition('.')[2]}"
    return _SUFFIXES.get(suffix) or _TYPES.get(row.optional_text("artifact_type") or "") or _OTHER
