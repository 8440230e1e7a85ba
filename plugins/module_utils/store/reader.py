# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the store: an OCI image layout on disk (OCI image specification, image-layout.md). Writers are built on this class too."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import typing as t

from ..errors import ImageNotFound, InputOutputError, InvalidOption, InvalidReference, StoreDamaged, UnsupportedFormat
from ..files import naming_path_in_errors, open_below, read_open_bounded, read_open_chunks
from ..folders import Folder
from ..limits import MAX_DOCUMENT
from ..oci.digest import ALGORITHMS, Digest, DigestMismatch, hash_stream
from ..oci.document import Document
from ..oci.graph import ChooseEntries, Graph, IndexPosition, choose_all, choose_required, read_graph
from ..oci.layout import BLOBS, INDEX_FILE, LAYOUT_FILE
from ..oci.manifest import Descriptor, Index
from ..oci.matching import find_matching
from ..oci.reference import Reference
from .blob_origins import BlobOrigins
from .index import MAX_INDEX, Entry, StoreIndex
from .open_folders import PRIVATE, StoreFolders
from .verified import VerifiedBlobs

if t.TYPE_CHECKING:
    from ..oci.removal_matching import RemovalSelector
    from .cache import Cache
    from .records import RecordedContents, Subjects


class GraphStatus(t.NamedTuple):
    """The readable part of an image, None if its root document can't be read, and the documents that are missing."""

    graph: Graph | None
    missing: tuple[Descriptor, ...]


