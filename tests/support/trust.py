# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, signatures and candidates for tests of trust. Everything that is signed here is signed by `cryptography`, not by the code under test."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import typing as t

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.trust.bundle import BUNDLE_TYPE
from ansible_collections.longshore.images.plugins.module_utils.trust.keys import PublicKey, read_public_key
from ansible_collections.longshore.images.plugins.module_utils.trust.simple_signing import PAYLOAD_TYPE, SIGNATURE_ANNOTATION
from ansible_collections.longshore.images.plugins.module_utils.trust.verification import SignatureBytes, Subject
from tests.support.images import Image, make_image
from tests.support.registry import Registry

NAME = "registry.test/team/app:1"
REPOSITORY = "registry.test/team/app"

Members = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Key:
    """A private key of the library, and its forms."""

    private: t.Any

    @property
    def pem(self) -> bytes:
        """The public key in PEM form."""
        return bytes(self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    @property
    def public(self) -> PublicKey:
        return read_public_key(self.pem, "the test's key")

    def private_pem(self, passphrase: str | None = None, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> bytes:
        encryption = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
        return bytes(self.private.private_bytes(serialization.Encoding.PEM, form, encryption))

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
        """Sign as cosign does: over SHA-256 by default."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return bytes(self.private.sign(data, ec.ECDSA(algorithm or hashes.SHA256())))


@functools.cache
def make_key(kind: str = "P-256", number: int = 0) -> Key:
    """Return a key of a kind. Each number is another key, the same in all tests of a process."""
    curves: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    if kind == "Ed25519":
        return Key(ed25519.Ed25519PrivateKey.generate())
    if kind.startswith("RSA-"):
        return Key(rsa.generate_private_key(65537, int(kind[4:])))
    return Key(ec.generate_private_key(curves[kind]))


KINDS = ("P-256", "P-384", "P-521", "RSA-2048", "Ed25519")


@functools.cache
def make_subject(name: str | None = NAME, text: str = "signed") -> Subject:
    """Return an image to verify."""
    image = make_image(text)
    return Subject(Reference.parse(name) if name is not None else None, image.root.digest, image.content[image.root.digest])


def simple_payload(digest: Digest | str, repository: str = REPOSITORY, optional: t.Any = None) -> Members:
    """Return the document that cosign signs."""
    return {
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": str(digest)},
            "type": "cosign container image signature",
        },
        "optional": optional,
    }


def candidate(
    data: bytes, media_type: str, signature: str | None = None, repository: str | None = REPOSITORY, where: str = "candidate"
) -> SignatureBytes:
    return SignatureBytes(where, media_type, data, repository, signature)


def simple_candidate(payload: Members | bytes, key: Key | None = None, signature: str | None = None, **options: t.Any) -> SignatureBytes:
    """Return a simple signature by KEY over a payload, or with another text in place of the signature."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    text = signature if signature is not None else encode((key or make_key()).sign(data))
    return candidate(data, PAYLOAD_TYPE, text, **options)


def statement(digest: Digest, predicate_type: str = "https://sigstore.dev/cosign/sign/v1", **changes: t.Any) -> Members:
    """Return an in-toto statement, as cosign 3 signs images with it. CHANGES replace members."""
    subject: Members = {"digest": {digest.algorithm: digest.hex}}
    return {"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": predicate_type, "predicate": {}, **changes}


def dsse_bundle(
    payload: Members | bytes,
    key: Key | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
    payload_type: str = "application/vnd.in-toto+json",
) -> Members:
    """Return a bundle with a DSSE envelope, written from the specification of DSSE."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = f"DSSEv1 {len(payload_type)} {payload_type} {len(data)} ".encode() + data
    signature = encode((key or make_key()).sign(signed, algorithm))
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": "any"}},
        "dsseEnvelope": {"payload": encode(data), "payloadType": payload_type, "signatures": [{"sig": signature}]},
    }


def message_bundle(manifest: bytes, key: Key | None = None, algorithm: hashes.HashAlgorithm | None = None) -> Members:
    """Return a bundle that signs the bytes of a manifest."""
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": encode(bytes.fromhex(Digest.of(manifest).hex))},
            "signature": encode((key or make_key()).sign(manifest, algorithm)),
        },
    }


def bundle_candidate(bundle: Members | bytes, **options: t.Any) -> SignatureBytes:
    return candidate(bundle if isinstance(bundle, bytes) else json.dumps(bundle).encode(), BUNDLE_TYPE, **options)


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def make_simple_signature(image: Descriptor, key: Key, signed: str, optional: t.Any = None) -> Image:
    """Return a simple signature of IMAGE, as it is stored under cosign's tag. SIGNED is the repository that it names."""
    payload = json.dumps(simple_payload(image.digest, signed, optional), separators=(",", ":")).encode()
    layer = Descriptor(PAYLOAD_TYPE, Digest.of(payload), len(payload), annotations={SIGNATURE_ANNOTATION: encode(key.sign(payload))})
    config = json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [str(layer.digest)]}}).encode()
    manifest = Manifest(media_types.OCI_MANIFEST, Descriptor(media_types.OCI_CONFIG, Digest.of(config), len(config)), (layer,)).to_bytes()
    root = Descriptor(media_types.OCI_MANIFEST, Digest.of(manifest), len(manifest))
    return Image(root, {Digest.of(data): data for data in (payload, config, manifest)})


def put_simple_signature(registry: Registry, repository: str, image: Descriptor, key: Key, signed: str, optional: t.Any = None) -> None:
    """Store a simple signature of IMAGE under cosign's tag, as the only one there."""
    registry.put(make_simple_signature(image, key, signed, optional), repository, f"{referrers_tag(image.digest)}.sig")
