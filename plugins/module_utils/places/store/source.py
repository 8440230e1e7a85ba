# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image of a store, or of another layout on disk, as a source."""

from __future__ import annotations

import functools
import typing as t

from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...store.blob_check import require_blobs
from ...store.index import Entry
from ...store.store import Store

if t.TYPE_CHECKING:
    from ...oci.referrers import LayoutReferrers, ReferrerPlace


class LayoutSource:
    """An image in a layout on disk."""

    costs_requests = False

    def __init__(self, store: Store, entry: Entry, names: t.Sequence[Reference | None]) -> None:
        """NAMES are those that trust must accept, the image's name first."""
        self.name = names[0]
        self.judged_names = names
        self.source = store
        self._entry = entry
        self._is_checked = False

    def digest(self) -> Digest:
        return self._entry.digest

    def root(self) -> Descriptor:
        return self._entry.root

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """Return the verified bytes of a document, None if it is missing. Raises StoreDamaged if the store must have it."""
        data = self.source.read_document(descriptor)
        if data is None and not self._is_checked:
            self.source.check_complete(self._entry)
            self._is_checked = True  # an image may have many platforms that were never stored
        return data

    def check_blobs(self, graph: Graph) -> None:
        self.source.check_complete(self._entry, trust_others=False)
        if graph.root.digest != self._entry.digest:  # a referrer, or only some platforms of the image
            require_blobs(self.source, graph, str(graph.root.digest))

    def referrer_place(self, name: Reference | None) -> ReferrerPlace:
        return self._referrers.of_name(name)

    @functools.cached_property
    def _referrers(self) -> LayoutReferrers:
        from ...store.referrers import referrers_in_store

        return referrers_in_store(self.source)
