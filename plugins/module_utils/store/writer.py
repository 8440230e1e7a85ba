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
import stat
import typing as t

from ..errors import DigestMismatch, DiskFull, InputOutputError, LongshoreError, NameTaken, StoreDamaged, StoreIncomplete
from ..files import TemporaryFile, naming_path_in_errors
from ..folders import Folder
from ..oci.digest import Digest, Verifier
from ..oci.document import encode_canonical
from ..oci.graph import Graph, NamedGraph
from ..oci.layout import BLOBS, INDEX_FILE, LAYOUT_FILE, LAYOUT_VERSION
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference
from . import locks
from .index import Entry, StoreIndex
from .open_folders import PRIVATE
from .store import Store

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
        self._to_sync: set[str] = set()  # algorithms, whose folders of blobs have new names
        self._brought: list[Digest] = []
        self._begun: list[str] = []
        self._full = False
        needed = frozenset(needed)
        # Folders that were opened to make the plan may have been replaced since, by who began the store anew.
        store.close()
        store.reload()
        self._top = store.folders.make(store.mode)
        self._private = store.folders.make(store.mode, PRIVATE)
        self._mode = _mode_of(self._private.own_status())
        self._leases, self._temporary = (self._make_folder(PRIVATE, name) for name in ("leases", "tmp"))
        with self._locked():
            live = locks.live_leases(self._leases)
            locks.reclaim(self._temporary, live, self._owner)
            self._reclaim_partials(needed)
            self._lease = locks.Lease(self._leases, self._file_mode, needed, self._owner)
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

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
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

    def put_blob_resumably(self, descriptor: Descriptor, fill: Fill, content: Content) -> None:
        """As ingest, for a source that may fail: FILL brings what lacks of a file that stays for the next run if it does.

        CONTENT is for a blob whose file can't be had. A file of an earlier run that turns out to hold other bytes is filled once more from the beginning.
        """
        from . import partials

        folder = self._make_folder(PRIVATE, partials.FOLDER)
        partial = partials.open_partial(folder, descriptor, lambda: self.store.has_blob(descriptor))
        if partial is None:
            if not self.store.has_blob(descriptor):
                self.put_blob(descriptor, content)
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
        self.delete_partials(self._begun)

    def delete_partials(self, unfinished: t.Iterable[str]) -> None:
        """Removes partial files that nobody writes, given by their paths."""
        from . import partials

        folder = self.store.folders.find(PRIVATE, partials.FOLDER)
        if folder is not None:
            for path in unfinished:
                partials.clear(folder, os.path.basename(path))

    def _reclaim_partials(self, needed: t.Collection[Digest]) -> None:
        folder = self.store.folders.find(PRIVATE, "partials")
        if folder is not None:
            from . import partials

            partials.reclaim(folder, needed, lambda digest: self.store.blob_status(digest) is not None)

    def _publish_blob(self, file: TemporaryFile | Partial, digest: Digest) -> None:
        folder = self.store.blob_folder(digest)
        if folder is None:
            self._make_folder(BLOBS)
            folder = self._make_folder(BLOBS, digest.algorithm)
        self._move_folder_away(folder, digest)
        if self.store.blob_status(digest) is None:
            self._brought.append(digest)
        file.give_to(self._owner)
        self.store.verified.add(digest, file.publish(self.store.blob_path(digest), folder))
        self._to_sync.add(digest.algorithm)

    def _move_folder_away(self, folder: Folder, digest: Digest) -> None:
        """A folder where a blob belongs can be neither replaced by renaming nor unlinked. One of another user is left alone: nothing of ours is in it."""
        status, path = self.store.entry_status(digest), self.store.blob_path(digest)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return
        owner = self._owner.st_uid
        if status.st_uid != owner:
            raise StoreDamaged(f"{path} is a folder of uid {status.st_uid}, who doesn't own the store; remove it")
        with naming_path_in_errors(path):
            aside = self._temporary_name()
            folder.rename(digest.hex, self._temporary, aside)
            self._temporary.remove_tree(aside, owner)

    def find_missing_blobs(self, graph: Graph, unused_planned: t.Sequence[Descriptor]) -> list[Descriptor]:
        """The blobs to bring now: another run may have removed, or brought, some since the plan was made."""
        return [blob for blob in graph.blobs if not self.store.has_blob(blob)]

    def discard(self) -> None:
        """Removes the blobs that this run has brought, but for those that an image or another run needs."""
        self.remove_images((), self._brought)

    # Names.

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
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
        self.update_index(changes, names)

    def _ingest_documents(self, graph: Graph) -> None:
        for descriptor in graph.content:
            data = graph.documents.get(descriptor)
            if data is not None and not self.store.has_blob(descriptor):
                self.put_blob(descriptor, functools.partial(_held, data))
        # What was here already may be the work of another run, which hasn't come to syncing it yet.
        self._to_sync.update(descriptor.digest.algorithm for descriptor in graph.content)

    def update_index(self, changes: t.Sequence[Change], names: t.Sequence[Reference | Digest] = ()) -> None:
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
            named = [entry for name in names for entry in after.find_called(name)]
            for entry in {(entry.descriptor, entry.selection): entry for entry in named}.values():
                self._check_whole(entry)
            if after != before:
                self._write_index(before, after)

    def _check_whole(self, entry: Entry) -> None:
        lost = self.store.find_missing_blobs(entry)
        if lost:
            raise StoreIncomplete(f"{entry.label} was not stored: {lost[0].digest} was lost while this ran; run it again")

    def remove_images(self, removed: t.Collection[Entry], garbage: t.Collection[Digest]) -> None:
        """Takes entries out of the index, and then those of GARBAGE that neither another entry nor a running task needs (promises I6, I7).

        On a full disk, where that is wanted most, the new index takes the room of records for a while.
        """
        with self._locked(), contextlib.ExitStack() as stack:
            before = self.store.reload()
            after = before.without(removed)
            needed = needed_digests(self.store, after.entries)
            for lease, digests in locks.live_leases(self._leases).items():
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
        for record in self.store.caches:
            with contextlib.suppress(OSError, InputOutputError, StoreDamaged):
                kept[record.name] = record.on_disk()
                self._private.unlink(record.name)
        try:
            yield
        finally:
            with contextlib.suppress(InputOutputError, DiskFull):
                for name, data in kept.items():
                    self._replace(self._private, name, data)

    def _unlink_blob(self, digest: Digest) -> None:
        folder = self.store.blob_folder(digest)
        if folder is not None:
            self._move_folder_away(folder, digest)
            with naming_path_in_errors(self.store.blob_path(digest)):
                folder.unlink(digest.hex)

    # What both rest on.

    def _lay_out(self) -> None:
        """The two files that make a folder an image layout; the index last, since it is by the index that a store is known."""
        if self._top.status(INDEX_FILE) is not None:
            return
        self.store.reload()
        self._replace(self._top, LAYOUT_FILE, encode_canonical({"imageLayoutVersion": LAYOUT_VERSION}))
        self._replace(self._top, INDEX_FILE, StoreIndex().to_bytes())
        self._make_folder(BLOBS)
        _sync(self._top)

    def _write_index(self, before: StoreIndex, after: StoreIndex) -> None:
        """Where AFTER can't be made durable, BEFORE comes back: a run that fails has changed no tag (promise I5)."""
        self._replace(self._top, INDEX_FILE, after.to_bytes())
        try:
            _sync(self._top)
        except LongshoreError:
            self._replace(self._top, INDEX_FILE, before.to_bytes())
            raise
        self.store.reload()

    def _remember(self) -> None:
        """A record that can't be written costs the next run time, and nothing else."""
        with contextlib.suppress(InputOutputError, DiskFull):
            for record in self.store.unsaved_caches:
                self._replace(self._private, record.name, record.to_bytes())
                record.written()

    def _replace(self, folder: Folder, name: str, data: bytes) -> None:
        """A file that is there keeps its mode: whoever could read it must be able to read the new one."""
        target = folder.path_of(name)
        with naming_path_in_errors(target):
            there = folder.status(name)
        mode = 0o600 | (_mode_of(there) & 0o066) if there is not None and stat.S_ISREG(there.st_mode) else self._file_mode
        with self._private_file(mode) as file:
            file.write(data)
            file.give_to(self._owner)
            file.publish(target, folder)

    def _sync_blobs(self) -> None:
        """A folder leaves the list before it is synced: what another thread publishes meanwhile puts it back."""
        algorithms = sorted(self._to_sync)
        self._to_sync.difference_update(algorithms)
        try:
            for names in [*((BLOBS, algorithm) for algorithm in algorithms), *([(BLOBS,)] if algorithms else [])]:
                folder = self.store.folders.find(*names)
                if folder is not None:
                    _sync(folder)
        except LongshoreError:
            self._to_sync.update(algorithms)
            raise

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locks.lock_exclusive(self._private, self._file_mode, self.store.lock_timeout, self._owner, self.store.folders.check_file)

    @property
    def _owner(self) -> os.stat_result:
        return self._top.own_status()

    @property
    def _file_mode(self) -> int:
        """Readable and writable for whom the store is; executable for nobody."""
        return 0o600 | (self._mode & 0o066)

    def _make_folder(self, *names: str) -> Folder:
        """A folder of the store. All that is new in it is its owner's, whoever writes: else root's help would shut out the user whose store it is."""
        return self.store.folders.make(self._mode, *names)

    def _temporary_name(self) -> str:
        return f"{self._lease.id}.{next(self._counter)}"

    def _private_file(self, mode: int) -> TemporaryFile:
        return TemporaryFile(self._temporary.path_of(self._temporary_name()), mode, folder=self._temporary)


