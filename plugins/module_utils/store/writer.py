# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store for writing. What a killed or failing writer leaves is at worst a file that the next writer clears away."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import shutil
import stat
import typing as t

from ..errors import DigestMismatch, DiskFull, InputOutputError, LongshoreError, NameTaken, StoreIncomplete
from ..files import PrivateFile, make_folder, reporting, sync_folder
from ..oci.digest import Digest, Verifier
from ..oci.document import canonical
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference
from . import locks
from .index import Entry, StoreIndex
from .store import BLOBS, INDEX_FILE, LAYOUT_FILE, LAYOUT_VERSION, Store

if t.TYPE_CHECKING:
    from .partials import Partial

Content = t.Callable[[Descriptor], t.Iterable[t.Union[bytes, bytearray, memoryview]]]
Fill = t.Callable[["Partial"], None]
Change = t.Callable[[StoreIndex], StoreIndex]

_BLOB_MODE = 0o444


class Writer:
    """One run's leave to write: it holds a lease on all digests that the run needs, from before they are counted on until the end."""

    def __init__(self, store: Store, needed: t.Iterable[Digest]) -> None:
        """Makes the store where there is none. Raises LockTimeout, StoreDamaged, DiskFull, InputOutputError."""
        self.store = store
        self._counter = itertools.count()
        self._to_sync: set[str] = set()
        self._brought: list[Digest] = []
        self._begun: list[str] = []
        self._full = False
        needed = frozenset(needed)
        store.reload()
        make_folder(store.path, store.mode)
        make_folder(store.private(), store.mode, like=store.path)
        self._mode = _mode_of(store.private())
        for folder in (store.private("leases"), store.private("tmp")):
            self._make_folder(folder)
        with self._locked():
            live = locks.live_leases(store.private("leases"))
            locks.reclaim(store.private("tmp"), live)
            self._reclaim_partials(needed)
            self._lease = locks.Lease(store.private("leases"), self._file_mode, needed, like=store.path)
            try:
                self._lay_out()
            except BaseException:
                self._lease.end()
                raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *unused: object) -> None:
        try:
            if self._full:
                self._remove_partials()
            self._remember()
        finally:
            self._lease.end()

    # Blobs.

    def ingest(self, descriptor: Descriptor, content: Content) -> None:
        """Stores one blob, whose bytes CONTENT opens: complete, verified and durable, or not at all (promise I1).

        Raises DigestMismatch when the bytes are not what DESCRIPTOR says, DiskFull when they don't fit.
        """
        verifier = Verifier(descriptor.digest, descriptor.size, f"blob {descriptor.digest}")
        with self._noticing_a_full_disk(), self._private_file(_BLOB_MODE) as file:
            for chunk in content(descriptor):
                verifier.update(chunk)
                file.write(chunk)
            verifier.finish()
            self._publish_blob(file, descriptor.digest)

    def fetch(self, descriptor: Descriptor, fill: Fill, content: Content) -> None:
        """As ingest, for a source that may fail: FILL brings what lacks of a file that stays for the next run if it does.

        CONTENT is for a blob whose file can't be had. A file of an earlier run that turns out to hold other bytes is filled once more from the beginning.
        """
        from . import partials

        folder = self.store.private(partials.FOLDER)
        self._make_folder(folder)
        partial = partials.claim(folder, descriptor, lambda: self.store.has(descriptor))
        if partial is None:
            if not self.store.has(descriptor):
                self.ingest(descriptor, content)
            return
        self._begun.append(partial.path)
        with self._noticing_a_full_disk(), partial:
            try:
                fill(partial)
                partial.finish()
            except DigestMismatch:
                if not partial.inherited:
                    raise
                partial.restart()
                fill(partial)
                partial.finish()
            self._publish_blob(partial, descriptor.digest)

    @contextlib.contextmanager
    def _noticing_a_full_disk(self) -> t.Iterator[None]:
        try:
            yield
        except DiskFull:
            self._full = True
            raise

    def _remove_partials(self) -> None:
        """Where the disk is full, nothing of this run stays: neither what the fault hit, nor what other faults left."""
        self.give_up(self._begun)

    def give_up(self, unfinished: t.Iterable[str]) -> None:
        """Removes partial files that nobody writes."""
        from . import partials

        for path in unfinished:
            partials.clear(path)

    def _reclaim_partials(self, needed: t.Collection[Digest]) -> None:
        if os.path.isdir(self.store.private("partials")):
            from . import partials

            partials.reclaim(self.store.private(partials.FOLDER), needed, lambda digest: self.store.status(digest) is not None)

    def _publish_blob(self, file: PrivateFile | Partial, digest: Digest) -> None:
        target = self.store.blob_path(digest)
        folder = os.path.dirname(target)
        if folder not in self._to_sync:
            self._make_folder(os.path.dirname(folder))
            self._make_folder(folder)
        self._move_folder_away(target)
        if self.store.status(digest) is None:
            self._brought.append(digest)
        file.keep_owner(self.store.path)
        self.store.known.add(digest, file.publish(target))
        self._to_sync.add(folder)

    def _move_folder_away(self, target: str) -> None:
        """A folder where a blob belongs can be neither replaced by renaming nor unlinked."""
        if os.path.isdir(target) and not os.path.islink(target):
            with reporting(target):
                aside = self._temporary_path()
                os.rename(target, aside)
                shutil.rmtree(aside)

    def lacking(self, graph: Graph, unused_planned: t.Sequence[Descriptor]) -> list[Descriptor]:
        """The blobs to bring now: another run may have removed, or brought, some since the plan was made."""
        return [blob for blob in graph.blobs if not self.store.has(blob)]

    def discard(self) -> None:
        """Removes the blobs that this run has brought, but for those that an image or another run needs."""
        self.remove((), self._brought)

    # Names.

    def publish(self, images: t.Sequence[NamedGraph]) -> None:
        """Gives names to images whose blobs are here: their documents first, all entries in the index last and at once."""
        changes: list[Change] = []
        names: list[Reference | Digest] = []
        for image in images:
            self._ingest_documents(image.graph)
            root = dataclasses.replace(image.graph.root, platform=None, annotations={})
            if image.names:
                changes += [functools.partial(_named, name, root, image.selection, image.free) for name in image.names]
                names += image.names
            else:
                changes.append(functools.partial(_kept, root, image.selection))
                names.append(root.digest)
        self.commit(changes, names)

    def _ingest_documents(self, graph: Graph) -> None:
        for descriptor in graph.content:
            data = graph.documents.get(descriptor)
            if data is not None and not self.store.has(descriptor):
                self.ingest(descriptor, functools.partial(_held, data))
        # What was here already may be the work of another run, which hasn't come to syncing it yet.
        self._to_sync.update(os.path.dirname(self.store.blob_path(descriptor.digest)) for descriptor in graph.content)

    def commit(self, changes: t.Sequence[Change], names: t.Sequence[Reference | Digest] = ()) -> None:
        """Applies CHANGES to the index as it is now, under the lock: a tag that another run has set meanwhile stays (promise I3).

        Raises StoreIncomplete when an image that has one of NAMES, or one of these digests and no name, then isn't here in full: then nothing is
        changed (promise I4).
        """
        self._sync_blobs()
        with self._locked():
            before = self.store.reload()
            after = before
            for change in changes:
                after = change(after)
            named = [entry for name in names for entry in after.called(name)]
            for entry in {(entry.descriptor, entry.selection): entry for entry in named}.values():
                self._check_whole(entry)
            if after != before:
                self._write_index(before, after)

    def _check_whole(self, entry: Entry) -> None:
        lost = self.store.missing(entry)
        if lost:
            raise StoreIncomplete(f"{entry.label} was not stored: {lost[0].digest} was lost while this ran; run it again")

    def remove(self, removed: t.Collection[Entry], garbage: t.Collection[Digest]) -> None:
        """Takes entries out of the index, and then those of GARBAGE that neither another entry nor a running task needs (promises I6, I7).

        On a full disk, where that is wanted most, the new index takes the room of records for a while.
        """
        with self._locked(), contextlib.ExitStack() as stack:
            before = self.store.reload()
            after = before.without(removed)
            needed = needed_digests(self.store, after.entries)
            for lease, digests in locks.live_leases(self.store.private("leases")).items():
                if lease != self._lease.id:
                    needed |= digests
            if after != before:
                try:
                    self._write_index(before, after)
                except DiskFull:
                    stack.enter_context(self._without_records())
                    self._write_index(before, after)
            for digest in garbage:
                if digest not in needed:
                    self._unlink_blob(digest)

    @contextlib.contextmanager
    def _without_records(self) -> t.Iterator[None]:
        """Inside, the records of the store are not on the disk. A death there costs the next run time, and nothing else."""
        kept: dict[str, bytes] = {}
        for record in self.store.records:
            with contextlib.suppress(OSError, InputOutputError):
                kept[record.path] = record.on_disk()
                os.unlink(record.path)
        try:
            yield
        finally:
            with contextlib.suppress(InputOutputError, DiskFull):
                for path, data in kept.items():
                    self._replace(os.path.relpath(path, self.store.path), data)

    def _unlink_blob(self, digest: Digest) -> None:
        path = self.store.blob_path(digest)
        self._move_folder_away(path)
        with reporting(path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    # What both rest on.

    def _lay_out(self) -> None:
        """The two files that make a folder an image layout; the index last, since it is by the index that a store is known."""
        if os.path.lexists(self.store.index_path):
            return
        self.store.reload()
        self._replace(LAYOUT_FILE, canonical({"imageLayoutVersion": LAYOUT_VERSION}))
        self._replace(INDEX_FILE, StoreIndex().to_bytes())
        self._make_folder(os.path.join(self.store.path, BLOBS))
        sync_folder(self.store.path)

    def _write_index(self, before: StoreIndex, after: StoreIndex) -> None:
        """Where AFTER can't be made durable, BEFORE comes back: a run that fails has changed no tag (promise I5)."""
        self._replace(INDEX_FILE, after.to_bytes())
        try:
            sync_folder(self.store.path)
        except LongshoreError:
            self._replace(INDEX_FILE, before.to_bytes())
            raise
        self.store.reload()

    def _remember(self) -> None:
        """A record that can't be written costs the next run time, and nothing else."""
        with contextlib.suppress(InputOutputError, DiskFull):
            for record in self.store.news:
                self._replace(os.path.relpath(record.path, self.store.path), record.to_bytes())
                record.written()

    def _replace(self, name: str, data: bytes) -> None:
        """A file that is there keeps its mode: whoever could read it must be able to read the new one."""
        target = os.path.join(self.store.path, name)
        mode = 0o600 | (_mode_of(target) & 0o066) if os.path.isfile(target) else self._file_mode
        with self._private_file(mode) as file:
            file.write(data)
            file.keep_owner(self.store.path)
            file.publish(target)

    def _sync_blobs(self) -> None:
        """A folder leaves the list before it is synced: what another thread publishes meanwhile puts it back."""
        folders = sorted(self._to_sync)
        self._to_sync.difference_update(folders)
        try:
            for folder in folders:
                sync_folder(folder)
            if folders:
                sync_folder(os.path.join(self.store.path, BLOBS))
        except LongshoreError:
            self._to_sync.update(folders)
            raise

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locks.exclusive(self.store.private("lock"), self._file_mode, self.store.lock_timeout, like=self.store.path)

    @property
    def _file_mode(self) -> int:
        """Readable and writable for whom the store is; executable for nobody."""
        return 0o600 | (self._mode & 0o066)

    def _make_folder(self, path: str) -> None:
        """A folder of the store. All that is new in it is its owner's, whoever writes: else root's help would shut out the user whose store it is."""
        make_folder(path, self._mode, like=self.store.path)

    def _temporary_path(self) -> str:
        return self.store.private("tmp", f"{self._lease.id}.{next(self._counter)}")

    def _private_file(self, mode: int) -> PrivateFile:
        return PrivateFile(self._temporary_path(), mode)


def _mode_of(path: str) -> int:
    """How a store was made decides for all that comes to it later, whatever a later run says of modes; never may everybody write."""
    with reporting(path):
        return stat.S_IMODE(os.stat(path).st_mode) & ~0o002


def _held(data: bytes, unused_descriptor: Descriptor) -> t.Iterable[bytes]:
    return (data,)


def _named(name: Reference, descriptor: Descriptor, selection: Selection | None, free: bool, index: StoreIndex) -> StoreIndex:
    taken = index.named(name) if free else None
    if taken is not None and taken.digest != descriptor.digest:
        raise NameTaken(f"{name} was given to another image, {taken.digest}, while this ran; run it again")
    return index.naming(name, descriptor, selection)


def _kept(descriptor: Descriptor, selection: Selection | None, index: StoreIndex) -> StoreIndex:
    return index.keeping(descriptor, selection)


def needed_digests(store: Store, entries: t.Iterable[Entry]) -> set[Digest]:
    """All digests that these images stand on, as far as their documents can be read."""
    needed: set[Digest] = set()
    for entry in entries:
        needed.add(entry.descriptor.digest)
        graph = store.graph(entry)
        if graph is not None:
            needed.update(descriptor.digest for descriptor in graph.content)
    return needed