class StoreReader:
    """Reads the store in a folder. A missing or empty folder is an empty store; a folder with other content is refused.

    Its caches refer to its folders, not to the store: without a reference cycle, open folders are closed as soon as the store is dropped.
    """

    def __init__(self, path: str, mode: int = 0o700, lock_timeout: float = 300) -> None:
        """Open nothing yet. MODE applies to the folders of a new store. Raises InvalidOption if it would let all users write."""
        if mode & 0o002:
            raise InvalidOption(f"store_mode {mode:04o} would let everybody write to {path}; leave out the write permission for others")
        self.path = os.path.abspath(path)
        self.mode = mode
        self.lock_timeout = lock_timeout
        self.folders = StoreFolders(self.path)
        self._private_folder = functools.partial(self.folders.find, PRIVATE)
        self.verified = VerifiedBlobs(self.private_path("verified.json"), self._private_folder)
        self.blob_origins = BlobOrigins(self.private_path("whereabouts.json"), self._private_folder)
        self._index: StoreIndex | None = None
        self._parsed: tuple[bytes, StoreIndex] | None = None
        self._ids: dict[Digest, set[Digest]] = {}
        self._being_read: list[Entry] = []

    def close(self) -> None:
        """Close the folders that were opened. A store that is used again opens them again."""
        self.folders.close()

    # Paths, for messages and results. Files are only opened relative to open folders. Paths contain digests and constants only (promise I13).

    def private_path(self, *names: str) -> str:
        return os.path.join(self.path, PRIVATE, *names)

    def blob_path(self, digest: Digest) -> str:
        return os.path.join(self.path, BLOBS, digest.algorithm, digest.hex)

    @property
    def index_path(self) -> str:
        return os.path.join(self.path, INDEX_FILE)

    @functools.cached_property
    def subjects(self) -> Subjects:
        from .records import Subjects

        return Subjects(self.private_path("subjects.json"), self._private_folder)

    @functools.cached_property
    def contents(self) -> RecordedContents:
        from .records import RecordedContents

        return RecordedContents(self.private_path("contents.json"), self._private_folder)

    @property
    def caches(self) -> list[Cache[t.Any]]:
        return [self.verified, self.blob_origins, self.subjects, self.contents]

    @property
    def unsaved_caches(self) -> list[Cache[t.Any]]:
        """The caches with values that aren't on disk yet. A run that only reads documents doesn't write what it learns from them."""
        return [cache for cache in (self.verified, self.blob_origins) if cache.is_unsaved]

    # The index.

    @property
    def index(self) -> StoreIndex:
        if self._index is None:
            self._index = self.reload()
        return self._index

    def reload(self) -> StoreIndex:
        """Read the index from disk again. Raises StoreDamaged if it is invalid, or missing although there are blobs."""
        self._ids.clear()
        self._index = StoreIndex() if self._is_empty() else self._read_index()
        return self._index

    def _is_empty(self) -> bool:
        """Return whether there is no store yet.

        Raises UnsupportedFormat for a folder that is no store or has a newer version; StoreDamaged if a part of the layout is missing.
        """
        folder = self.folders.find()
        if folder is None:
            return True
        with naming_path_in_errors(self.path):
            names = set(folder.list_names())
        if INDEX_FILE in names:
            self._check_version(required=True)
            return False
        if self._has_blobs():
            raise StoreDamaged(
                f"{self.index_path} is missing, but there are blobs beside it: restore it from a backup, or move the store away to begin a new one"
            )
        other_names = names - {PRIVATE, LAYOUT_FILE, BLOBS}
        if other_names:
            raise UnsupportedFormat(
                f"{self.path} holds other files ({min(other_names)!r}) and is not an image store; give an empty folder or a store"
            )
        self._check_version(required=False)
        return True

    def _has_blobs(self) -> bool:
        folder = self.folders.find(BLOBS)
        with naming_path_in_errors(os.path.join(self.path, BLOBS)):
            return folder is not None and any(folder.file_statuses())

    def _check_version(self, required: bool) -> None:
        path = os.path.join(self.path, LAYOUT_FILE)
        try:
            version = Document.parse(self._read_file(LAYOUT_FILE, MAX_DOCUMENT), path).required_text("imageLayoutVersion")
        except FileNotFoundError as error:
            if required:
                raise StoreDamaged(f"{path} is missing: {self.path} is no OCI image layout without it") from error
            return
        except UnsupportedFormat as error:
            raise StoreDamaged(str(error)) from error
        if not version.startswith("1."):
            raise UnsupportedFormat(f"{path} says version {version!r:.40}; only image layouts of version 1 are supported")

    def _read_file(self, name: str, limit: int) -> bytes:
        path = os.path.join(self.path, name)
        return read_open_bounded(open_below(self.folders.find(), name, path), path, limit)

    def _read_index(self) -> StoreIndex:
        folder = self.folders.find()
        status = folder.status(INDEX_FILE) if folder is not None else None
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise StoreDamaged(f"{self.index_path} is not a regular file")
        try:
            data = self._read_file(INDEX_FILE, MAX_INDEX)
        except FileNotFoundError as error:
            raise StoreDamaged(f"{self.index_path} was removed while it was read") from error
        if self._parsed is None or self._parsed[0] != data:
            self._parsed = data, StoreIndex.parse(data, self.index_path)
        return self._parsed[1]

    def remember_index(self, data: bytes, index: StoreIndex) -> None:
        """Remember that DATA, the new content of the index file, is INDEX, so that it isn't parsed again. Every reload still reads the file."""
        self._parsed = data, index

    # Content.

    def stored(self) -> t.Iterator[Digest]:
        """Yield the digest of every entry of the blob folders, of any file type. Skip entries whose name is no digest: other tools own them."""
        for algorithm in ALGORITHMS:
            folder = self.folders.find(BLOBS, algorithm)
            with naming_path_in_errors(os.path.join(self.path, BLOBS, algorithm)):
                for name in sorted(folder.list_names()) if folder is not None else ():
                    with contextlib.suppress(InvalidReference):
                        yield Digest(algorithm, name)

    def blob_folder(self, digest: Digest) -> Folder | None:
        """Return the open folder of a blob; None if it is missing. Raises StoreDamaged for a link in its place."""
        return self.folders.find(BLOBS, digest.algorithm)

    def entry_status(self, digest: Digest) -> os.stat_result | None:
        """Return the status of the entry at the path of a blob, of any file type; None if there is none."""
        folder = self.blob_folder(digest)
        with naming_path_in_errors(self.blob_path(digest)):
            return folder.status(digest.hex) if folder is not None else None

    def blob_status(self, digest: Digest) -> os.stat_result | None:
        """Return the status of a blob, None if it is missing or not a regular file."""
        status = self.entry_status(digest)
        return status if status is not None and stat.S_ISREG(status.st_mode) else None

    def open_unverified(self, digest: Digest) -> int:
        """Open a blob and return its descriptor. Raises FileNotFoundError, and InputOutputError for anything but a regular file."""
        return open_below(self.blob_folder(digest), digest.hex, self.blob_path(digest))

    def read_unverified(self, digest: Digest) -> t.Iterator[memoryview]:
        """Yield the content of a blob, unverified, in chunks that share one buffer. Raises the errors of open_unverified."""
        yield from read_open_chunks(self.open_unverified(digest), self.blob_path(digest))

    def has_blob(self, descriptor: Descriptor, trust_others: bool = True) -> bool:
        """Return whether the blob is in the store and good: marked as hashed and unchanged since, or hashed now (promise I8).

        An unreadable blob doesn't count. Unless TRUST_OTHERS, a mark that another user could have made doesn't count either: use this for blobs that
        leave the store.
        """
        status = self.blob_status(descriptor.digest)
        if status is None or status.st_size != descriptor.size:
            return False
        use_record = trust_others or self.verified.trusts(descriptor.digest, status)
        if use_record and self.verified.is_verified(descriptor.digest, status):
            # Another user may have made the mark, so check that this user can read the blob.
            folder = self.blob_folder(descriptor.digest)
            return folder is not None and folder.is_readable(descriptor.digest.hex)
        if use_record and self.verified.is_wrong(descriptor.digest, status):
            return False
        try:
            actual, _size = hash_stream(self.read_unverified(descriptor.digest), descriptor.digest.algorithm)
        except (FileNotFoundError, InputOutputError):
            return False
        if actual == descriptor.digest:
            self.verified.add(descriptor.digest, status)
        return actual == descriptor.digest

    def list_missing(self, blobs: t.Iterable[Descriptor], trust_others: bool = True) -> tuple[Descriptor, ...]:
        """Return those of BLOBS for which `has_blob` is false."""
        return tuple(blob for blob in blobs if not self.has_blob(blob, trust_others))

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """Return the verified bytes of a document, None if it is missing, unreadable, altered or of the wrong size."""
        status = self.blob_status(descriptor.digest)
        if status is None:
            self.require_named()
            return None
        if status.st_size != descriptor.size or status.st_size > MAX_DOCUMENT:
            return None
        try:
            path = self.blob_path(descriptor.digest)
            return descriptor.digest.check(read_open_bounded(self.open_unverified(descriptor.digest), path, MAX_DOCUMENT), path)
        except FileNotFoundError:
            self.require_named()
            return None
        except (InputOutputError, DigestMismatch):
            return None

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[memoryview]:
        """Yield the bytes of a blob in chunks; the caller must verify them. Raises StoreDamaged if it is missing or unreadable."""
        with self._raising_store_damaged(self.blob_path(descriptor.digest)):
            yield from self.read_unverified(descriptor.digest)

    def open_blob(self, descriptor: Descriptor) -> int:
        """Return a file descriptor of a blob, so that the kernel can copy it. Raises StoreDamaged if it is missing, unreadable or of the wrong size."""
        path = self.blob_path(descriptor.digest)
        with self._raising_store_damaged(path):
            opened = self.open_unverified(descriptor.digest)
        if os.fstat(opened).st_size != descriptor.size:
            os.close(opened)
            raise StoreDamaged(f"{path} has another size than its descriptor says; pull the image again")
        return opened

    # Images.

    def find_entry(self, selector: Reference | Digest) -> Entry | None:
        """Return the first entry that SELECTOR matches, None if there is none. A selector is a name, `repository@digest`, a digest or an image ID."""
        return next(iter(self.find_entries(selector)), None)

    def find_entries(self, selector: Reference | Digest) -> list[Entry]:
        """Return all entries that SELECTOR matches: several if a digest or an ID has several names."""
        return find_matching(self.index.find_candidates(selector), selector, self._image_ids)

    def select_for_removal(self, selector: RemovalSelector, *, force: bool = False) -> list[Entry]:
        """Return the entries that SELECTOR, which may also be a glob, selects for removal. Raises InUse for several names of an image, unless FORCE."""
        from ..oci.removal_matching import select_for_removal

        entries = self.index.entries if isinstance(selector, str) else self.index.find_candidates(selector)
        return select_for_removal(entries, selector, self._image_ids, force=force)

    def _image_ids(self, entry: Entry) -> set[Digest]:
        """Return the image IDs of all platforms of an image that are in the store. They are cached until the next reload."""
        if entry.digest not in self._ids:
            graph = self.read_graph(entry)
            self._ids[entry.digest] = {image.manifest.config.digest for image in graph.images} if graph is not None else set()
        return self._ids[entry.digest]

    def get_entry(self, selector: Reference | Digest) -> Entry:
        """Return the first entry that SELECTOR matches. Raises ImageNotFound with a message for the user."""
        entry = self.find_entry(selector)
        if entry is None:
            raise ImageNotFound(f"{selector} is not in the store {self.path}")
        return self.begin_reading(entry)

    def begin_reading(self, entry: Entry) -> Entry:
        """Return ENTRY, and remember that this run reads its image. If a blob is missing then, and the image too, another run has removed it."""
        self._being_read.append(entry)
        return entry

    def require_named(self, *entries: Entry) -> None:
        """Raise ImageNotFound if the index on disk no longer contains one of ENTRIES, or an image that this run reads.

        Call this before a missing blob counts as damage: a removal deletes the entry first and the blobs later (promise I6).
        """
        for entry in self.find_removed((*entries, *self._being_read)):
            raise ImageNotFound(f"{entry.label} was removed from the store {self.path} while this task read it")

    def find_removed(self, entries: t.Sequence[Entry]) -> list[Entry]:
        """Return those of ENTRIES whose image the index on disk no longer contains under any name."""
        if not entries:
            return []
        index = StoreIndex() if self._is_empty() else self._read_index()
        return [entry for entry in entries if not index.find_by_digest(entry.digest)]

    def read_graph(self, entry: Entry, choice: ChooseEntries = choose_all) -> Graph | None:
        """Return the part of an image that is in the store, None if the root document is missing or damaged."""
        try:
            return read_graph(entry.descriptor, entry.label, self.read_document, choice)
        except UnsupportedFormat:
            return None

    def inspect_graph(self, entry: Entry) -> GraphStatus:
        """Return the readable part of an image and its missing documents: those of its selected platforms, and those in the store that are damaged."""
        required: set[Digest] = set()

        def choose_all_and_collect_required(index: Index, what: str, where: IndexPosition) -> t.Sequence[Descriptor]:
            required.update(child.digest for child in choose_required(entry.selection, index, what, where))
            return index.manifests

        graph = self.read_graph(entry, choose_all_and_collect_required)
        if graph is None:
            return GraphStatus(None, (entry.descriptor,))
        return GraphStatus(graph, tuple(child for child in graph.absent if child.digest in required or self.entry_status(child.digest)))

    def find_missing_blobs(self, entry: Entry, trust_others: bool = True) -> list[Descriptor]:
        """Return the missing or damaged blobs of an image (promise I4).

        A complete image has its selected platforms, and all blobs of every other platform whose manifest is in the store. TRUST_OTHERS as in `has_blob`.
        """
        graph, missing = self.inspect_graph(entry)
        if graph is None:
            return [entry.descriptor]
        if not graph.images:
            return list(missing or graph.absent) or [entry.descriptor]
        return [*missing, *self.list_missing(graph.blobs, trust_others)]

    @contextlib.contextmanager
    def _raising_store_damaged(self, path: str) -> t.Iterator[None]:
        """Convert errors while the blob at PATH is read into StoreDamaged: its mark may say that it is good although it can't be read."""
        try:
            yield
        except FileNotFoundError as error:
            self.require_named()
            raise StoreDamaged(f"{path} is missing; pull the image again") from error
        except InputOutputError as error:
            raise StoreDamaged(f"{error}; repair the image with image_verify") from error
