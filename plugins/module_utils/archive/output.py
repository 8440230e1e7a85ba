# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write archives to a file or a folder, which is the old or the new archive at every instant."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import sys
import typing as t

from ..atomic_files import FilePlace, folder_mode, is_temporary_name, new_file
from ..errors import CorruptArchive, InputOutputError, UnsupportedFormat
from ..files import CHUNK, EARLY, FileWriter, naming_path_in_errors, preallocate, read_descriptor, read_open_chunks, start_writeback, wait_for_lock
from ..folders import Folder, make_path, open_parent
from ..oci.digest import hash_stream
from ..oci.layout import BLOBS, INDEX_FILE, LAYOUT_FILE
from ..oci.manifest import Descriptor
from ..streams import ChunkReader
from .compression import compress, decompress, detect_compression
from .format import PAGE, ArchiveFile, Piece, count_bytes, read_pieces

_UNSUPPORTED = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
_KIND_BYTES = 6  # bytes by which a compression is recognised
_CLONE_RANGE = 0x4020940D  # FICLONERANGE of linux/fs.h

OpenFile = t.Callable[[Descriptor], int]
Read = t.Callable[[Descriptor], t.Iterable[t.Union[bytes, memoryview]]]


ReportBytes = t.Callable[[int], None]


def _ignore_bytes(_count: int) -> None:
    """Ignore the number of bytes written."""


class Output(t.Protocol):
    """A place for one archive."""

    path: str

    def difference(self) -> str | None:
        """Return why the archive must be written, None if it already exists with exactly these bytes."""

    def write(self, open_file: OpenFile, report_bytes: ReportBytes = _ignore_bytes) -> None:
        """Write the archive, with blobs from the descriptors that OPEN_FILE opens. If this fails, the old archive is kept.

        Calls REPORT_BYTES with the number of bytes read after each piece.
        """

    def final_size(self, is_written: bool) -> int | None:
        """Bytes of the archive; None for one that is compressed and not written yet."""

    def checksum(self, is_written: bool, read: Read) -> str | None:
        """The sha256 checksum of the file in hex, of what READ gives of blobs where it isn't written yet; None where that can't be known."""


class FileOutput:
    """A tar, compressed or not."""

    def __init__(self, path: str, pieces: t.Sequence[Piece], compression: str | None, mode: int) -> None:
        self.path = path
        self.pieces = pieces
        self.mode = mode
        self._compression = compression

    @property
    def size(self) -> int:
        """Bytes of the tar before it is compressed."""
        return count_bytes(self.pieces)

    def final_size(self, is_written: bool) -> int | None:
        if self._compression is None:
            return self.size
        if not is_written:
            return None
        with FilePlace(self.path) as place:
            status = place.status()
        return status.st_size if status is not None else None

    def checksum(self, is_written: bool, read: Read) -> str | None:
        if is_written:
            with FilePlace(self.path) as place, naming_path_in_errors(self.path):
                return hash_stream(read_descriptor(place.open()))[0].hex
        return hash_stream(read_pieces(self.pieces, read))[0].hex if self._compression is None else None

    def difference(self) -> str | None:
        if self.path.endswith("/"):
            raise UnsupportedFormat(f"{self.path} is the name of a folder, and can't be that of an archive")
        with FilePlace(self.path) as place:
            reason = self._difference(place)
            if reason is not None:
                place.require_writable()
        return reason

    def _difference(self, place: FilePlace) -> str | None:
        """Compares with what is there, by content: what a file is called, and when it was written, says nothing."""
        status, stranger = place.status(), place.planted_by()
        if status is None:
            return "there is no such file yet"
        if not stat.S_ISREG(status.st_mode):
            raise UnsupportedFormat(f"{self.path} is no regular file, and can't be replaced by an archive")
        if stranger is not None:
            return f"the file belongs to another user (uid {stranger}), who could change it"
        if self._compression is None and status.st_size != self.size:
            return f"the file has {status.st_size} bytes, and the archive has {self.size}"
        with naming_path_in_errors(self.path):
            descriptor = place.open()
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
        """Blobs are compared by their digests, so that the store's own aren't read."""
        source = ChunkReader(chunks)
        for piece in self.pieces:
            offset = source.offset
            if not _is_piece(piece, source):
                return f"its content differs after byte {offset}"
        return None if next(source.take(1), None) is None else "the file goes on after the archive's end"

    def write(self, open_file: OpenFile, report_bytes: ReportBytes = _ignore_bytes) -> None:
        with FilePlace(self.path) as place, place.new_file(self.mode) as file:
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
            offset += _put(piece, file, offset, open_file, report_bytes)


