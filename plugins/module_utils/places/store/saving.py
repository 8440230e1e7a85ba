# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of a store as a save reads them."""

from __future__ import annotations

import typing as t

from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.platform import Selection
from ...oci.reference import Reference
from ...oci.referrers import FoundReferrers
from ...transfer.plan import Results, Step
from ..platforms import read_image, select_stored
from ..saving import PlannedArchive, WriteArchive
from .stored_referrers import find_complete_referrers

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


class StoreSaving:
    """The images of a store in one save."""

    common_facts: t.ClassVar[Results] = {}

    def __init__(self, store: Store) -> None:
        self._store = store

    def choose(self, selectors: t.Sequence[Reference | Digest]) -> list[Entry]:
        store = self._store
        store.reload()
        found = (image for selector in selectors for image in store.find_entries(selector) or [store.get_entry(selector)])
        chosen = [store.begin_reading(image) for image in dict.fromkeys(found)]
        for image in {image.digest: image for image in chosen}.values():
            store.check_complete(image, trust_others=False)
        return chosen

    def read(self, image: Entry, selection: Selection | None) -> Graph:
        return select_stored(read_image(image.descriptor, image.label, self._store.read_document), selection, image.label)

    def find_referrers(self, image: Entry, graph: Graph) -> FoundReferrers:
        return find_complete_referrers(self._store, image, graph)

    def referrer_facts(self, rows: t.Sequence[Results]) -> Results:
        return {"referrers": rows}

    def plan_transfers(self, images: t.Sequence[Entry], unused_archive: PlannedArchive) -> list[None]:
        """Return no transfers: the kernel can copy whole files of the store into the archive, in its order."""
        return [None] * len(images)

    def plan_steps(self, archive: PlannedArchive) -> list[Step]:
        return [WriteArchive(self._store.open_blob, archive)]

    def read_blob(self, blob: Descriptor) -> t.Iterable[bytes | memoryview]:
        return self._store.read_blob(blob)
