# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy of a real registry that deletes single tags, as CNCF Distribution 3 does, or refuses that, as Distribution 2.8 does."""

from __future__ import annotations

import re
import uuid

from .recorder import RecordedRequest, Recorder
from .registry import Registry

_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^:]+)")


def deleting_single_tags(registry: Registry, deletes: bool = True) -> Recorder:
    """Return a proxy of REGISTRY that deletes a tag alone by moving the tag's file away or, if it never DELETES one, answers that its digest is invalid."""

    def delete(recorded: RecordedRequest) -> int | None:
        found = _MANIFEST.fullmatch(recorded.path)
        if recorded.method != "DELETE" or found is None:
            return None
        if not deletes:
            return 400
        repository, tag = found.groups()
        manifests = registry.folder / "data/docker/registry/v2/repositories" / repository / "_manifests"
        folder = manifests / "tags" / tag
        if not folder.exists():
            return 404
        folder.rename(manifests / f"gone-{uuid.uuid4().hex}")
        return 202

    recorder = Recorder(registry.host)
    recorder.intercept = delete
    return recorder
