# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write archives to a file or a folder, and replace an old archive atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..atomic_files import FileTarget, create_replacement, folder_mode, is_temporary_name
from ..errors import CorruptArchive, DiskFull, InputOutputError, UnsupportedFormat
from ..files import (
    FileWriter,
    naming_path_in_errors,
    read_descriptor,
    read_open_chunks,
    wait_for_lock,
)
from ..folders import Folder, make_path, open_parent
from ..oci.digest import hash_stream
from ..oci.layout import BLOBS, INDEX_FILE, LAYOUT_FILE
from ..oci.manifest import Descriptor
from ..streams import ChunkReader
from .compression import compress, decompress, detect_compression
from .copying import ReportBytes, copy_content, ignore_bytes
from .format import ArchiveFile, Piece, count_bytes, read_pieces

_KIND_BYTES = 6  # bytes by which a compression is recognised

OpenFile = t.Callable[[Descriptor], int]
Read = t.Callable[[Descriptor], t.Iterable[t.Union[bytes, memoryview]]]


class Output(t.Protocol):
    """The target of one archive: a file or a folder."""

    path: str

    def difference(self) -> str | None:
        """Return the reason why the archive must be written, or None if it already exists with exactly these bytes."""

    def write(self, open_file: OpenFile, report_bytes: ReportBytes = ignore_bytes) -> None:
        """Write the archive, with blobs from the descriptors that OPEN_FILE opens. If this fails, the old archive is kept.

        Calls REPORT_BYTES with the number of bytes read after each piece.
        """

    def final_size(self, is_written: bool) -> int | None:
        """Return the size of the archive in bytes, or None if it is compressed and not written yet."""

    def checksum(self, is_written: bool, read: Read) -> str | None:
        """Return the sha256 checksum of the file in hex, or None if it is unknown. Before the file is written, READ returns the bytes of its blobs."""


class FileOutput:
    """The tar file of an archive, compressed or not."""

    def __init__(self, path: str, pieces: t.Sequence[Piece], compression: str | None, mode: int) -> None:
        self.path = path
        self.pieces = pieces
        self.mode = mode
        self._compression = compression

    @property
    def is_compressed(self) -> bool:
        return self._compression is not None

    @property
    def size(self) -> int:
        """Return the size of the uncompressed tar in bytes."""
        return count_bytes(self.pieces)

    def final_size(self, is_written: bool) -> int | None:
        if self._compression is None:
            return self.size
        if not is_written:
            return None
        with FileTarget(self.path) as target:
            status = target.status()
        return status.st_size if status is not None else None

    def checksum(self, is_written: bool, read: Read) -> str | None:
        if is_written:
            with FileTarget(self.path) as target, naming_path_in_errors(self.path):
                return hash_stream(read_descriptor(target.open()))[0].hex
        return hash_stream(read_pieces(self.pieces, read))[0].hex if self._compression is None else None

    def difference(self) -> str | None:
        if self.path.endswith("/"):
            raise UnsupportedFormat(f"{self.path} is the name of a folder, and can't be that of an archive")
        with FileTarget(self.path) as target:
            reason = self._find_difference(target)
            if reason is not None:
                target.require_writable()
        return reason

    def _find_difference(self, target: FileTarget) -> str | None:
        """Return how the existing file differs. Only the content counts, not the name or the time."""
        status, stranger = target.status(), target.find_stranger()
        if status is None:
            return "there is no such file yet"
        if not stat.S_ISREG(status.st_mode):
            raise UnsupportedFormat(f"{self.path} is no regular file, and can't be replaced by an archive")
        if stranger is not None:
            return f"the file belongs to another user (uid {stranger}), who could change it"
        if self._compression is None and status.st_size != self.size:
            return f"the file has {status.st_size} bytes, and the archive has {self.size}"
        with naming_path_in_errors(self.path):
            descriptor = target.open()
            kind = detect_compression(os.pread(descriptor, _KIND_BYTES, 0))
        if kind != self._compression:
            os.close(descriptor)
            return f"the file is {f'compressed with {kind}' if kind else 'not compressed'}"
        chunks = read_descriptor(descriptor)
        try:
            return self._compare(decompress(chunks, kind, self.path) if kind is not None else chunks)
        except CorruptArchive:
            return "the file is damaged"

    def _compare(self, chunks: t.Iterator[bytes]) -> str | None:
        """Return how CHUNKS differ from the archive. Blobs are compared by digest, so the blobs of the store are not read."""
        source = ChunkReader(chunks)
        for piece in self.pieces:
            offset = source.offset
            if not _matches_piece(piece, source):
                return f"its content differs after byte {offset}"
        return None if next(source.take(1), None) is None else "the file continues after the end of the archive"

    def write(self, open_file: OpenFile, report_bytes: ReportBytes = ignore_bytes) -> None:
        needed = self.size if self._compression is None else 0  # how well it compresses isn't known
        with _describing_full_disk(self.path, needed), FileTarget(self.path) as target, target.create_replacement(self.mode) as file:
            if self._compression is None:
                self._write_plain(file, open_file, report_bytes)
            else:
                for chunk in compress(
                    read_pieces(self.pieces, lambda blob: _read_and_report(open_file(blob), report_bytes)), self._compression, self.path
                ):
                    file.write(chunk)
            file.publish()

    def _write_plain(self, file: FileWriter, open_file: OpenFile, report_bytes: ReportBytes) -> None:
        offset = 0
        for piece in self.pieces:
            offset += _append(piece, file, offset, open_file, report_bytes)


