# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifests that carry signatures: cosign's image under a tag, and a referrer with a Sigstore bundle."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import UnsupportedFormat
from ..oci import media_types
from ..oci.artifacts import EMPTY, EMPTY_CONFIG
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from ..oci.manifest import Descriptor, Manifest, read_manifest
from .bundle import BUNDLE_TYPE, CONTENT_ANNOTATION, DSSE_CONTENT, ENVELOPE_TYPE, PREDICATE_ANNOTATION
from .encoding import encode_base64
from .keys import PrivateKey
from .simple_signing import PAYLOAD_TYPE, SIGNATURE_ANNOTATION

TYPE_ANNOTATION = "predicateType"  # of a layer with an attestation

# Cosign sets no creation time in its images of signatures.
_NO_TIME = "0001-01-01T00:00:00Z"


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A manifest and the new blobs that it lists, by their digests. `root` describes the manifest."""

    root: Descriptor
    content: t.Mapping[Digest, bytes]


def make_signature_image(payload: bytes, key: PrivateKey, existing: bytes | None) -> Artifact:
    """Return cosign's image of signatures with a new one: PAYLOAD, signed by KEY. The signatures in EXISTING, the manifest that has the tag now, are kept.

    The same arguments give the same bytes, except for the signature where the library can't make deterministic ones. Raises UnsupportedFormat if
    EXISTING is not an image of signatures.
    """
    signature = encode_base64(key.sign(payload, curve_hash=False))
    return _add_layer(PAYLOAD_TYPE, payload, {SIGNATURE_ANNOTATION: signature}, existing)


def make_attestation_image(envelope: bytes, predicate_type: str, existing: bytes | None) -> Artifact:
    """Return cosign's image of attestations with ENVELOPE added to those in EXISTING. Raises UnsupportedFormat as `make_signature_image` does."""
    return _add_layer(ENVELOPE_TYPE, envelope, {SIGNATURE_ANNOTATION: "", TYPE_ANNOTATION: predicate_type}, existing)


def _add_layer(media_type: str, content: bytes, annotations: t.Mapping[str, str], existing: bytes | None) -> Artifact:
    layer = Descriptor(media_type, Digest.of(content), len(content), annotations=annotations)
    old = _read_signature_image(existing) if existing is not None else None
    layers = (*(old.layers if old is not None else ()), layer)
    config = encode_canonical(
        {
            "architecture": "",
            "config": {},
            "created": _NO_TIME,
            "history": [{"created": _NO_TIME}] * len(layers),
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
        }
    )
    kept = old.annotations if old is not None else {}
    manifest = Manifest(media_types.OCI_MANIFEST, Descriptor.of(media_types.OCI_CONFIG, config), layers, kept).to_bytes()
    return Artifact(Descriptor.of(media_types.OCI_MANIFEST, manifest), {Digest.of(data): data for data in (content, config, manifest)})


def _read_signature_image(data: bytes) -> Manifest:
    manifest = read_manifest(data, None, "the image of signatures")
    if not isinstance(manifest, Manifest) or manifest.media_type != media_types.OCI_MANIFEST:
        raise UnsupportedFormat("the tag for signatures or attestations has something else, which would be replaced; delete the tag first")
    return manifest


def make_bundle_referrer(subject: Descriptor, bundle: bytes, predicate_type: str) -> Artifact:
    """Return the manifest that attaches a bundle to SUBJECT, as cosign writes it."""
    layer = Descriptor.of(BUNDLE_TYPE, bundle)
    # `Manifest` has no subject, because images have none.
    document = Document.parse(Manifest(media_types.OCI_MANIFEST, EMPTY_CONFIG, (layer,), artifact_type=BUNDLE_TYPE).to_bytes(), "the manifest")
    manifest = encode_canonical(
        {
            **document.members,
            "subject": dataclasses.replace(subject, platform=None, annotations={}).to_dict(),
            "annotations": {CONTENT_ANNOTATION: DSSE_CONTENT, PREDICATE_ANNOTATION: predicate_type},
        }
    )
    return Artifact(Descriptor.of(media_types.OCI_MANIFEST, manifest), {Digest.of(data): data for data in (bundle, EMPTY, manifest)})
