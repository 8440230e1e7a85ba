# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the garbage of a store: content that no remaining image and no running task needs."""

from __future__ import annotations

import dataclasses
import typing as t

from ...oci.digest import Digest
from ...oci.text import format_size
from ...store.contents import ContentsReader
from ...store.other_runs import find_other_runs, folder_size
from ..facts import format_count

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


@dataclasses.dataclass(frozen=True)
class Garbage:
    """Content to delete, with its size: blobs `freed` by removed images, `strays` that no image needs, `abandoned` files of dead runs.

    `unfinished` are resumable partial downloads of runs that failed or died. If images that remain are `unreadable`, no blob is deleted: they could need it.
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
        """Return the actions that belong to no removed image."""
        candidates = (
            (f"delete {format_count(len(self.strays), 'blob')} that no image needs", self.strays.values()),
            (f"delete {format_count(len(self.abandoned), 'file')} that dead runs left", self.abandoned.values()),
            (f"delete {format_count(len(self.unfinished), 'resumable partial download')}", self.unfinished.values()),
        )
        return tuple(f"{sentence}: {format_size(sum(sizes))}" for sentence, sizes in candidates if sizes)

    def warnings(self) -> tuple[str, ...]:
        """Return the warning that no blob is deleted because images can't be read, if that is so."""
        if not self.unreadable:
            return ()
        names = ", ".join(entry.label for entry in self.unreadable[:3]) + (", ..." if len(self.unreadable) > 3 else "")
        return (f"no blob is deleted, since {names} can't be read completely and may need it; repair it with image_verify, or remove it",)


def remaining_entries(store: Store, leaving: t.Iterable[Entry]) -> list[Entry]:
    """Return the entries that remain when those of LEAVING are removed."""
    return list(store.index.without(leaving).entries)


def find_garbage(store: Store, leaving: t.Sequence[Entry], everything: bool) -> Garbage:
    """Return the content that is deleted with the entries LEAVING; with EVERYTHING also content that no image needs.

    Raises LockTimeout if another run holds the store's lock too long.
    """
    other_runs = find_other_runs(store)
    remaining = remaining_entries(store, leaving)
    abandoned, unfinished = (other_runs.abandoned, other_runs.unfinished) if everything else ({}, {})
    reader = ContentsReader(store)
    needed = set(map(str, other_runs.needed))
    unreadable: list[Entry] = []
    for entry in remaining:
        contents = reader.read(entry)
        if contents is None:
            unreadable.append(entry)
        else:
            needed.update(contents.mentioned)
    if unreadable:
        return Garbage(abandoned=abandoned, unfinished=unfinished, unreadable=tuple(unreadable) if leaving or everything else ())
    freed = _sizes(store, (digest for entry in leaving for digest in _content(store, entry) if str(digest) not in needed))
    strays = [digest for digest in store.stored() if str(digest) not in needed and digest not in freed] if everything else []
    return Garbage(freed, {digest: folder_size(store.blob_folder(digest), digest.hex) for digest in strays}, abandoned, unfinished)


def _sizes(store: Store, digests: t.Iterable[Digest]) -> dict[Digest, int]:
    """Return the stored ones of DIGESTS with their sizes on disk."""
    found = {digest: store.blob_status(digest) for digest in digests}
    return {digest: status.st_size for digest, status in found.items() if status is not None}


def _content(store: Store, entry: Entry) -> list[Digest]:
    """Return all digests of an image, parents first, as far as its documents can be read."""
    graph = store.read_graph(entry)
    return [descriptor.digest for descriptor in reversed(graph.content)] if graph is not None else [entry.descriptor.digest]
