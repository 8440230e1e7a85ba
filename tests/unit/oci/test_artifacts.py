# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes of an artifact's manifest."""

from __future__ import annotations

from ansible_collections.longshore.images.plugins.module_utils.oci.artifacts import EMPTY_CONFIG, compose_artifact
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor


def test_the_manifest_has_the_bytes_that_oras_writes() -> None:
    """Recorded from oras 1.2.0, with its order of keys, the content of the empty config, and the escapes of Go."""
    layer = Descriptor(
        "text/plain",
        Digest.parse("sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"),
        3,
        annotations={"org.opencontainers.image.title": "f.txt"},
    )
    annotations = {"org.opencontainers.image.created": "2026-01-01T00:00:00Z", "k": "a<b>&é"}
    assert compose_artifact(EMPTY_CONFIG, [layer], artifact_type="application/vnd.x", annotations=annotations).decode() == (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.x","config":{'
        '"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
        '"size":2,"data":"e30="},"layers":[{"mediaType":"text/plain",'
        '"digest":"sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4","size":3,'
        '"annotations":{"org.opencontainers.image.title":"f.txt"}}],'
        '"annotations":{"k":"a\\u003cb\\u003e\\u0026é","org.opencontainers.image.created":"2026-01-01T00:00:00Z"}}'
    )
