# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Working out which content of a store nothing needs: neither an image that stays, nor a run that is under way."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Index, read_manifest
from ..store.other_runs import find_other_runs, folder_size
from .facts import format_count, format_size

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class Garbage:
    """Content that goes, with its size: `freed` by images that leave, `strays` that no image has, `abandoned` files of dead runs.

    `unfinished` are what pulls that failed or died have of blobs. Where images that stay are `unreadable`, no blob goes: what they need isn't known.
    """

    freed: t.Mapping[Digest, int] = dataclasses.field(default_factory=dict)
    strays: t.Mapping[Digest, int] = dataclasses.field(default_factory=dict)
    abandoned: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    unfinished: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    unreadable: tuple[Entry, ...] = ()

    @property
    def size(self) -> int:
        return sum(size for part in (self.freed, self.strays, self.abandoned, self.unfinished) for size in part.values())

    def actions(self) -> tuple[str, ...]:
        """What isn't told with an image that goes."""
        told = (
            (f"delete {format_count(len(self.strays), 'blob')} that no image needs", self.strays.values()),
            (f"clear away {format_count(len(self.abandoned), 'file')} of runs that died", self.abandoned.values()),
            (f"give up {format_count(len(self.unfinished), 'file')} of pulls that could be gone on with", self.unfinished.values()),
        )
        return tuple(f"{sentence}: {format_size(sum(sizes))}" for sentence, sizes in told if sizes)

    def concerns(self) -> tuple[str, ...]:
        if not self.unreadable:
            return ()
        names = ", ".join(entry.label for entry in self.unreadable[:3]) + (", ..." if len(self.unreadable) > 3 else "")
        return (f"no blob is deleted, since it isn't known what {names} needs: it can't be read in full; mend it with image_verify, or remove it",)


def remaining_entries(store: Store, leaving: t.Iterable[Entry]) -> list[Entry]:
    """The entries that are left when those of LEAVING are gone."""
    return list(store.index.without(leaving).entries)


def find_garbage(store: Store, leaving: t.Sequence[Entry], everything: bool) -> Garbage:
    """What goes with the entries LEAVING; with EVERYTHING also what no image has. Raises LockTimeout where another run keeps the store to itself."""
    company = find_other_runs(store)
    remaining = remaining_entries(store, leaving)
    abandoned, unfinished = (company.abandoned, company.unfinished) if everything else ({}, {})
    surveys = [store.inspect_graph(entry) for entry in remaining]
    unreadable = tuple(entry for entry, survey in zip(remaining, surveys) if survey.graph is None or survey.missing)
    if unreadable:
        return Garbage(abandoned=abandoned, unfinished=unfinished, unreadable=unreadable if leaving or everything else ())
    needed = company.needed.union(*(_mentioned(survey.graph) for survey in surveys if survey.graph is not None))
    freed = _sizes(store, (digest for entry in leaving for digest in _content(store, entry) if digest not in needed))
    strays = [digest for digest in store.stored() if digest not in needed and digest not in freed] if everything else []
    return Garbage(freed, {digest: folder_size(store.blob_folder(digest), digest.hex) for digest in strays}, abandoned, unfinished)


def _sizes(store: Store, digests: t.Iterable[Digest]) -> dict[Digest, int]:
    """What is here of DIGESTS, with its size on disk."""
    found = {digest: store.blob_status(digest) for digest in digests}
    return {digest: status.st_size for digest, status in found.items() if status is not None}


def _content(store: Store, entry: Entry) -> list[Digest]:
    """All digests that an image stands on as far as its documents can be read, parents first."""
    graph = store.read_graph(entry)
    return [descriptor.digest for descriptor in reversed(graph.content)] if graph is not None else [entry.descriptor.digest]


def _mentioned(graph: Graph) -> set[Digest]:
    """All that an image stands on, and whatever else its indexes list: other tools may have stored that beside it."""
    digests = {descriptor.digest for descriptor in graph.content}
    for descriptor, data in graph.documents.items():
        document = read_manifest(data, descriptor.media_type, str(descriptor.digest))
        if isinstance(document, Index):
            digests.update(child.digest for child in document.manifests)
    return digests
