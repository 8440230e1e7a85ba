# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of a store to describe."""

from __future__ import annotations

import functools
import typing as t

from ...oci.digest import Digest
from ...oci.reference import Reference
from ..facts import complete_graph
from ..inspected_image import InspectedImage

if t.TYPE_CHECKING:
    from ...oci.referrers import EntryKey, LayoutReferrers
    from ...store.store import Store


def images_in_store(store: Store, referrers: bool = False, selectors: t.Sequence[Reference | Digest] | None = None) -> list[InspectedImage]:
    """Return all images of the store, in the order of its index; with SELECTORS at least those that these select, with all their names."""

    @functools.cache
    def read_referrers() -> LayoutReferrers:
        from ...store.referrers import referrers_in_store

        return referrers_in_store(store)

    def referrers_of(name: Reference | None) -> LayoutReferrers:
        return read_referrers().of_name(name)

    entries = store.index.entries if selectors is None else store.index.find_related(selectors)

    @functools.cache
    def find_removed() -> set[Digest]:
        return {entry.digest for entry in store.find_removed(entries)}

    owned: t.Container[EntryKey] = ()
    if referrers and selectors is None:
        from .stored_referrers import find_entry_owners

        owned = find_entry_owners(store, read_referrers())
    return [
        InspectedImage(
            entry.name,
            entry.descriptor,
            functools.partial(complete_graph, store, entry),
            store.read_document,
            functools.partial(store.check_complete, entry),
            functools.partial(referrers_of, entry.name),
            referrers,
            (entry.digest, entry.name) in owned,
            lambda digest=entry.digest: digest in find_removed(),  # type: ignore[misc]
        )
        for entry in entries
    ]
