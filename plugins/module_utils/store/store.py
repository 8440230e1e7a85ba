# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store for reading: an OCI image layout on disk (OCI image specification, image-layout.md). Nothing here writes; `writer` does."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import typing as t

from ..errors import DigestMismatch, ImageNotFound, InputOutputError, InvalidOption, InvalidReference, StoreDamaged, UnsupportedFormat
from ..files import naming_path_in_errors, open_below, read_open_bounded, read_open_chunks, require_writable
from ..folders import Folder
from ..limits import MAX_DOCUMENT
from ..oci.digest import ALGORITHMS, Digest, hash_stream
from ..oci.document import Document
from ..oci.graph import Choice, Graph, Position, choose_all, choose_promised, read_graph
from ..oci.layout import BLOBS, INDEX_FILE, LAYOUT_FILE
from ..oci.manifest import Descriptor, Index
from ..oci.matching import find_matching
from ..oci.reference import Reference
from .blob_origins import BlobOrigins
from .index import MAX_INDEX, Entry, StoreIndex
from .open_folders import PRIVATE, StoreFolders
from .verified import VerifiedBlobs

if t.TYPE_CHECKING:
    from .cache import Cache
    from .writer import Writer


class GraphStatus(t.NamedTuple):
    """The readable part of an image, None where not even its first document is, and the documents that it lacks."""

    graph: Graph | None
    lost: tuple[Descriptor, ...]


