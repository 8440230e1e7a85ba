# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subjects of referrers: the images that a signature, an attestation or a list of referrers belongs to."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest


def follow_subjects(digest: Digest, direct: t.Mapping[Digest, t.Collection[Digest]], holders: t.Mapping[Digest, t.Collection[Digest]]) -> set[Digest]:
    """Return the images at the end of the chain: a signature of an SBOM belongs to the image that the SBOM describes.

    DIRECT has the subjects of each referrer, HOLDERS the images that contain a manifest.
    """
    found: set[Digest] = set()
    seen = {digest}
    pending = [digest]
    while pending:
        reached = {holder for subject in direct[pending.pop()] for holder in holders.get(subject, {subject})} - seen
        seen |= reached
        found |= {holder for holder in reached if holder not in direct}
        pending += [holder for holder in reached if holder in direct]
    return found
