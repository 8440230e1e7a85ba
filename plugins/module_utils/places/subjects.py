# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subjects of referrers: the images that a signature, an attestation or a list of referrers belongs to."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest


def follow_subjects(
    digest: Digest, subjects: t.Mapping[Digest, t.Collection[Digest]], images_by_manifest: t.Mapping[Digest, t.Collection[Digest]]
) -> set[Digest]:
    """Return the images that the referrer DIGEST belongs to in the end: a signature of an SBOM belongs to the image that the SBOM describes.

    SUBJECTS has the subjects of each referrer, IMAGES_BY_MANIFEST the images that contain a manifest.
    """
    found: set[Digest] = set()
    seen = {digest}
    pending = [digest]
    while pending:
        reached = {image for subject in subjects[pending.pop()] for image in images_by_manifest.get(subject, {subject})} - seen
        seen |= reached
        found |= {image for image in reached if image not in subjects}
        pending += [image for image in reached if image in subjects]
    return found