class FolderOutput:
    """An image layout in a separate folder. Files that don't belong to the archive are deleted, but never from a folder that is not a layout.

    Files get the read and write bits of MODE; everybody who can read the files can enter the folders.
    """

    def __init__(self, path: str, files: t.Sequence[ArchiveFile], mode: int, lock_timeout: float = 300) -> None:
        self.path = path
        self._files = files
        self._mode = mode & 0o666
        self._folder_mode = folder_mode(mode)
        self._lock_timeout = lock_timeout

    @property
    def size(self) -> int:
        return sum(file.size for file in self._files)

    def final_size(self, unused_is_written: bool) -> int | None:
        return self.size

    def checksum(self, unused_is_written: bool, unused_read: Read) -> str | None:
        """Return None: a folder has no checksum."""
        return None

    def difference(self) -> str | None:
        folder = self._open()
        if folder is None:
            return "there is no such folder yet"
        with folder:
            reason = self._find_difference(folder)
            if reason is not None and not os.access(".", os.W_OK | os.X_OK, dir_fd=folder.descriptor):
                raise InputOutputError(f"{self.path} can't be written: the folder is read-only, or denied to this user")
        return reason

    def _open(self) -> Folder | None:
        """Return the open folder, or None if it is missing.

        Raises UnsupportedFormat if it is not a folder, InputOutputError if another user may have created it to attack us.
        """
        with naming_path_in_errors(self.path):
            try:
                parent, name = open_parent(self.path)
            except FileNotFoundError:
                return None
            with parent:
                if name and parent.status(name) is None:
                    return None
                try:
                    folder = parent.open_folder(name) if name else parent.reopen_for_listing()
                except NotADirectoryError as error:
                    raise UnsupportedFormat(f"{self.path} is no folder, and can't be replaced by an image layout") from error
                folder.path = self.path
                if name:
                    _refuse_folder_of_stranger(parent, folder)
                return folder

    def _find_difference(self, folder: Folder) -> str | None:
        self._refuse_strangers(folder)
        for file in self._files:
            if not self._has_file(folder, file):
                return f"{file.name} is missing or differs"
        stray = self._find_stray_files(folder)
        return f"{stray[0]} does not belong to it" if stray else None

    def _refuse_strangers(self, folder: Folder) -> None:
        with naming_path_in_errors(self.path):
            strangers = {name for name in folder.list_names() if not is_temporary_name(name)} - {BLOBS, INDEX_FILE, LAYOUT_FILE}
            if strangers:
                raise UnsupportedFormat(f"{self.path} holds other files ({min(strangers)!r}) and is no image layout")
            # Following a link would read, delete and create files in the folder that it leads to.
            inner = {os.path.dirname(file.name) for file in self._files} - {""}
            for name in sorted({BLOBS, *inner}):
                with contextlib.suppress(FileNotFoundError), folder.parent_of(name) as (parent, last):
                    status = parent.status(last)
                    if status is not None and not stat.S_ISDIR(status.st_mode):
                        raise UnsupportedFormat(f"{parent.path_of(last)} is no folder, and links inside an image layout are not followed")

    def _has_file(self, folder: Folder, file: ArchiveFile) -> bool:
        """Return True if FOLDER has FILE with the right content."""
        path = folder.path_of(file.name)
        try:
            with naming_path_in_errors(path), folder.parent_of(file.name) as (parent, name):
                status = parent.status(name)
                if status is None or status.st_size != file.size:
                    return False
                chunks = read_open_chunks(parent.open_file(name), path)
                if isinstance(file.content, bytes):
                    return b"".join(bytes(chunk) for chunk in chunks) == file.content
                return _matches_blob(file.content, chunks)
        except InputOutputError:
            return False

    def _find_stray_files(self, folder: Folder) -> list[str]:
        """Return the names of files and links that don't belong to the archive below `blobs`, and of leftovers of killed runs."""
        wanted = {file.name for file in self._files}
        found = [name for name, _parent in self._list_files(folder)]
        return sorted(set(found) - wanted)

    def _list_files(self, folder: Folder) -> t.Iterator[tuple[str, Folder]]:
        """Yield the archive name and the folder of each blob, other entry below `blobs` that is not a folder, and temporary file."""
        with naming_path_in_errors(self.path):
            for name in folder.list_names():
                if is_temporary_name(name):
                    yield name, folder
            with contextlib.suppress(FileNotFoundError), folder.open_folder(BLOBS) as blobs:
                for parent, name, status in blobs.walk():
                    if not stat.S_ISDIR(status.st_mode):
                        yield os.path.relpath(parent.path_of(name), self.path), parent

    def write(self, open_file: OpenFile, report_bytes: ReportBytes = ignore_bytes) -> None:
        """Write blobs first and the index last, then delete the files that the new index doesn't need. Writers to one folder wait for each other."""
        make_path(self.path, self._folder_mode).close()
        folder = self._open()
        if folder is None:
            raise InputOutputError(f"{self.path} was removed by another program")
        with folder, _describing_full_disk(self.path, 0):
            self._lock(folder)
            self._refuse_strangers(folder)
            self._write(folder, open_file, report_bytes)

    def _lock(self, folder: Folder) -> None:
        """Lock the folder until it is closed. Raises LockTimeout."""
        with naming_path_in_errors(self.path):
            try:
                wait_for_lock(folder.descriptor, self.path, self._lock_timeout)
            except OSError as error:
                # NFS locks only files that are open for writing, which a folder never is. On NFS the user must run one writer at a time.
                if error.errno != errno.EBADF:
                    raise

    def _write(self, folder: Folder, open_file: OpenFile, report_bytes: ReportBytes) -> None:
        for file in sorted(self._files, key=lambda file: file.name == INDEX_FILE):
            if not self._has_file(folder, file):
                self._write_file(folder, file, open_file, report_bytes)
        wanted = {file.name for file in self._files}
        for stray, parent in self._list_files(folder):
            if stray not in wanted:
                with naming_path_in_errors(parent.path):  # another user can replace the file by a folder
                    parent.unlink(os.path.basename(stray))

    def _write_file(self, folder: Folder, file: ArchiveFile, open_file: OpenFile, report_bytes: ReportBytes) -> None:
        path = folder.path_of(file.name)
        with contextlib.ExitStack() as stack:
            *folders, name = file.name.split("/")
            parent = folder
            with naming_path_in_errors(path):
                for part in folders:
                    parent = stack.enter_context(parent.make_folder(part, self._folder_mode))
            new_file = stack.enter_context(create_replacement(parent, name, self._mode, path))
            _append(file.content, new_file, 0, open_file, report_bytes)
            new_file.publish()


