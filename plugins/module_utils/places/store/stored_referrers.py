# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The referrers of images in a store: those that are sent or saved with their image, and the entries that belong to others."""

from __future__ import annotations

import typing as t

from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.reference import Reference
from ...oci.referrers import EntryKey, FoundReferrers, LayoutReferrers, Referrer, find_owners, find_referrers, read_digest_tag
from ...store.blob_check import require_blobs
from ...store.contents import ContentsReader
from ...store.referrers import referrers_in_store

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


def find_complete_referrers(store: Store, entry: Entry, graph: Graph) -> FoundReferrers:
    """Return the referrers of GRAPH, the part of the image of ENTRY that is sent or saved.

    Raises StoreDamaged if a blob of one is missing or altered: a recipient would believe that the image has no such signature.
    """
    context = entry.name.context if entry.name is not None else None
    found = find_referrers(referrers_in_store(store, context), graph.document_digests)
    for referrer in found.referrers:
        require_blobs(store, referrer.graph, f"{referrer.name or referrer.digest}, a referrer of {entry.label},")
    return found


def find_entry_owners(store: Store, place: LayoutReferrers) -> dict[EntryKey, set[Digest]]:
    """Return the entries of STORE that are referrers of stored images, each with the images that it belongs to directly. PLACE is its `referrers_in_store`."""
    if not place.subjects:
        return {}
    reader = ContentsReader(store)
    return find_owners(place.subjects, {entry.digest: _list_documents(store, entry, reader) for entry in store.index.entries})


def _list_documents(store: Store, entry: Entry, reader: ContentsReader) -> list[Digest]:
    """Return the digests of the documents of an image, and of the missing manifests that its indexes list."""
    contents = reader.read(entry)
    if contents is not None:
        return [Digest.parse(text) for text in (*contents.documents.split(), *contents.absent.split())]
    graph = store.read_graph(entry)
    return [descriptor.digest for descriptor in (*graph.documents, *graph.absent)] if graph is not None else []


def find_owner_names(store: Store, entry: Entry) -> list[Reference]:
    """Return the names of the images that an entry belongs to: their repositories have the referrer too."""
    owners = find_entry_owners(store, referrers_in_store(store)).get(_key(entry), set())
    return [other.name for other in store.index.entries if other.digest in owners and other.name is not None]


class RemovedReferrers:
    """The referrers that are removed from a store together with the entries REMOVED, because all of their images are removed.

    A referrer with a name that isn't made of a digest stays, because a user gave it that name.
    """

    def __init__(self, store: Store, removed: t.Sequence[Entry]) -> None:
        self._store = store
        place = referrers_in_store(store)
        self._subjects = place.subjects if removed else {}
        self._owners = find_entry_owners(store, place) if removed else {}
        keys = {_key(entry) for entry in removed}
        remaining = [entry for entry in store.index.entries if _key(entry) not in keys] if self._owners else []
        self.entries: list[Entry] = []
        while True:
            digests = {entry.digest for entry in remaining}
            without_image = [entry for entry in remaining if self._has_lost_its_images(entry, digests)]
            if not without_image:
                break
            self.entries += without_image
            remaining = [entry for entry in remaining if entry not in without_image]

    def _has_lost_its_images(self, entry: Entry, remaining: set[Digest]) -> bool:
        owners = self._owners.get(_key(entry))
        return owners is not None and owners.isdisjoint(remaining) and (entry.is_anonymous or _digest_tag(entry) is not None)

    def of_image(self, digest: Digest) -> list[Entry]:
        """Return the removed referrers of one image, and the referrers of these."""
        reached = {digest}
        found: list[Entry] = []
        for entry in self.entries:  # in the order in which they lost their images
            if not self._owners[_key(entry)].isdisjoint(reached):
                reached.add(entry.digest)
                found.append(entry)
        return found

    def facts(self, entry: Entry) -> dict[str, t.Any]:
        """Return a removed referrer as it appears in a row of `images`."""
        graph = self._store.read_graph(entry)
        subject, name = min(self._subjects[_key(entry)]), _digest_tag(entry)
        if graph is not None:
            return Referrer(graph, subject, name).facts(changed=True)
        known = {"digest": str(entry.digest), "subject": str(subject), "tag": name.tag if name is not None else None}
        return {**known, "artifact_type": None, "size": 0, "changed": True}


def _key(entry: Entry) -> EntryKey:
    return (entry.digest, entry.name)


def _digest_tag(entry: Entry) -> Reference | None:
    """Return the name of an entry if its tag is made of a digest."""
    return entry.name if entry.name is not None and read_digest_tag(entry.name.tag) is not None else None