class FolderOutput:
    """An image layout in a separate folder. Files that aren't the archive's are removed, but never from a folder that is no layout.

    Files get the read and write bits of MODE; folders can be entered by all who may read the files.
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
        """A folder has none."""
        return None

    def difference(self) -> str | None:
        folder = self._open()
        if folder is None:
            return "there is no such folder yet"
        with folder:
            reason = self._difference(folder)
            if reason is not None and not os.access(".", os.W_OK | os.X_OK, dir_fd=folder.descriptor):
                raise InputOutputError(f"{self.path} can't be written: the folder is read-only, or denied to this user")
        return reason

    def _open(self) -> Folder | None:
        """Open the folder, None if it is missing. Raises UnsupportedFormat for what is no folder, InputOutputError for one that a stranger planted."""
        with naming_path_in_errors(self.path):
            try:
                parent, name = open_parent(self.path)
            except FileNotFoundError:
                return None
            with parent:
                if name and parent.status(name) is None:
                    return None
                try:
                    folder = parent.open_folder(name) if name else parent.listable()
                except NotADirectoryError as error:
                    raise UnsupportedFormat(f"{self.path} is no folder, and can't be replaced by an image layout") from error
                folder.path = self.path
                if name:
                    _refuse_planted(parent, folder)
                return folder

    def _difference(self, folder: Folder) -> str | None:
        self._refuse_strangers(folder)
        for file in self._files:
            if not self._is_there(folder, file):
                return f"{file.name} is missing or differs"
        stray = self._stray(folder)
        return f"{stray[0]} does not belong to it" if stray else None

    def _refuse_strangers(self, folder: Folder) -> None:
        with naming_path_in_errors(self.path):
            strangers = {name for name in folder.names() if not is_temporary_name(name)} - {BLOBS, INDEX_FILE, LAYOUT_FILE}
            if strangers:
                raise UnsupportedFormat(f"{self.path} holds other files ({min(strangers)!r}) and is no image layout")
            # Following a link here would read, delete and create files of the folder that it leads to.
            inner = {os.path.dirname(file.name) for file in self._files} - {""}
            for name in sorted({BLOBS, *inner}):
                with contextlib.suppress(FileNotFoundError), folder.parent_of(name) as (parent, last):
                    status = parent.status(last)
                    if status is not None and not stat.S_ISDIR(status.st_mode):
                        raise UnsupportedFormat(f"{parent.path_of(last)} is no folder, and links inside an image layout are not followed")

    def _is_there(self, folder: Folder, file: ArchiveFile) -> bool:
        path = folder.path_of(file.name)
        try:
            with naming_path_in_errors(path), folder.parent_of(file.name) as (parent, name):
                status = parent.status(name)
                if status is None or status.st_size != file.size:
                    return False
                chunks = read_open_chunks(parent.open_file(name), path)
                if isinstance(file.content, bytes):
                    return b"".join(bytes(chunk) for chunk in chunks) == file.content
                return _is_blob(file.content, chunks)
        except InputOutputError:
            return False

    def _stray(self, folder: Folder) -> list[str]:
        """Return what doesn't belong below `blobs`, and what dead writers left: all that is no folder, links too."""
        wanted = {file.name for file in self._files}
        found = [name for name, _parent in self._inner_files(folder)]
        return sorted(set(found) - wanted)

    def _inner_files(self, folder: Folder) -> t.Iterator[tuple[str, Folder]]:
        """Yield the names, as the archive has them, of what is no folder, each with the folder that it is in."""
        with naming_path_in_errors(self.path):
            for name in folder.names():
                if is_temporary_name(name):
                    yield name, folder
            with contextlib.suppress(FileNotFoundError), folder.open_folder(BLOBS) as blobs:
                for parent, name, status in blobs.walk():
                    if not stat.S_ISDIR(status.st_mode):
                        yield os.path.relpath(parent.path_of(name), self.path), parent

    def write(self, open_file: OpenFile, report_bytes: ReportBytes = _ignore_bytes) -> None:
        """Blobs first, the index last, and what the new index doesn't need goes after it. Writers to one folder wait for each other."""
        make_path(self.path, self._folder_mode).close()
        folder = self._open()
        if folder is None:
            raise InputOutputError(f"{self.path} was removed by another program")
        with folder:
            self._lock(folder)
            self._refuse_strangers(folder)
            self._write(folder, open_file, report_bytes)

    def _lock(self, folder: Folder) -> None:
        """Lock the folder until it is closed. Raises LockTimeout."""
        with naming_path_in_errors(self.path):
            try:
                wait_for_lock(folder.descriptor, self.path, self._lock_timeout)
            except OSError as error:
                # NFS locks only what is open for writing, which a folder never is: there one writer at a time is the user's care.
                if error.errno != errno.EBADF:
                    raise

    def _write(self, folder: Folder, open_file: OpenFile, report_bytes: ReportBytes) -> None:
        for file in sorted(self._files, key=lambda file: file.name == INDEX_FILE):
            if not self._is_there(folder, file):
                self._write_file(folder, file, open_file, report_bytes)
        wanted = {file.name for file in self._files}
        for stray, parent in self._inner_files(folder):
            if stray not in wanted:
                parent.unlink(os.path.basename(stray))

    def _write_file(self, folder: Folder, file: ArchiveFile, open_file: OpenFile, report_bytes: ReportBytes) -> None:
        path = folder.path_of(file.name)
        with contextlib.ExitStack() as stack:
            *folders, name = file.name.split("/")
            parent = folder
            with naming_path_in_errors(path):
                for part in folders:
                    parent = stack.enter_context(parent.make_folder(part, self._folder_mode))
            private = stack.enter_context(new_file(parent, name, self._mode, path))
            _put(file.content, private, 0, open_file, report_bytes)
            private.publish()


