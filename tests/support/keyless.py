# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small Sigstore for tests: an authority, a certificate log and a transparency log, made with `cryptography`, and bundles that they confirm."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import json
import struct
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.longshore.images.plugins.module_utils.trust.bundle import BUNDLE_TYPE
from tests.support.trust import encode

ISSUER = "https://issuer.test"
SUBJECT = "https://ci.test/app/release@refs/tags/v1"

_ISSUER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_SCT_OID = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_IN_TOTO = "application/vnd.in-toto+json"
_NOW = datetime.datetime(2026, 6, 1, 12, 0, tzinfo=datetime.timezone.utc)
_MINUTES = datetime.timedelta(minutes=1)

Members = dict[str, t.Any]


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


@dataclasses.dataclass
class Sigstore:
    """The keys of the three services. Another instance is another Sigstore."""

    authority: ec.EllipticCurvePrivateKey = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate_log: ec.EllipticCurvePrivateKey = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    log: ec.EllipticCurvePrivateKey = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test"), x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        key = self.authority.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(key)
        self.root = (
            x509.CertificateBuilder(name, name, key, x509.random_serial_number(), _NOW - 1000 * _MINUTES, _NOW + 1000 * _MINUTES)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def trusted_root(self) -> bytes:
        """Return the trusted root as JSON."""
        valid = {"start": "2026-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey) -> Members:
            public = {"rawBytes": encode(_der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid}
            identifier = {"keyId": encode(hashlib.sha256(_der(key)).digest())}
            return {"baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": identifier}

        chain = {"certificates": [{"rawBytes": encode(self.root.public_bytes(serialization.Encoding.DER))}]}
        subject = {"organization": "test", "commonName": "authority"}
        authority = {"subject": subject, "uri": "https://authority.test", "certChain": chain, "validFor": valid}
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.log)],
                "certificateAuthorities": [authority],
                "ctlogs": [log(self.certificate_log)],
                "timestampAuthorities": [],
            }
        ).encode()

    def sign_statement(self, payload: bytes, **changes: t.Any) -> Members:
        """Return a bundle with a DSSE envelope of PAYLOAD."""
        return _Signing(self, **changes).sign_statement(payload)

    def sign_message(self, manifest: bytes, **changes: t.Any) -> Members:
        """Return a bundle that signs MANIFEST itself."""
        return _Signing(self, **changes).sign_message(manifest)


@dataclasses.dataclass(frozen=True)
class _Signing:
    """One keyless signature. Its fields say what may be wrong with it."""

    sigstore: Sigstore
    issuer: str = ISSUER
    subject: str = SUBJECT
    logged_after: int = 5  # minutes after the certificate became valid; it is valid for ten
    code_signing: bool = True
    other_key: bool = False  # the signature is not by the key in the certificate

    def sign_statement(self, payload: bytes) -> Members:
        key, certificate = self._make_certificate()
        signature = _sign(self._signer(key), f"DSSEv1 {len(_IN_TOTO)} {_IN_TOTO} {len(payload)} ".encode() + payload)
        envelope = {"payload": encode(payload), "payloadType": _IN_TOTO, "signatures": [{"sig": encode(signature)}]}
        spec = {
            "envelopeHash": _sha256(json.dumps(envelope).encode()),
            "payloadHash": _sha256(payload),
            "signatures": [{"signature": encode(signature), "verifier": _pem_in_base64(certificate)}],
        }
        return {**self._material(certificate, "dsse", spec), "dsseEnvelope": envelope}

    def sign_message(self, manifest: bytes) -> Members:
        key, certificate = self._make_certificate()
        signature = _sign(self._signer(key), manifest)
        spec = {
            "data": {"hash": _sha256(manifest)},
            "signature": {"content": encode(signature), "publicKey": {"content": _pem_in_base64(certificate)}},
        }
        digest = {"algorithm": "SHA2_256", "digest": encode(hashlib.sha256(manifest).digest())}
        return {**self._material(certificate, "hashedrekord", spec), "messageSignature": {"messageDigest": digest, "signature": encode(signature)}}

    def _signer(self, key: ec.EllipticCurvePrivateKey) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1()) if self.other_key else key

    def _make_certificate(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Return a certificate for ten minutes, with the promise of the certificate log (RFC 6962) in it."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.issuer.encode()
        purpose = ExtendedKeyUsageOID.CODE_SIGNING if self.code_signing else ExtendedKeyUsageOID.CLIENT_AUTH
        authority = self.sigstore.authority.public_key()
        builder = (
            x509.CertificateBuilder(
                self.sigstore.root.subject, x509.Name([]), key.public_key(), x509.random_serial_number(), _NOW, _NOW + 10 * _MINUTES
            )
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.subject)]), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_OID, bytes((0x0C, len(issuer))) + issuer), critical=False)
        )
        without_promise = builder.sign(self.sigstore.authority, hashes.SHA256()).tbs_certificate_bytes
        time = int(_NOW.timestamp() * 1000)
        entry = hashlib.sha256(_der(self.sigstore.authority)).digest() + len(without_promise).to_bytes(3, "big") + without_promise
        signature = _sign(self.sigstore.certificate_log, struct.pack("!BBQH", 0, 0, time, 1) + entry + b"\0\0")
        log_id = hashlib.sha256(_der(self.sigstore.certificate_log)).digest()
        promise = b"\0" + log_id + struct.pack("!QH", time, 0) + bytes((4, 3)) + len(signature).to_bytes(2, "big") + signature
        promises = len(promise).to_bytes(2, "big") + promise
        promises = len(promises).to_bytes(2, "big") + promises
        octets = b"\x04" + (bytes((len(promises),)) if len(promises) < 128 else bytes((0x81, len(promises)))) + promises
        certificate = builder.add_extension(x509.UnrecognizedExtension(_SCT_OID, octets), critical=False).sign(
            self.sigstore.authority, hashes.SHA256()
        )
        return key, certificate

    def _material(self, certificate: x509.Certificate, kind: str, spec: Members) -> Members:
        """Return a bundle without its signature: the certificate, and the entry of a log of which it is the only one."""
        body = json.dumps({"apiVersion": "0.0.1", "kind": kind, "spec": spec}, separators=(",", ":"), sort_keys=True).encode()
        log, log_id = self.sigstore.log, hashlib.sha256(_der(self.sigstore.log)).digest()
        time = int((_NOW + self.logged_after * _MINUTES).timestamp())
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"log.test\n1\n{encode(root)}\n"
        checkpoint = f"{note}\n\u2014 log.test {encode(log_id[:4] + _sign(log, note.encode()))}\n"
        promise = {"body": encode(body), "integratedTime": time, "logID": log_id.hex(), "logIndex": 0}
        entry = {
            "logIndex": "0",
            "logId": {"keyId": encode(log_id)},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": str(time),
            "inclusionPromise": {"signedEntryTimestamp": encode(_sign(log, json.dumps(promise, separators=(",", ":"), sort_keys=True).encode()))},
            "inclusionProof": {"logIndex": "0", "rootHash": encode(root), "treeSize": "1", "hashes": [], "checkpoint": {"envelope": checkpoint}},
            "canonicalizedBody": encode(body),
        }
        der = certificate.public_bytes(serialization.Encoding.DER)
        return {"mediaType": BUNDLE_TYPE, "verificationMaterial": {"certificate": {"rawBytes": encode(der)}, "tlogEntries": [entry]}}


def _key_usage(**used: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    return x509.KeyUsage(**{name: used.get(name, False) for name in names}, encipher_only=False, decipher_only=False)


def _sha256(data: bytes) -> Members:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _pem_in_base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()
