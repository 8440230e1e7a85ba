# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In-toto statements: a signed claim of some type about digests. Cosign 3 signs images with them; attestations, such as SBOMs, are statements too."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_CANDIDATE
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from .verdict import FailedCheck, Rejected

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
SIGNATURE_TYPE = "https://sigstore.dev/cosign/sign/v1"

_READ_TYPES = frozenset((STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1"))

# The short names of predicate types, the same as in cosign.
PREDICATE_TYPES = {
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "spdx": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
}


@dataclasses.dataclass(frozen=True)
class Statement:
    """A claim of the type `predicate_type` about one digest. `annotations` are those of that digest."""

    predicate_type: str
    annotations: t.Mapping[str, t.Any]
    predicate: t.Any = dataclasses.field(default=None, repr=False)


def find_predicate_type(name: str) -> str | None:
    """Return the URI of a predicate type, from its short name or its URI. Return None for any other name."""
    return PREDICATE_TYPES.get(name) or (name if "://" in name.strip("/") and name.isprintable() and " " not in name else None)


def read_statement(data: bytes, digest: Digest) -> Statement:
    """Read a statement whose signature was verified. Raises Rejected if it is malformed, or isn't about DIGEST."""
    try:
        document = Document.parse(data, "the signed statement", MAX_CANDIDATE)
        if document.required_text("_type") not in _READ_TYPES:
            raise UnsupportedFormat("the signed statement is of an unknown type or version")
        predicate_type = document.required_text("predicateType")
        subjects = document.children("subject")
        about = [subject for subject in subjects if subject.required_child("digest").text(digest.algorithm) == digest.hex]
    except UnsupportedFormat as error:
        raise Rejected(FailedCheck.MALFORMED, error.message) from error
    if not about:
        raise Rejected(FailedCheck.OTHER_DIGEST, "its statement is about other digests")
    annotations = about[0].members.get("annotations")
    return Statement(predicate_type, annotations if isinstance(annotations, dict) else {}, document.members.get("predicate"))


def make_statement(digest: Digest, predicate_type: str, predicate: t.Any, annotations: t.Mapping[str, str], name: str | None = None) -> bytes:
    """Return a statement about DIGEST. The same arguments give the same bytes."""
    subject: dict[str, t.Any] = {"digest": {digest.algorithm: digest.hex}}
    if name is not None:
        subject["name"] = name
    if annotations:
        subject["annotations"] = dict(annotations)
    return encode_canonical({"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": predicate_type, "predicate": predicate})


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature signs (DSSE protocol, PAE)."""
    return b"DSSEv1 %d %s %d %s" % (len(payload_type.encode()), payload_type.encode(), len(payload), payload)
