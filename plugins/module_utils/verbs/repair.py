# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning to mend a stored image: what is damaged is fetched again, by digest, from where the image's names say that it is from."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import LongshoreError, MissingLibrary, StoreDamaged, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.graph import Position, choose_promised, read_graph
from ..oci.manifest import Descriptor, Index
from ..oci.reference import Reference
from ..transfer.interfaces import Chunks
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.index import Entry
    from ..store.store import Store

_Answer = t.TypeVar("_Answer")


@dataclasses.dataclass(frozen=True)
class RepairSource:
    """A source of what an image of the store has lost: the first of its repositories that has it."""

    label: str
    references: tuple[Reference, ...]
    repository: t.Callable[[Reference], Repository]
    found: dict[Digest, Repository] = dataclasses.field(default_factory=dict)

    def read_document(self, descriptor: Descriptor) -> bytes:
        return self._first(descriptor, lambda repository: repository.read_document(descriptor))[1]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self.locate(descriptor).read_blob(descriptor)

    def locate(self, descriptor: Descriptor) -> Repository:
        """The repository that has a blob; it is asked once."""
        if descriptor.digest not in self.found:
            self.found[descriptor.digest] = self._first(descriptor, lambda repository: repository.has_blob(descriptor) or None)[0]
        return self.found[descriptor.digest]

    def _first(self, descriptor: Descriptor, ask: t.Callable[[Repository], _Answer | None]) -> tuple[Repository, _Answer]:
        """The first repository with an answer. Raises StoreDamaged where there is none, with what the last one said."""
        what = f"{self.label} can't be mended: {descriptor.digest}"
        fault = LongshoreError(f"{what} is damaged, and no name of the image tells where it is from")
        for reference in self.references:
            try:
                repository = self.repository(reference)
                answer = ask(repository)
                if answer is not None:
                    return repository, answer
                fault = LongshoreError(f"{what} isn't in {reference.context} any more")
            except MissingLibrary:
                raise
            except LongshoreError as error:
                fault = LongshoreError(f"{what} can't be had again: {error.message}", error.status, error.registry_errors)
        raise StoreDamaged(fault.message, fault.status, fault.registry_errors)


def plan_repair(store: Store, entries: t.Sequence[Entry], damaged: t.Collection[Digest], repository: t.Callable[[Reference], Repository]) -> Transfer:
    """How the image of ENTRIES, which are all of its names, is mended: what is DAMAGED, and what turns out to be as its documents are read again.

    Raises StoreDamaged where something of it can't be had.
    """
    root = entries[0].descriptor
    spares = RepairSource(entries[0].label, tuple(entry.name.pinned(root.digest) for entry in entries if entry.name is not None), repository)

    def read(descriptor: Descriptor) -> bytes:
        return store.read_document(descriptor) or spares.read_document(descriptor)

    def chosen(index: Index, what: str, where: Position) -> t.Sequence[Descriptor]:
        """What was asked for, and what else is here, or was."""
        wanted = {child.digest for entry in entries for child in choose_promised(entry.selection, index, what, where)}
        return [child for child in index.manifests if child.digest in wanted or child.digest in damaged or store.entry_status(child.digest)]

    graph = read_graph(root, entries[0].label, read, chosen)
    if graph is None:
        raise UnsupportedFormat(f"{entries[0].label} is empty")
    moves = tuple(blob for blob in graph.blobs if not store.has_blob(blob))
    sources = list({id(source): source for source in map(spares.locate, moves)}.values())
    reused = graph.blobs_without(moves)
    # One repository that has all is the source itself, with all that a source can do. No names: a tag that moves meanwhile isn't moved back.
    return Transfer(sources[0] if len(sources) == 1 else spares, store, graph, (), entries[0].selection, moves, reused)
