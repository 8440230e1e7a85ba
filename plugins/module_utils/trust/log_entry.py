# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of a transparency log (Rekor) beside simple signatures, checked offline with the log's key, as skopeo checks them for policy.json."""

from __future__ import annotations

import hashlib
import re
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_CANDIDATE
from ..oci.document import Document, encode_canonical
from .encoding import decode_base64
from .keys import PublicKey, read_pem
from .verdict import FailedCheck, Rejected

_HASH = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
# Canonical JSON (RFC 8785) writes larger numbers in another way than Python.
_MAX_NUMBER = 2**53


def check_log_entry(entry: str | None, logs: t.Sequence[PublicKey], key: PublicKey, signature: bytes, data: bytes) -> None:
    """Check that one of LOGS confirms that it recorded SIGNATURE of DATA by KEY. ENTRY is the annotation beside the signature. Raises Rejected if not.

    The confirmation is the signed entry timestamp. The entry's proof of inclusion is not needed for it, and cosign doesn't store one there.
    """
    if entry is None:
        raise Rejected(FailedCheck.OTHER_SIGNER, "it has no entry of a transparency log, which the policy requires")
    try:
        document = Document.parse(entry.encode("utf-8", "backslashreplace"), "its log entry", MAX_CANDIDATE)
        _require(document, {"SignedEntryTimestamp", "Payload"})
        payload = document.required_child("Payload")
        _require(payload, {"body", "integratedTime", "logIndex", "logID"})
        for name in ("integratedTime", "logIndex"):
            if abs(payload.required_number(name)) > _MAX_NUMBER:
                raise UnsupportedFormat(f"{payload.what}: {name} is too large")
        payload.required_text("logID")
        timestamp = decode_base64(document.required_text("SignedEntryTimestamp"), "the timestamp of its log entry")
        if not any(log.accepts(timestamp, encode_canonical(payload.members), curve_hash=False) for log in logs):
            raise UnsupportedFormat("no accepted log signed its log entry")
        body = decode_base64(payload.required_text("body"), "the body of its log entry")
        _check_body(Document.parse(body, "the body of its log entry", MAX_CANDIDATE), key, signature, data)
    except UnsupportedFormat as error:
        raise Rejected(FailedCheck.OTHER_SIGNER, error.message) from error


def _check_body(body: Document, key: PublicKey, signature: bytes, data: bytes) -> None:
    """Check what the log recorded. The log has signed the body, so that unknown members are harmless."""
    if (body.required_text("kind"), body.required_text("apiVersion")) != ("hashedrekord", "0.0.1"):
        raise UnsupportedFormat(f"{body.what} is not of the kind hashedrekord 0.0.1")
    spec = body.required_child("spec")
    recorded, data_hash = spec.required_child("signature"), spec.required_child("data").required_child("hash")
    if decode_base64(recorded.required_text("content"), "the recorded signature") != signature:
        raise UnsupportedFormat("its log entry is for another signature")
    if read_pem(decode_base64(recorded.required_child("publicKey").required_text("content"), "the recorded key")) != key.der:
        raise UnsupportedFormat("its log entry is for another key")
    value = data_hash.required_text("value")
    if data_hash.required_text("algorithm") != "sha256" or not _HASH.fullmatch(value) or bytes.fromhex(value) != hashlib.sha256(data).digest():
        raise UnsupportedFormat("its log entry is for other data")


def _require(document: Document, names: set[str]) -> None:
    if document.members.keys() != names:
        odd = min(document.members.keys() ^ names)
        raise UnsupportedFormat(f"{document.what} {'has no' if odd in names else 'has the unknown field'} {odd[:50]!r}")
