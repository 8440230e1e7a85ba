# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sigstore bundles, version 0.3: a signature of a message or of a DSSE envelope, and what is needed to verify it. Cosign 2 stores such an envelope alone."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_CANDIDATE
from ..oci.document import Document, encode_canonical
from .encoding import decode_base64, encode_base64
from .keys import PrivateKey
from .statement import PAYLOAD_TYPE, pre_authentication_encoding
from .verdict import FailedCheck, Rejected

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"

# Annotations of the manifest that carries a bundle.
CONTENT_ANNOTATION = "dev.sigstore.bundle.content"
PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"
DSSE_CONTENT = "dsse-envelope"

_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
_CERTIFICATES = ("certificate", "x509CertificateChain")


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle before its signature is verified. `payload` is that of the DSSE envelope; None if the bundle signs the manifest's own bytes.

    `data` is the bundle itself, `signed_bytes` are the bytes that its signature signs. `has_certificate` means that it was signed by an identity,
    otherwise by a key. `curve_hash` means that the hash of the key's curve is accepted besides SHA-256.
    """

    data: bytes
    has_certificate: bool
    signature: bytes
    signed_bytes: bytes
    payload: bytes | None
    hint: str | None = None
    curve_hash: bool = True

    @property
    def claimed_key(self) -> str | None:
        """Return the fingerprint that the hint claims, as cosign writes it. Nothing confirms it."""
        try:
            digest = base64.b64decode(self.hint or "", validate=True)
        except ValueError:
            return None
        return digest.hex() if len(digest) == hashlib.sha256().digest_size else None


def read_bundle(data: bytes, manifest: bytes | None) -> Bundle:
    """Read a bundle. Raises Rejected for another version, several signatures, and everything that could be read in two ways.

    MANIFEST holds the bytes of the signed manifest or index, None if they are missing. A bundle that signs these bytes must name their digest.
    """
    try:
        document = Document.parse(data, "the bundle", MAX_CANDIDATE)
        if document.required_text("mediaType") != BUNDLE_TYPE:
            raise UnsupportedFormat("the bundle is not of version 0.3")
        material = document.required_child("verificationMaterial")
        kinds = [kind for kind in ("publicKey", *_CERTIFICATES) if material.has(kind)]
        if len(kinds) != 1:
            raise UnsupportedFormat(f"the bundle has {'no' if not kinds else 'more than one'} key or certificate")
        message, envelope = document.child("messageSignature"), document.child("dsseEnvelope")
        has_certificate = kinds[0] in _CERTIFICATES
        hint = None if has_certificate else material.required_child("publicKey").text("hint")
        if envelope is not None and message is None:
            payload, signature = _read_envelope(envelope, "the bundle")
            return Bundle(data, has_certificate, signature, pre_authentication_encoding(PAYLOAD_TYPE, payload), payload, hint)
        if message is None or envelope is not None:
            raise UnsupportedFormat("the bundle has not exactly one signature")
        if manifest is None:
            raise UnsupportedFormat("the bundle signs the bytes of a manifest that is missing")
        return Bundle(data, has_certificate, _read_message_signature(message, manifest), manifest, None, hint)
    except UnsupportedFormat as error:
        raise Rejected(FailedCheck.UNREADABLE, error.message) from error


def read_attestation(data: bytes) -> Bundle:
    """Read an envelope that cosign 2 stores as an attestation. It is signed over SHA-256. Raises Rejected like `read_bundle`."""
    what = "the attestation"
    try:
        payload, signature = _read_envelope(Document.parse(data, what, MAX_CANDIDATE), what)
    except UnsupportedFormat as error:
        raise Rejected(FailedCheck.UNREADABLE, error.message) from error
    return Bundle(data, False, signature, pre_authentication_encoding(PAYLOAD_TYPE, payload), payload, curve_hash=False)


def _read_message_signature(message: Document, manifest: bytes) -> bytes:
    digest = message.child("messageDigest")
    if digest is not None:
        name = _HASHES.get(digest.required_text("algorithm"))
        if name is None:
            raise UnsupportedFormat("the bundle names an unknown hash")
        if decode_base64(digest.required_text("digest"), "the digest of the bundle") != hashlib.new(name, manifest).digest():
            raise Rejected(FailedCheck.OTHER_DIGEST, "the bundle signs another digest")
    return decode_base64(message.required_text("signature"), "the signature of the bundle")


def _read_envelope(envelope: Document, what: str) -> tuple[bytes, bytes]:
    if envelope.required_text("payloadType") != PAYLOAD_TYPE:
        raise UnsupportedFormat(f"the payload of {what} is not an in-toto statement")
    signatures = envelope.children("signatures")
    if len(signatures) != 1:
        raise UnsupportedFormat(f"{what} has {len(signatures)} signatures instead of one")
    payload = decode_base64(envelope.required_text("payload"), f"the payload of {what}")
    return payload, decode_base64(signatures[0].required_text("sig"), f"the signature of {what}")


def make_bundle(statement: bytes, key: PrivateKey) -> bytes:
    """Return a bundle with STATEMENT, signed by KEY with the hash of its curve. As in cosign, the hint is the SHA-256 of the key's DER form in base64."""
    return encode_canonical(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": encode_base64(bytes.fromhex(key.public.fingerprint))}},
            "dsseEnvelope": _make_envelope(statement, key, curve_hash=True),
        }
    )


def make_attestation(statement: bytes, key: PrivateKey) -> bytes:
    """Return an envelope with STATEMENT, signed by KEY over SHA-256, as cosign 2 makes it."""
    return encode_canonical(_make_envelope(statement, key, curve_hash=False))


def _make_envelope(statement: bytes, key: PrivateKey, *, curve_hash: bool) -> dict[str, t.Any]:
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, statement), curve_hash=curve_hash)
    return {"payload": encode_base64(statement), "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": encode_base64(signature)}]}
