# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Members of manifests and indexes, to be changed one by one in tests."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types

SHA = "sha256:" + "a" * 64
CONFIG = {"mediaType": media_types.OCI_CONFIG, "digest": SHA, "size": 2}
LAYER = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": SHA, "size": 3}
CHILD = {"mediaType": media_types.OCI_MANIFEST, "digest": SHA, "size": 4, "platform": {"os": "linux", "architecture": "amd64"}}
MANIFEST = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [CHILD]}


def encode(members: Any, **changes: Any) -> bytes:
    """Return MEMBERS as JSON, with CHANGES. A change to ... leaves a member out."""
    return json.dumps({key: value for key, value in {**members, **changes}.items() if value is not ...}).encode()
