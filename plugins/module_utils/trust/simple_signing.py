# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simple signing: a small JSON document that names a repository and a digest, as cosign 2, skopeo, podman and CRI-O sign and read it."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_CANDIDATE
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from ..oci.reference import DOCKER_HUB, Reference
from .verdict import FailedCheck, Rejected

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
# The entry of a transparency log about the signature.
LOG_ANNOTATION = "dev.sigstore.cosign/bundle"
TYPE = "cosign container image signature"
# The type that skopeo and podman sign with GPG keys.
GPG_TYPE = "atomic container signature"

# The fields of the three objects. Unknown fields are refused, as by the tools that define them: they could change what is signed.
_FIELDS = frozenset(("critical", "optional"))
_CRITICAL_FIELDS = frozenset(("identity", "image", "type"))


@dataclasses.dataclass(frozen=True)
class SimplePayload:
    """The claim of a simple signature: this digest is an image of this repository. `docker_reference` is the signed text, not normalised."""

    docker_reference: str
    digest: str
    annotations: t.Mapping[str, t.Any]


def read_payload(data: bytes, kind: str = TYPE) -> SimplePayload:
    """Read a payload of the type KIND whose signature was verified. Raises Rejected for unknown, missing and repeated keys."""
    try:
        document = Document.parse(data, "the signed payload", MAX_CANDIDATE)
        _require_fields(document, _FIELDS)
        critical = document.required_child("critical")
        _require_fields(critical, _CRITICAL_FIELDS)
        identity, image = critical.required_child("identity"), critical.required_child("image")
        _require_fields(identity, {"docker-reference"})
        _require_fields(image, {"docker-manifest-digest"})
        if critical.required_text("type") != kind:
            raise UnsupportedFormat(f"the signed payload's type is not {kind!r}")
        optional = document.required_child("optional") if kind == GPG_TYPE else document.child("optional")
        return SimplePayload(
            identity.required_text("docker-reference"),
            image.required_text("docker-manifest-digest"),
            optional.members if optional is not None else {},
        )
    except UnsupportedFormat as error:
        raise Rejected(FailedCheck.MALFORMED, error.message) from error


def make_payload(repository: Reference, digest: Digest, annotations: t.Mapping[str, str]) -> bytes:
    """Return the payload to sign for DIGEST in a repository. The same arguments give the same bytes, those of cosign."""
    return encode_canonical(
        {
            "critical": {
                "identity": {"docker-reference": signed_repository(repository)},
                "image": {"docker-manifest-digest": str(digest)},
                "type": TYPE,
            },
            "optional": dict(annotations) or None,
        }
    )


def signed_repository(repository: Reference) -> str:
    """Return the name of a repository as cosign signs it: Docker Hub is `index.docker.io`."""
    return f"index.{repository.context}" if repository.registry == DOCKER_HUB else repository.context


def _require_fields(document: Document, names: t.AbstractSet[str]) -> None:
    if document.members.keys() != names:
        odd = min(document.members.keys() ^ names)
        raise UnsupportedFormat(f"{document.what} {'has no' if odd in names else 'has the unknown field'} {odd[:50]!r}")
