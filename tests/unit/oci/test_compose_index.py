# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New indexes: each platform has its entry, and each attestation is listed once."""

from __future__ import annotations

import json

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.compose_index import IndexEntry, IndexImage, compose_index
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document

ONE = f"sha256:{'1' * 64}"
ATTESTATION = {
    "mediaType": media_types.OCI_MANIFEST,
    "digest": f"sha256:{'a' * 64}",
    "size": 20,
    "annotations": {"vnd.docker.reference.digest": ONE, "vnd.docker.reference.type": "attestation-manifest"},
}


def entry_of(platform: dict[str, str]) -> dict[str, object]:
    return {"mediaType": media_types.OCI_MANIFEST, "digest": ONE, "size": 10, "platform": platform}


@pytest.mark.parametrize(
    "platforms",
    [
        [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux"}],
        [{"architecture": "amd64", "os": "windows", "os.version": "1"}, {"architecture": "amd64", "os": "windows", "os.version": "2"}],
    ],
)
def test_one_image_for_two_platforms_has_two_entries_and_its_attestation_one(platforms: list[dict[str, str]]) -> None:
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [*map(entry_of, platforms), ATTESTATION]}
    *entries, attestation = IndexEntry.read_all(Document.parse(json.dumps(document).encode(), "index"))

    data = compose_index([IndexImage(entry, (attestation,), "one:1") for entry in reversed(entries)], media_types.OCI_INDEX)

    assert data == json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