class Store:
    """Images on disk. A missing or empty folder is an empty store; a folder that holds anything else is refused."""

    def __init__(self, path: str, mode: int = 0o700, lock_timeout: float = 300) -> None:
        """Raises InvalidOption for a MODE that would let everybody write."""
        if mode & 0o002:
            raise InvalidOption(f"store_mode {mode:04o} would let everybody write to {path}; leave out the write permission for others")
        self.path = os.path.abspath(path)
        self.mode = mode
        self.lock_timeout = lock_timeout
        self.folders = StoreFolders(self.path)
        private_folder = functools.partial(self.folders.find, PRIVATE)
        self.verified = VerifiedBlobs(self.private_path("verified.json"), private_folder)
        self.blob_origins = BlobOrigins(self.private_path("whereabouts.json"), private_folder)
        self._index: StoreIndex | None = None
        self._ids: dict[Digest, set[Digest]] = {}

    def close(self) -> None:
        """Close the folders that were opened. A store that is used again opens them again."""
        self.folders.close()

    # Places, for messages and results; files are opened below open folders only. A path is built from digests and our own words alone (promise I13).

    def private_path(self, *names: str) -> str:
        return os.path.join(self.path, PRIVATE, *names)

    def blob_path(self, digest: Digest) -> str:
        return os.path.join(self.path, BLOBS, digest.algorithm, digest.hex)

    @property
    def index_path(self) -> str:
        return os.path.join(self.path, INDEX_FILE)

    @property
    def caches(self) -> list[Cache[t.Any]]:
        return [self.verified, self.blob_origins]

    @property
    def unsaved_caches(self) -> list[Cache[t.Any]]:
        """The records in which this run has noted what isn't on disk yet."""
        return [record for record in self.caches if record.is_unsaved]

    # The index.

    @property
    def index(self) -> StoreIndex:
        if self._index is None:
            self._index = self.reload()
        return self._index

    def reload(self) -> StoreIndex:
        """The index as it is on disk now. Raises StoreDamaged for one that is missing where there are blobs, or that isn't valid."""
        self._ids.clear()
        self._index = StoreIndex() if self._is_empty() else self._read_index()
        return self._index

    def _is_empty(self) -> bool:
        """Whether there is no store yet. Refuses folders that are no store, and stores of a version to come."""
        folder = self.folders.find()
        if folder is None:
            return True
        with naming_path_in_errors(self.path):
            names = set(folder.names())
        if INDEX_FILE in names:
            self._check_version(required=True)
            return False
        if self._has_blobs():
            raise StoreDamaged(
                f"{self.index_path} is missing, but there are blobs beside it: restore it from a backup, or move the store away to begin a new one"
            )
        strangers = names - {PRIVATE, LAYOUT_FILE, BLOBS}
        if strangers:
            raise UnsupportedFormat(f"{self.path} holds other files ({min(strangers)!r}) and is not an image store; give an empty folder or a store")
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
            return StoreIndex.parse(self._read_file(INDEX_FILE, MAX_INDEX), self.index_path)
        except FileNotFoundError as error:
            raise StoreDamaged(f"{self.index_path} went away while it was read") from error

    def open_writer(self, needed: t.Iterable[Digest]) -> Writer:
        """Leave to write for a run that needs these digests. A run that only reads doesn't load what writing takes."""
        from .writer import Writer

        return Writer(self, needed)

    def check_writable(self) -> None:
        """Raises InputOutputError where this user can't write to the store, or make it; nothing is written to find that out."""
        for names in ((), (PRIVATE,)):
            folder = self.folders.find(*names)
            if folder is not None:
                require_writable(folder.path, f"the store {self.path} can't be written")
        if not os.path.lexists(self.path):
            require_writable(_nearest(self.path), f"the store {self.path} can't be made")

    # Content.

    def stored(self) -> t.Iterator[Digest]:
        """Every digest under which there is a file, or whatever else. What is called otherwise isn't ours."""
        for algorithm in ALGORITHMS:
            folder = self.folders.find(BLOBS, algorithm)
            with naming_path_in_errors(os.path.join(self.path, BLOBS, algorithm)):
                for name in sorted(folder.names()) if folder is not None else ():
                    with contextlib.suppress(InvalidReference):
                        yield Digest(algorithm, name)

    def blob_folder(self, digest: Digest) -> Folder | None:
        """Return the open folder of a blob; None if it is missing. Raises StoreDamaged for a link in its place."""
        return self.folders.find(BLOBS, digest.algorithm)

    def entry_status(self, digest: Digest) -> os.stat_result | None:
        """Return the status of whatever is in the place of a blob; None if nothing is."""
        folder = self.blob_folder(digest)
        with naming_path_in_errors(self.blob_path(digest)):
            return folder.status(digest.hex) if folder is not None else None

    def blob_status(self, digest: Digest) -> os.stat_result | None:
        """What the file system says of a blob; None for one that is absent or no regular file."""
        status = self.entry_status(digest)
        return status if status is not None and stat.S_ISREG(status.st_mode) else None

    def open_unverified(self, digest: Digest) -> int:
        """Open a blob and return its descriptor. Raises FileNotFoundError, and InputOutputError for anything but a regular file."""
        return open_below(self.blob_folder(digest), digest.hex, self.blob_path(digest))

    def read_unverified(self, digest: Digest) -> t.Iterator[memoryview]:
        """Yield the content of a blob, unverified, in pieces of one buffer. Errors as in open_unverified."""
        yield from read_open_chunks(self.open_unverified(digest), self.blob_path(digest))

    def has_blob(self, descriptor: Descriptor, believes_others: bool = True) -> bool:
        """Whether the blob is here and known to be good: marked as hashed and untouched since, or hashed now (promise I8). What can't be read isn't.

        Unless BELIEVES_OTHERS, a mark that another user could have made doesn't count: so a blob is judged that is to be moved anywhere.
        """
        status = self.blob_status(descriptor.digest)
        if status is None or status.st_size != descriptor.size:
            return False
        is_believed = believes_others or self.verified.trusts(descriptor.digest, status)
        if is_believed and self.verified.knows(descriptor.digest, status):
            # The mark may be another user's.
            folder = self.blob_folder(descriptor.digest)
            return folder is not None and folder.is_readable(descriptor.digest.hex)
        if is_believed and self.verified.rejects(descriptor.digest, status):
            return False
        try:
            found, _size = hash_stream(self.read_unverified(descriptor.digest), descriptor.digest.algorithm)
        except (FileNotFoundError, InputOutputError):
            return False
        if found == descriptor.digest:
            self.verified.add(descriptor.digest, status)
        return found == descriptor.digest

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """The bytes of a document, hashed; None where it is absent, unreadable, of the wrong size or altered."""
        status = self.blob_status(descriptor.digest)
        if status is None or status.st_size != descriptor.size or status.st_size > MAX_DOCUMENT:
            return None
        try:
            path = self.blob_path(descriptor.digest)
            return descriptor.digest.check(read_open_bounded(self.open_unverified(descriptor.digest), path, MAX_DOCUMENT), path)
        except (FileNotFoundError, InputOutputError, DigestMismatch):
            return None

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[memoryview]:
        """The bytes of a blob in pieces, for a reader that verifies them. Raises StoreDamaged for one that is absent or can't be read."""
        with _telling_damage(self.blob_path(descriptor.digest)):
            yield from self.read_unverified(descriptor.digest)

    def open_blob(self, descriptor: Descriptor) -> int:
        """A blob as a file descriptor, for a copy that the kernel makes. Raises StoreDamaged for one that is absent, can't be read or has another size."""
        path = self.blob_path(descriptor.digest)
        with _telling_damage(path):
            opened = self.open_unverified(descriptor.digest)
        if os.fstat(opened).st_size != descriptor.size:
            os.close(opened)
            raise StoreDamaged(f"{path} has another size than its descriptor says; pull the image again")
        return opened

    # Images.

    def find_entry(self, selector: Reference | Digest) -> Entry | None:
        """The entry of a name, of `repository@digest`, or of a digest or image ID."""
        return next(iter(self.find_entries(selector)), None)

    def find_entries(self, selector: Reference | Digest) -> list[Entry]:
        """All entries that SELECTOR means: several where a digest or an ID has several names."""
        return find_matching(self.index.entries, selector, self._image_ids)

    def _image_ids(self, entry: Entry) -> set[Digest]:
        """The IDs of what is here of an image, which is read once for all that are asked for."""
        if entry.digest not in self._ids:
            graph = self.read_graph(entry)
            self._ids[entry.digest] = {image.manifest.config.digest for image in graph.images} if graph is not None else set()
        return self._ids[entry.digest]

    def get_entry(self, selector: Reference | Digest) -> Entry:
        """As find, but raises ImageNotFound with the sentence that the user reads."""
        entry = self.find_entry(selector)
        if entry is None:
            raise ImageNotFound(f"{selector} is not in the store {self.path}")
        return entry

    def read_graph(self, entry: Entry, choice: Choice = choose_all) -> Graph | None:
        """All of an image that is here; None where not even its first document is, or is damaged."""
        try:
            return read_graph(entry.descriptor, entry.label, self.read_document, choice)
        except UnsupportedFormat:
            return None

    def inspect_graph(self, entry: Entry) -> GraphStatus:
        """What can be read of an image, and which documents it lacks of what it promises: those of its wanted platforms, and what is here but damaged."""
        promised: set[Digest] = set()

        def every_child_noting_the_wanted(index: Index, what: str, where: Position) -> t.Sequence[Descriptor]:
            promised.update(child.digest for child in choose_promised(entry.selection, index, what, where))
            return index.manifests

        graph = self.read_graph(entry, every_child_noting_the_wanted)
        if graph is None:
            return GraphStatus(None, (entry.descriptor,))
        return GraphStatus(graph, tuple(child for child in graph.absent if child.digest in promised or self.entry_status(child.digest)))

    def find_missing_blobs(self, entry: Entry, believes_others: bool = True) -> list[Descriptor]:
        """What an image lacks of what it promises: its wanted platforms, and all of every child whose manifest is here (promise I4). Blobs as in `has`."""
        graph, lost = self.inspect_graph(entry)
        if graph is None:
            return [entry.descriptor]
        if not graph.images:
            return list(lost or graph.absent) or [entry.descriptor]
        return [*lost, *(blob for blob in graph.blobs if not self.has_blob(blob, believes_others))]

    def get_complete_entry(self, selector: Reference | Digest, believes_others: bool = False) -> Entry:
        """As resolve, but raises StoreDamaged for an image of which something is lost or altered: it must not be copied anywhere. Blobs as in `has`."""
        entry = self.get_entry(selector)
        self.check_complete(entry, believes_others)
        return entry

    def check_complete(self, entry: Entry, believes_others: bool = True) -> None:
        """Raises StoreDamaged for an image of which something is lost. Blobs as in `has`."""
        lost = self.find_missing_blobs(entry, believes_others)
        if lost:
            from .blob_check import check_blob

            word = check_blob(self, lost[0].digest, lost[0].size) or "missing or altered"
            raise StoreDamaged(f"{entry.label} is damaged in {self.path}: {lost[0].digest} is {word}; pull it again to repair it")


def _nearest(path: str) -> str:
    """The folder in which the first of the folders down to PATH lacks."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


@contextlib.contextmanager
def _telling_damage(path: str) -> t.Iterator[None]:
    """Turns what keeps the blob at PATH from being read into damage. It may be marked as good, and count as such until it is verified."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreDamaged(f"{path} is missing; pull the image again") from error
    except InputOutputError as error:
        raise StoreDamaged(f"{error}; mend the image with image_verify") from error
