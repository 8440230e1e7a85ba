# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image in an archive as a source."""

from __future__ import annotations

import functools
import typing as t

from ...archive.reader import Archive
from ...errors import CorruptArchive
from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference

if t.TYPE_CHECKING:
    from ...oci.referrers import LayoutReferrers, ReferrerPlace


class ArchiveSource:
    """An image in an archive."""

    costs_requests = False

    def __init__(self, archive: Archive, root: Descriptor, names: t.Sequence[Reference | None]) -> None:
        """NAMES are those that trust must accept, the image's name first."""
        self.name = names[0]
        self.judged_names = names
        self.source = archive
        self._root = root

    def digest(self) -> Digest:
        return self._root.digest

    def root(self) -> Descriptor:
        return self._root

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self.source.read_document(descriptor)

    def check_blobs(self, graph: Graph) -> None:
        for blob in graph.blobs:
            if not self.source.has_blob(blob.digest):
                raise CorruptArchive(f"{self.source.path}: {graph.root.digest} is incomplete: the archive is missing {blob.digest}")
            self.source.check_blob(blob)

    def referrer_place(self, name: Reference | None) -> ReferrerPlace:
        return self._referrers.of_name(name)

    @functools.cached_property
    def _referrers(self) -> LayoutReferrers:
        from ...archive.referrers import referrers_in_archive

        return referrers_in_archive(self.source)
