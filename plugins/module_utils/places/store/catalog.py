# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store as a catalog of images."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import StoreDamaged
from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.layout import REF_NAME
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...oci.removal_matching import RemovalSelector
from ...transfer.plan import ImagePlan, Plan, RefState, Results
from ..facts import complete_graph, stored_facts

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store
    from ..filters import Filters
    from ..protection import Protection
    from ..retention import RetentionCandidate, RetentionPolicy
    from .source import LayoutSource


class StoreCatalog:
    """The images of a store in one task."""

    def __init__(self, store: Store, host: Platform) -> None:
        """Read the index. Raises StoreDamaged, so that a damaged store stops the run before the first request."""
        self.store = store
        self.host = host
        store.reload()

    @property
    def place(self) -> str:
        return f"the store {self.store.path}"

    @property
    def entries(self) -> t.Sequence[Entry]:
        return self.store.index.entries

    @property
    def common_facts(self) -> Results:
        return {}

    def locate(self, text: str, unused_preposition: str) -> str:
        return text

    def get(self, selector: Reference | Digest) -> Entry:
        return self.store.get_entry(selector)

    def select(self, selector: Reference | Digest) -> list[Entry]:
        return self.store.find_entries(selector)

    def tags_of(self, image: Entry) -> t.Sequence[str]:
        """Return the text that another tool wrote as the name of IMAGE, if it is no full name."""
        text = image.descriptor.annotations.get(REF_NAME)
        return [text] if text and image.name is None else []

    def without_referrers(self) -> list[Entry]:
        """Return the images without those that are referrers of others."""
        from ...store.referrers import referrers_in_store
        from .stored_referrers import find_entry_owners

        owned = find_entry_owners(self.store, referrers_in_store(self.store))
        return [entry for entry in self.entries if (entry.digest, entry.name) not in owned]

    def get_named(self, name: Reference) -> Entry | None:
        return self.store.index.get_named(name)

    def find(self, selector: Reference | Digest) -> LayoutSource:
        """Return an image as a source. Raises ImageNotFound."""
        from .source import LayoutSource

        entry = self.get(selector)
        return LayoutSource(self.store, entry, (entry.name,))

    def select_for_removal(self, selector: RemovalSelector, *, force: bool) -> list[Entry]:
        return self.store.select_for_removal(selector, force=force)

    def state(self, image: Entry) -> RefState:
        graph = complete_graph(self.store, image)
        return RefState(image.digest, tuple(graph.platforms) if graph is not None else ())

    def facts(self, image: Entry, name: Reference | None) -> Results:
        text = str(name) if name is not None else None
        return stored_facts(text, image.descriptor, complete_graph(self.store, image), None, self.host).facts()

    # Names.

    def get_complete(self, selector: Reference | Digest) -> Entry:
        return self.store.get_complete_entry(selector, trust_others=True)

    def plan_names(self, source: Entry, moved: t.Mapping[Reference, Entry | None], rows: t.Sequence[ImagePlan], *, keep: bool) -> Plan:
        """Plan the names as one transfer within the store, which moves no blob. Its index is replaced once. Raises StoreDamaged if SOURCE can't be read."""
        from ...transfer.transfer import Transfer

        graph = self._read_complete(source)
        transfer = Transfer(self.store, self.store, graph, tuple(moved), source.selection, moves=(), reused=graph.blobs, free=keep)
        names = set(map(str, moved))
        return Plan([dataclasses.replace(row, transfer=transfer) if row.requested in names else row for row in rows])

    def _read_complete(self, image: Entry) -> Graph:
        graph = complete_graph(self.store, image)
        if graph is None:
            raise StoreDamaged(f"{image.label} is damaged in {self.store.path}: {image.digest} can't be read")
        return graph

    # Removal.

    def plan_removal(self, chosen: t.Sequence[Entry | ImagePlan], *, prune: bool, force: bool) -> Plan:
        from .removal import plan_removal

        return plan_removal(self, self.store, chosen, prune=prune)

    def list_candidates(self, unused_policy: RetentionPolicy, filters: Filters, protection: Protection) -> list[RetentionCandidate]:
        from .candidates import list_candidates

        return list_candidates(self, self.store, self.host, filters, protection)

    def plan_pruning(self, leaving: t.Sequence[Entry], policy: RetentionPolicy) -> Plan:
        from .removal import plan_pruning

        return plan_pruning(self, self.store, leaving, policy)
