# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which repositories of a registry may have a blob, as far as the store can tell."""

from __future__ import annotations

import threading
import typing as t

from ..errors import LongshoreError
from ..oci.digest import Digest
from ..oci.graph import read_graph
from ..oci.manifest import Descriptor

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


class MountCandidates:
    """What the store notes of blobs that came or went, then its own names at the registry whose images hold the blob."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._by_name: dict[str, dict[Digest, list[str]]] = {}

    def __call__(self, registry: str, digest: Digest) -> t.Iterator[str]:
        yield from (place for place in self._store.blob_origins.places(digest) if place.startswith(f"{registry}/"))
        with self._lock:
            if registry not in self._by_name:
                self._by_name[registry] = self._named_at(registry)
        yield from self._by_name[registry].get(digest, ())

    def _named_at(self, registry: str) -> dict[Digest, list[str]]:
        contexts: dict[Digest, list[str]] = {}
        for entry in self._store.index.entries:
            if entry.name is not None and entry.name.registry == registry:
                for digest in self._blobs(entry):
                    contexts.setdefault(digest, []).append(entry.name.context)
        return contexts

    def _blobs(self, entry: Entry) -> t.Iterator[Digest]:
        """Read from manifests alone; what is odd tells nothing."""
        try:
            graph = read_graph(entry.descriptor, entry.label, self._read_document)
        except LongshoreError:
            return
        yield from (blob.digest for blob in graph.blobs) if graph is not None else ()

    def _read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._store.read_document(descriptor) if descriptor.is_document else None