def _refuse_planted(parent: Folder, folder: Folder) -> None:
    """In a folder like /tmp anybody could make a folder under a name that root is going to use, and then change what root writes there."""
    above, own = parent.own_status(), folder.own_status()
    if above.st_mode & stat.S_IWOTH and own.st_uid not in (0, os.geteuid(), above.st_uid):
        folder.close()
        raise InputOutputError(f"{folder.path} belongs to another user (uid {own.st_uid}), and anybody may make folders in {parent.path}")


def _is_piece(piece: Piece, source: ChunkReader) -> bool:
    if isinstance(piece, bytes):
        return b"".join(source.take(len(piece))) == piece
    return _is_blob(piece, source.take(piece.size))


def _is_blob(descriptor: Descriptor, chunks: t.Iterable[bytes | memoryview]) -> bool:
    found, size = hash_stream(chunks, descriptor.digest.algorithm)
    return found == descriptor.digest and size == descriptor.size


def _read_and_report(descriptor: int, report_bytes: ReportBytes) -> t.Iterator[bytes]:
    for chunk in read_descriptor(descriptor):
        yield chunk
        report_bytes(len(chunk))


def _put(content: Piece, file: FileWriter, offset: int, open_file: OpenFile, report_bytes: ReportBytes) -> int:
    """Writes bytes, or copies a blob, to FILE, which ends at OFFSET. Returns how many bytes that were."""
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


def copy_content(source: int, target: int, size: int, offset: int, report_bytes: ReportBytes = _ignore_bytes) -> None:
    """Copies SIZE bytes from the beginning of one file to the end of another, which is at OFFSET: shared where the file system can, else inside the kernel."""
    done = _share(source, target, size, offset)
    report_bytes(done)
    if size - done >= EARLY:
        preallocate(target, offset + done, size - done)
    os.lseek(source, done, os.SEEK_SET)
    os.lseek(target, offset + done, os.SEEK_SET)
    while done < size:
        count = _copy_some(source, target, min(size - done, EARLY))
        if not count:
            raise InputOutputError("a blob became shorter while it was copied")
        if count == EARLY:
            start_writeback(target, offset + done, count)
        report_bytes(count)
        done += count


def _share(source: int, target: int, size: int, offset: int) -> int:
    """How many bytes are shared between the two files now, as reflinks: whole pages, or none where the file system can't."""
    whole = size - size % PAGE
    if not whole or offset % PAGE:
        return 0
    try:
        fcntl.ioctl(target, _CLONE_RANGE, struct.pack("qQQQ", source, 0, whole, offset))
    except OSError:
        return 0
    return whole


def _copy_some(source: int, target: int, size: int) -> int:
    """Inside the kernel where it can: within a file system, else between two. A full disk is told, anything else means that it can't for these two files."""
    methods: list[t.Callable[[], int]] = []
    if hasattr(os, "copy_file_range"):
        methods.append(lambda: os.copy_file_range(source, target, size))
    if sys.platform == "linux":
        methods.append(lambda: os.sendfile(target, source, None, size))
    for method in methods:
        try:
            return method()
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    data = memoryview(os.read(source, min(size, CHUNK)))
    rest = data
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(data)
