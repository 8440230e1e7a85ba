# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names by digest in Docker's classic image store.

Only its own pull from a registry gives this store a name `repository@sha256:HEX`. A loaded image gets the tag `repository:longshore-sha256-HEX`
instead, so that it is found by the digest and `docker image prune` keeps it. The prefix distinguishes it from the tags `sha256-HEX` of referrers.
"""

from __future__ import annotations

import re

from ..oci.digest import Digest
from ..oci.reference import Reference

_PREFIX = "longshore-sha256-"
_TAG = re.compile(rf"{_PREFIX}(?P<hex>[0-9a-f]{{64}})")


def has_tag_for(name: Reference) -> bool:
    """Return whether the store can hold NAME: a tag is too short for other digests than sha256."""
    return name.digest is None or name.tag is not None or name.digest.algorithm == "sha256"


def to_tag(name: Reference) -> Reference:
    """Return the name with a tag under which the store holds NAME."""
    if name.tag is not None or name.digest is None or not has_tag_for(name):
        return name
    return name.with_tag(f"{_PREFIX}{name.digest.hex}")


def from_tag(stored: Reference) -> Reference:
    """Return the name that the store holds as STORED."""
    match = _TAG.fullmatch(stored.tag or "")
    return stored if match is None else stored.with_digest(Digest("sha256", match["hex"]))
