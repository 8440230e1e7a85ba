# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive as a place to search for referrers."""

from __future__ import annotations

import typing as t

from ..oci.document_reader import bound_reads
from ..oci.referrers import LayoutReferrers, find_owners
from .graphs import ArchiveGraphs

if t.TYPE_CHECKING:
    from .reader import Archive, ArchivedImage


def referrers_in_archive(archive: Archive, context: str | None = None) -> LayoutReferrers:
    """Return the referrers among the entries of ARCHIVE. Names in the repository CONTEXT come first."""
    entries = [(archive.saved_root(image), name) for image in archive.images for name in image.names or (None,)]
    return LayoutReferrers(archive.path, entries, bound_reads(archive.read_document, archive.path), context)


def list_images(archive: Archive) -> list[ArchivedImage]:
    """Return the images of ARCHIVE without those that are referrers of others under all of their names."""
    subjects = referrers_in_archive(archive).subjects
    if not subjects:
        return list(archive.images)
    graphs = ArchiveGraphs(archive)
    read = {root: graphs.read(root) for root in map(archive.saved_root, archive.images)}
    owned = find_owners(subjects, {root.digest: graph.document_digests if graph is not None else [] for root, graph in read.items()})
    return [image for image in archive.images if any((archive.saved_root(image).digest, name) not in owned for name in image.names or (None,))]
