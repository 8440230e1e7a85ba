# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write to the store. A writer that fails or is killed leaves at most files that the next writer deletes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import stat
import typing as t

from ..errors import DiskFull, InputOutputError, LongshoreError, NameTaken, StoreDamaged, StoreIncomplete
from ..files import TemporaryFile, naming_path_in_errors
from ..folders import Folder
from ..oci.digest import Digest, Verifier
from ..oci.document import encode_canonical
from ..oci.graph import Graph, NamedGraph
from ..oci.layout import BLOBS, INDEX_FILE, LAYOUT_FILE, LAYOUT_VERSION
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference
from ..store import locks
from .blob_batch import BlobBatch
from .contents import collect_needed_digests, record_subjects
from .index import Entry, StoreIndex
from .open_folders import PRIVATE
from .reader import StoreReader

if t.TYPE_CHECKING:
    from .partials import Partial

Content = t.Callable[[Descriptor], t.Iterable[t.Union[bytes, bytearray, memoryview]]]
Fill = t.Callable[["Partial"], None]
Change = t.Callable[[StoreIndex], StoreIndex]

BLOB_MODE = 0o444
# Another tool may have stored thousands of images. The first run that writes afterwards reads so many of their manifests.
_SUBJECTS = 1000


class Writer:
    """The write access of one run. It holds a lease on all digests that the run needs, from its creation until its context ends."""

    publishes_together = True

    def __init__(self, store: StoreReader, needed: t.Iterable[Digest]) -> None:
        """Create the store if it is missing, and delete files of dead runs. Raises LockTimeout, StoreDamaged, DiskFull, InputOutputError."""
        self.store = store
        self._counter = itertools.count()
        self._to_sync: set[str] = set()  # digest algorithms whose blob folder has new entries
        self._new_blobs: list[Digest] = []
        self._batch = BlobBatch()
        self._partial_paths: list[str] = []
        self._is_disk_full = False
        needed = frozenset(needed)
        # The folders that were opened to compute the plan may have been replaced since, if a user created the store again.
        store.close()
        store.reload()
        self._top = store.folders.make(store.mode)
        self._private = store.folders.make(store.mode, PRIVATE)
        self._mode = _allowed_mode(self._private.own_status())
        self._leases, self._temporary = (self._make_folder(PRIVATE, name) for name in ("leases", "tmp"))
        with self._locked():
            locks.remove_abandoned(self._temporary, locks.collect_live_leases(self._leases), self._owner)
            self._remove_useless_partials(needed)
            self._lease = locks.Lease(self._leases, self._file_mode, needed, self._owner)
            try:
                self._create_layout()
            except BaseException:
                self._lease.end()
                raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *unused: object) -> None:
        try:
            if self._is_disk_full:
                self._batch.drop()
                self._remove_partials()
            with contextlib.suppress(LongshoreError):
                self._batch.publish(self._publish_blob)
            self._save_caches()
        finally:
            self._lease.end()

    # Blobs.

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Store one blob, verified and durable, or nothing at all (promise I1). CONTENT returns its bytes.

        It gets its name when an image is published, or together with other blobs before that. Raises DigestMismatch if the bytes don't match
        DESCRIPTOR, DiskFull if they don't fit.
        """
        verifier = Verifier(descriptor.digest, descriptor.size, f"blob {descriptor.digest}")
        with self._detecting_full_disk(), contextlib.ExitStack() as stack:
            self._make_blob_folder(descriptor.digest)  # opened now: later, there may be too many open files
            file = stack.enter_context(self._private_file(BLOB_MODE))
            for chunk in content(descriptor):
                verifier.update(chunk)
                file.write(chunk)
            verifier.finish()
            stack.pop_all()
            self._batch.add(file, descriptor.digest)
            self._batch.publish_if_full(self._publish_blob)

    def put_blob_resumably(self, descriptor: Descriptor, fill: Fill, content: Content) -> None:
        """Store one blob as put_blob does, through a partial file that a later run can resume if the source fails.

        FILL writes the missing bytes of the partial file. If the partial file isn't available, the whole blob is read from CONTENT instead. If an earlier
        run left wrong bytes in it, it is filled once more from the start.
        """
        from ..store import partials

        folder = self._make_folder(PRIVATE, partials.FOLDER)
        partial = partials.open_partial(folder, descriptor, lambda: self.store.has_blob(descriptor))
        if partial is None:
            if not self.store.has_blob(descriptor):
                self.put_blob(descriptor, content)
            return
        self._partial_paths.append(partial.path)
        with self._detecting_full_disk(), partial:
            partial.complete(fill)
            self._publish_blob(partial, descriptor.digest)

    @contextlib.contextmanager
    def _detecting_full_disk(self) -> t.Iterator[None]:
        try:
            yield
        except DiskFull:
            self._is_disk_full = True
            raise

    def _remove_partials(self) -> None:
        """Delete all partial files of this run, including those that other errors left: the disk is full."""
        self.delete_partials(self._partial_paths)

    def delete_partials(self, paths: t.Iterable[str]) -> None:
        """Delete the partial files at these paths, except those that a run is writing."""
        from ..store import partials

        folder = self.store.folders.find(PRIVATE, partials.FOLDER)
        if folder is not None:
            for path in paths:
                partials.remove_unless_locked(folder, os.path.basename(path))

    def _remove_useless_partials(self, needed: t.Collection[Digest]) -> None:
        folder = self.store.folders.find(PRIVATE, "partials")
        if folder is not None:
            from ..store import partials

            partials.remove_useless(folder, needed, lambda digest: self.store.blob_status(digest) is not None)

    def _publish_blob(self, file: TemporaryFile | Partial, digest: Digest) -> None:
        self._move_folder_away(folder := self._make_blob_folder(digest), digest)
        if self.store.blob_status(digest) is None:
            self._new_blobs.append(digest)
        file.set_owner(self._owner)
        self.store.verified.add(digest, file.publish(self.store.blob_path(digest), folder))
        self._to_sync.add(digest.algorithm)

    def _make_blob_folder(self, digest: Digest) -> Folder:
        self._make_folder(BLOBS)
        return self._make_folder(BLOBS, digest.algorithm)

    def _move_folder_away(self, folder: Folder, digest: Digest) -> None:
        """Remove a folder at the path of a blob: rename and unlink fail on it. Raises StoreDamaged if it belongs to another user."""
        status, path = self.store.entry_status(digest), self.store.blob_path(digest)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return
        owner = self._owner.st_uid
        if status.st_uid != owner:
            raise StoreDamaged(f"{path} is a folder of uid {status.st_uid}, who doesn't own the store; remove it")
        with naming_path_in_errors(path):
            temporary_name = self._temporary_name()
            folder.rename(digest.hex, self._temporary, temporary_name)
            self._temporary.remove_tree(temporary_name, owner)

    def find_missing_blobs(self, graph: Graph, unused_planned: t.Sequence[Descriptor]) -> list[Descriptor]:
        """Return the blobs to fetch now: since the plan was computed, other runs may have stored or removed some."""
        return list(self.store.list_missing(graph.blobs))

    def discard(self) -> None:
        """Remove the blobs that this run stored, except those that an image or another run needs."""
        self._batch.drop()
        self.remove_images((), self._new_blobs)

    # Names.

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
        """Name images whose blobs are in the store. Store their documents first; then add all index entries in one write."""
        changes: list[Change] = []
        names: list[Reference | Digest] = []
        for image in images:
            self._put_documents(image.graph)
            root = dataclasses.replace(image.graph.root, platform=None, annotations={})
            if image.names:
                changes += [functools.partial(_set_name, name, root, image.selection, image.free) for name in image.names]
                names += image.names
            else:
                changes.append(functools.partial(_add_unnamed, root, image.selection))
                names.append(root.digest)
        self.update_index(changes, names)

    def _put_documents(self, graph: Graph) -> None:
        for descriptor in graph.content:
            data = graph.documents.get(descriptor)
            if data is not None and not self.store.has_blob(descriptor):
                self.put_blob(descriptor, functools.partial(_wrap_data, data))
        # Another run may have stored some of these just now and not synced their folder yet.
        self._to_sync.update(descriptor.digest.algorithm for descriptor in graph.content)

    def update_index(self, changes: t.Sequence[Change], names: t.Sequence[Reference | Digest] = ()) -> None:
        """Apply CHANGES, under the lock, to the index as it is on disk: tags that other runs have set since stay (promise I3).

        NAMES are the names, or the digests of the unnamed images, to check. Raises StoreIncomplete, and changes nothing, if one of these images is
        incomplete (promise I4).
        """
        with self._detecting_full_disk():
            self._batch.publish(self._publish_blob)
        self._sync_blobs()
        with self._locked():
            after = before = self.store.reload()
            for change in changes:
                after = change(after)
            named = [entry for name in names for entry in after.find_by_selector(name)]
            for entry in {(entry.descriptor, entry.selection): entry for entry in named}.values():
                self._check_complete(entry)
            if after != before:
                self._write_index(before, after)

    def _check_complete(self, entry: Entry) -> None:
        missing = self.store.find_missing_blobs(entry)
        if missing:
            lost = missing[0].digest
            self.store.require_named()
            raise self._batch.errors.get(lost) or StoreIncomplete(f"{entry.label} was not stored: {lost} was lost while this ran; run it again")

    def remove_images(self, removed: t.Collection[Entry], garbage: t.Collection[Digest]) -> None:
        """Remove entries from the index, then the GARBAGE blobs that no other entry and no live run needs (promises I6, I7).

        On a full disk, where removal matters most, the caches are deleted for a moment to make space for the new index.
        """
        with self._locked(), contextlib.ExitStack() as stack:
            before = self.store.reload()
            after = before.without(removed)
            needed = collect_needed_digests(self.store, after.entries) if garbage else set()
            for lease, digests in locks.collect_live_leases(self._leases).items():
                if lease != self._lease.id:
                    needed.update(map(str, digests))
            if after != before:
                try:
                    self._write_index(before, after)
                except DiskFull:
                    stack.enter_context(self._caches_deleted())
                    self._write_index(before, after)
            for digest in garbage:
                if str(digest) not in needed:
                    self._unlink_blob(digest)

    @contextlib.contextmanager
    def _caches_deleted(self) -> t.Iterator[None]:
        """Delete the cache files, and write them again on exit. If this run is killed in between, later runs only work more."""
        saved: dict[str, bytes] = {}
        for cache in self.store.caches:
            with contextlib.suppress(OSError, InputOutputError, StoreDamaged):
                saved[cache.name] = cache.read_file()
                self._private.unlink(cache.name)
        try:
            yield
        finally:
            with contextlib.suppress(InputOutputError, DiskFull):
                for name, data in saved.items():
                    self._replace(self._private, name, data)

    def _unlink_blob(self, digest: Digest) -> None:
        folder = self.store.blob_folder(digest)
        if folder is not None:
            self._move_folder_away(folder, digest)
            with naming_path_in_errors(self.store.blob_path(digest)):
                folder.unlink(digest.hex)

    # Helpers.

    def _create_layout(self) -> None:
        """Write the two files that make a folder an image layout. The index comes last because it marks a folder as a store."""
        if self._top.status(INDEX_FILE) is not None:
            return
        self.store.reload()
        self._replace(self._top, LAYOUT_FILE, encode_canonical({"imageLayoutVersion": LAYOUT_VERSION}))
        self._replace(self._top, INDEX_FILE, StoreIndex().to_bytes())
        self._make_folder(BLOBS)
        _sync(self._top)

    def _write_index(self, before: StoreIndex, after: StoreIndex) -> None:
        """Write AFTER. If it can't be made durable, write BEFORE again: a failed run changes no tag (promise I5)."""
        data = after.to_bytes()
        self._replace(self._top, INDEX_FILE, data)
        self.store.remember_index(data, after)
        try:
            _sync(self._top)
        except LongshoreError:
            self._replace(self._top, INDEX_FILE, before.to_bytes())
            raise
        self.store.reload()

    def _save_caches(self) -> None:
        """Write the unsaved caches. Ignore errors: without a cache, later runs only work more."""
        with contextlib.suppress(LongshoreError):
            record_subjects(self.store, _SUBJECTS)
        with contextlib.suppress(InputOutputError, DiskFull):
            for cache in [cache for cache in self.store.caches if cache.is_unsaved]:
                self._replace(self._private, cache.name, cache.to_bytes())
                cache.mark_saved()

    def _replace(self, folder: Folder, name: str, data: bytes) -> None:
        """Replace a file atomically. The new file keeps the mode of the old one, so that all users who could read it still can."""
        target = folder.path_of(name)
        with naming_path_in_errors(target):
            old_status = folder.status(name)
        mode = 0o600 | (_allowed_mode(old_status) & 0o066) if old_status is not None and stat.S_ISREG(old_status.st_mode) else self._file_mode
        with self._private_file(mode) as file:
            file.write(data)
            file.set_owner(self._owner)
            file.publish(target, folder)

    def _sync_blobs(self) -> None:
        """Sync the blob folders with new entries. A folder leaves the list first: a blob that another thread publishes during the sync adds it again."""
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
        """The mode of new files: as the mode of the store's folders, without execute permission."""
        return 0o600 | (self._mode & 0o066)

    def _make_folder(self, *names: str) -> Folder:
        """Return a folder of the store, created if missing. The store's owner owns it, so that a user can still use a store that root wrote to."""
        return self.store.folders.make(self._mode, *names)

    def _temporary_name(self) -> str:
        return f"{self._lease.id}.{next(self._counter)}"

    def _private_file(self, mode: int) -> TemporaryFile:
        create = functools.partial(TemporaryFile, self._temporary.path_of(self._temporary_name()), mode, folder=self._temporary)
        return self._batch.create_file(create, self._publish_blob)


def _allowed_mode(status: os.stat_result) -> int:
    """Return the mode for new files and folders: that of the existing store, whichever mode this run asks for, and never writable for all."""
    return stat.S_IMODE(status.st_mode) & ~0o002


def _sync(folder: Folder) -> None:
    with naming_path_in_errors(folder.path):
        folder.sync()


def _wrap_data(data: bytes, unused_descriptor: Descriptor) -> t.Iterable[bytes]:
    return (data,)


def _set_name(name: Reference, descriptor: Descriptor, selection: Selection | None, free: bool, index: StoreIndex) -> StoreIndex:
    current = index.get_named(name) if free else None
    if current is not None and current.digest != descriptor.digest:
        raise NameTaken(f"{name} was given to another image, {current.digest}, while this ran; run it again")
    return index.with_name(name, descriptor, selection)


def _add_unnamed(descriptor: Descriptor, selection: Selection | None, index: StoreIndex) -> StoreIndex:
    return index.with_unnamed(descriptor, selection)
