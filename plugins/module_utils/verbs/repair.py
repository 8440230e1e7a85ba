# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan the repair of a stored image: damaged content is fetched again, by digest, from the repositories of the image's names."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import LongshoreError, MissingLibrary, StoreDamaged, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.graph import IndexPosition, choose_required, read_graph
from ..oci.manifest import Descriptor, Index
from ..oci.reference import Reference
from ..transfer.interfaces import Chunks
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.index import Entry
    from ..store.store import Store

_Result = t.TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class RepairSource:
    """A source of the lost content of one stored image: the first of its repositories that has it."""

    label: str
    references: tuple[Reference, ...]
    repository: t.Callable[[Reference], Repository]
    found: dict[Digest, Repository] = dataclasses.field(default_factory=dict)

    def read_document(self, descriptor: Descriptor) -> bytes:
        return self._try_repositories(descriptor, lambda repository: repository.read_document(descriptor))[1]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self.locate(descriptor).read_blob(descriptor)

    def locate(self, descriptor: Descriptor) -> Repository:
        """Return the repository that has a blob, and remember it."""
        if descriptor.digest not in self.found:
            self.found[descriptor.digest] = self._try_repositories(descriptor, lambda repository: repository.has_blob(descriptor) or None)[0]
        return self.found[descriptor.digest]

    def _try_repositories(self, descriptor: Descriptor, request: t.Callable[[Repository], _Result | None]) -> tuple[Repository, _Result]:
        """Return the first repository for which REQUEST returns a result. Raises StoreDamaged with the last error if there is none."""
        what = f"{self.label} can't be repaired: {descriptor.digest}"
        fault = LongshoreError(f"{what} is damaged, and the image has no name that says which registry has it")
        for reference in self.references:
            try:
                repository = self.repository(reference)
                result = request(repository)
                if result is not None:
                    return repository, result
                fault = LongshoreError(f"{what} is no longer in {reference.context}")
            except MissingLibrary:
                raise
            except LongshoreError as error:
                fault = LongshoreError(f"{what} could not be fetched again: {error.message}", error.status, error.registry_errors)
        raise StoreDamaged(fault.message, fault.status, fault.registry_errors)


def plan_repair(store: Store, entries: t.Sequence[Entry], damaged: t.Collection[Digest], repository: t.Callable[[Reference], Repository]) -> Transfer:
    """Plan to repair the image of ENTRIES, which are all its names: its DAMAGED content, and other damage that is found when its documents are read again.

    Raises StoreDamaged if content can't be fetched.
    """
    root = entries[0].descriptor
    names = [entry.name for entry in entries if entry.name is not None] or _names_of_owners(store, entries[0])
    repair_source = RepairSource(entries[0].label, tuple(name.with_digest(root.digest) for name in names), repository)

    def read(descriptor: Descriptor) -> bytes:
        return store.read_document(descriptor) or repair_source.read_document(descriptor)

    def choose(index: Index, label: str, where: IndexPosition) -> t.Sequence[Descriptor]:
        """Choose the requested platforms, and all others that are stored or were."""
        wanted = {child.digest for entry in entries for child in choose_required(entry.selection, index, label, where)}
        return [child for child in index.manifests if child.digest in wanted or child.digest in damaged or store.entry_status(child.digest)]

    graph = read_graph(root, entries[0].label, read, choose)
    if graph is None:
        raise UnsupportedFormat(f"{entries[0].label} is empty")
    moves = store.list_missing(graph.blobs)
    sources = list({id(source): source for source in map(repair_source.locate, moves)}.values())
    reused = graph.blobs_without(moves)
    # If one repository has everything it is used directly, so that ranges work. No names are published: a tag that another run moves must not move back.
    return Transfer(sources[0] if len(sources) == 1 else repair_source, store, graph, (), entries[0].selection, moves, reused)


def _names_of_owners(store: Store, entry: Entry) -> list[Reference]:
    """Return the names of the images that an unnamed referrer, such as a signature, belongs to."""
    from ..places.store.stored_referrers import find_owner_names

    return find_owner_names(store, entry)
