# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Artifacts: manifests of files that are no images, such as charts, models and SBOMs (OCI image specification, manifest.md, Guidelines for Artifact Usage)."""

from __future__ import annotations

import json
import typing as t

from . import media_types
from .manifest import Descriptor

TITLE = "org.opencontainers.image.title"
# oras marks a tar of a folder with UNPACK. CONTENT_DIGEST is the digest of the tar inside the gzip stream.
UNPACK = "io.deis.oras.content.unpack"
CONTENT_DIGEST = "io.deis.oras.content.digest"

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
EMPTY_CONFIG = Descriptor.of(EMPTY_TYPE, EMPTY)
# The type that oras gives an artifact without one. The specification demands a type beside an empty config.
UNKNOWN_TYPE = "application/vnd.unknown.artifact.v1"
FILE_TYPE = "application/octet-stream"

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"

MODEL_TYPE = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
MODEL_FILE_PATH = "org.cncf.model.filepath"


def compose_artifact(
    config: Descriptor,
    layers: t.Sequence[Descriptor],
    *,
    artifact_type: str | None,
    subject: Descriptor | None = None,
    annotations: t.Mapping[str, str] | None = None,
) -> bytes:
    """Return the manifest of an artifact. The same arguments give the bytes that oras writes, so that both give the same digest."""
    members: dict[str, t.Any] = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        **({"artifactType": artifact_type} if artifact_type is not None else {}),
        "config": _descriptor_members(config),
        "layers": [_descriptor_members(layer) for layer in layers],
        **({"subject": _descriptor_members(subject)} if subject is not None else {}),
        **({"annotations": _sorted(annotations)} if annotations else {}),
    }
    return encode_as_go(members)


def _descriptor_members(descriptor: Descriptor) -> dict[str, t.Any]:
    members: dict[str, t.Any] = {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
    if descriptor.annotations:
        members["annotations"] = _sorted(descriptor.annotations)
    if descriptor == EMPTY_CONFIG:
        members["data"] = "e30="  # the content itself, as the specification recommends for it
    return members


def _sorted(annotations: t.Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(annotations.items(), key=lambda item: item[0].encode("utf-8", "replace")))


def encode_as_go(members: t.Mapping[str, t.Any]) -> bytes:
    """Encode a document like Go's encoding/json, in which oras and helm are written: the keys keep their order, and characters of HTML are escaped."""
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace")