@contextlib.contextmanager
def _describing_full_disk(path: str, needed: int) -> t.Iterator[None]:
    """Add to a DiskFull that PATH needs NEEDED bytes, and how much is free after the temporary file was deleted."""
    try:
        yield
    except DiskFull as error:
        raise error.at(path, needed) from error


def _refuse_folder_of_stranger(parent: Folder, folder: Folder) -> None:
    """Raise InputOutputError for a folder of another user in a folder like /tmp.

    Any user could create a folder there with the name that root is going to use, and then change the files that root writes.
    """
    above, own = parent.own_status(), folder.own_status()
    if above.st_mode & stat.S_IWOTH and own.st_uid not in (0, os.geteuid(), above.st_uid):
        folder.close()
        raise InputOutputError(f"{folder.path} belongs to another user (uid {own.st_uid}), and anybody may make folders in {parent.path}")


def _matches_piece(piece: Piece, source: ChunkReader) -> bool:
    if isinstance(piece, bytes):
        return b"".join(source.take(len(piece))) == piece
    return _matches_blob(piece, source.take(piece.size))


def _matches_blob(descriptor: Descriptor, chunks: t.Iterable[bytes | memoryview]) -> bool:
    found, size = hash_stream(chunks, descriptor.digest.algorithm)
    return found == descriptor.digest and size == descriptor.size


def _read_and_report(descriptor: int, report_bytes: ReportBytes) -> t.Iterator[bytes]:
    for chunk in read_descriptor(descriptor):
        yield chunk
        report_bytes(len(chunk))


def _append(content: Piece, file: FileWriter, offset: int, open_file: OpenFile, report_bytes: ReportBytes) -> int:
    """Append bytes or a blob to FILE, whose size is OFFSET. Return the number of bytes written."""
    if isinstance(content, bytes):
        file.write(content)
        return len(content)
    descriptor = open_file(content)
    try:
        with naming_path_in_errors(file.display_path):
            copy_content(descriptor, file.fileno(), content.size, offset, report_bytes)
    finally:
        os.close(descriptor)
    return content.size
