# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of the files and annotations of an image layout (OCI image specification, image-layout.md and annotations.md), and of our own annotations."""

from __future__ import annotations

LAYOUT_FILE = "oci-layout"
LAYOUT_VERSION = "1.0.0"
INDEX_FILE = "index.json"
BLOBS = "blobs"

REF_NAME = "org.opencontainers.image.ref.name"
# containerd and Docker read the full name of an image here, and only the tag in REF_NAME.
CONTAINERD_NAME = "io.containerd.image.name"

# Docker and BuildKit mark the manifests with this annotation that belong to another image and can't be run.
DOCKER_REFERENCE_TYPE = "vnd.docker.reference.type"
DOCKER_ATTESTATION = "attestation-manifest"

# The name of a referrer in an archive for engines: containerd would unpack everything that has a name in the annotations above.
REFERRER_NAME = "images.longshore.name"
# The digest of the index that a saved image belongs to, if the archive lists only one of its manifests.
INDEX_DIGEST = "images.longshore.index"
# Digests of layers that a delta leaves out, since an earlier archive has them.
BASE_DIGESTS = "images.longshore.base"
# Digests of blobs that the summary of an archive leaves out, since only the archive itself has them.
ELSEWHERE = "images.longshore.elsewhere"