def _mode_of(status: os.stat_result) -> int:
    """How a store was made decides for all that comes to it later, whatever a later run says of modes; never may everybody write."""
    return stat.S_IMODE(status.st_mode) & ~0o002


def _sync(folder: Folder) -> None:
    with naming_path_in_errors(folder.path):
        folder.sync()


def _held(data: bytes, unused_descriptor: Descriptor) -> t.Iterable[bytes]:
    return (data,)


def _named(name: Reference, descriptor: Descriptor, selection: Selection | None, free: bool, index: StoreIndex) -> StoreIndex:
    taken = index.get_named(name) if free else None
    if taken is not None and taken.digest != descriptor.digest:
        raise NameTaken(f"{name} was given to another image, {taken.digest}, while this ran; run it again")
    return index.with_name(name, descriptor, selection)


def _kept(descriptor: Descriptor, selection: Selection | None, index: StoreIndex) -> StoreIndex:
    return index.with_unnamed(descriptor, selection)


def needed_digests(store: Store, entries: t.Iterable[Entry]) -> set[Digest]:
    """All digests that these images stand on, as far as their documents can be read."""
    needed: set[Digest] = set()
    for entry in entries:
        needed.add(entry.descriptor.digest)
        graph = store.read_graph(entry)
        if graph is not None:
            needed.update(descriptor.digest for descriptor in graph.content)
    return needed
