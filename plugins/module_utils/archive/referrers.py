# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive as a place to search for referrers."""

from __future__ import annotations

import typing as t

from ..oci.document_reader import bound_reads
from ..oci.referrers import LayoutReferrers

if t.TYPE_CHECKING:
    from .reader import Archive


def referrers_in_archive(archive: Archive, context: str | None = None) -> LayoutReferrers:
    """Return the referrers among the entries of ARCHIVE. Names in the repository CONTEXT come first."""
    entries = [(archive.saved_root(image), name) for image in archive.images for name in image.names or (None,)]
    return LayoutReferrers(archive.path, entries, bound_reads(archive.read_document, archive.path), context)
