# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an archive is written: a file or a folder, that is the old or the new archive at every instant."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
import typing as t

from ..errors import CorruptArchive, InputOutputError, UnsupportedFormat
from ..files import (
    CHUNK,
    EARLY,
    PrivateFile,
    begin_writing,
    beside,
    folder_mode,
    is_private,
    make_folder,
    read_chunks,
    read_descriptor,
    read_file,
    reporting,
    require_folder,
    reserve,
    sync_folder,
    wait_for_lock,
)
from ..oci.digest import hash_stream
from ..oci.manifest import Descriptor
from ..streams import Taker
from .compression import compressed, expanded, kind_of
from .writing import PAGE, ArchiveFile, Piece, chunks_of, pieces_size

_CANNOT = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
_CLONE_RANGE = 0x4020940D  # FICLONERANGE of linux/fs.h

OpenFile = t.Callable[[Descriptor], int]
Read = t.Callable[[Descriptor], t.Iterable[t.Union[bytes, memoryview]]]


Moved = t.Callable[[int], None]


def _unwatched(_count: int) -> None:
    """Nobody wants to know how many bytes were written."""


class Target(t.Protocol):
    """A place for one archive."""

    path: str

    def difference(self) -> str | None:
        """Why the archive has to be written; None where it is there already, to the byte."""

    def write(self, open_file: OpenFile, moved: Moved = _unwatched) -> None:
        """Writes the archive, with blobs from the descriptors that OPEN_FILE opens. Where it fails the old archive is still there.

        MOVED is told how many bytes of them were read, as it goes.
        """

    def final_size(self, is_written: bool) -> int | None:
        """Bytes of the archive; None for one that is compressed and not written yet."""

    def checksum(self, is_written: bool, read: Read) -> str | None:
        """The sha256 checksum of the file in hex, of what READ gives of blobs where it isn't written yet; None where that can't be known."""


class FileTarget:
    """A tar, compressed or not."""

    def __init__(self, path: str, pieces: t.Sequence[Piece], compression: str | None, mode: int) -> None:
        self.path = path
        self.pieces = pieces
        self.mode = mode
        self._compression = compression

    @property
    def size(self) -> int:
        """Bytes of the tar before it is compressed."""
        return pieces_size(self.pieces)

    def final_size(self, is_written: bool) -> int | None:
        if self._compression is None:
            return self.size
        return os.stat(self.path).st_size if is_written else None

    def checksum(self, is_written: bool, read: Read) -> str | None:
        if is_written:
            return hash_stream(read_file(self.path))[0].hex
        return hash_stream(chunks_of(self.pieces, read))[0].hex if self._compression is None else None

    def difference(self) -> str | None:
        reason = self._difference()
        if reason is not None:
            require_folder(self.path)
        return reason

    def _difference(self) -> str | None:
        """Compares with what is there, by content: what a file is called, and when it was written, says nothing."""
        if self.path.endswith("/"):
            raise UnsupportedFormat(f"{self.path} is the name of a folder, and can't be that of an archive")
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return "there is no such file yet"
        if not os.path.isfile(self.path):
            raise UnsupportedFormat(f"{self.path} is no regular file, and can't be replaced by an archive")
        if self._compression is None and status.st_size != self.size:
            return f"the file has {status.st_size} bytes, and the archive has {self.size}"
        kind = kind_of(next(read_file(self.path), b""))
        if kind != self._compression:
            return f"the file is {f'compressed with {kind}' if kind else 'not compressed'}"
        chunks: t.Iterator[bytes] = read_file(self.path)
        try:
            return self._compare(expanded(chunks, kind, self.path) if kind is not None else chunks)
        except CorruptArchive:
            return "the file is damaged"

    def _compare(self, chunks: t.Iterator[bytes]) -> str | None:
        """Blobs are compared by their digests, so that the store's own aren't read."""
        source = Taker(chunks)
        for piece in self.pieces:
            offset = source.offset
            if not _is_piece(piece, source):
                return f"its content differs after byte {offset}"
        return None if next(source.take(1), None) is None else "the file goes on after the archive's end"

    def write(self, open_file: OpenFile, moved: Moved = _unwatched) -> None:
        path = os.path.realpath(self.path)
        with beside(path, self.mode) as file:
            if self._compression is None:
                self._write_plain(file, open_file, moved)
            else:
                for chunk in compressed(chunks_of(self.pieces, lambda blob: _told(open_file(blob), moved)), self._compression, self.path):
                    file.write(chunk)
            file.publish(path)
        sync_folder(os.path.dirname(path))

    def _write_plain(self, file: PrivateFile, open_file: OpenFile, moved: Moved) -> None:
        offset = 0
        for piece in self.pieces:
            offset += _put(piece, file, offset, open_file, moved)


class FolderTarget:
    """An image layout in a folder of its own. Files that aren't the archive's are removed, but never from a folder that is no layout.

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
        if not os.path.lexists(self.path):
            return "there is no such folder yet"
        reason = self._difference()
        if reason is not None:
            require_folder(os.path.join(self.path, "index.json"))
        return reason

    def _difference(self) -> str | None:
        self._refuse_strangers()
        for file in self._files:
            if not self._is_there(file):
                return f"{file.name} is missing or differs"
        stray = self._stray()
        return f"{stray[0]} does not belong to it" if stray else None

    def _refuse_strangers(self) -> None:
        if not os.path.isdir(self.path):
            raise UnsupportedFormat(f"{self.path} is no folder, and can't be replaced by an image layout")
        with reporting(self.path):
            strangers = {name for name in os.listdir(self.path) if not is_private(name)} - {"blobs", "index.json", "oci-layout"}
        if strangers:
            raise UnsupportedFormat(f"{self.path} holds other files ({min(strangers)!r}) and is no image layout")

    def _is_there(self, file: ArchiveFile) -> bool:
        path = self._inside(file)
        try:
            if os.lstat(path).st_size != file.size:
                return False
            if isinstance(file.content, bytes):
                return b"".join(bytes(chunk) for chunk in read_chunks(path)) == file.content
            return _is_blob(file.content, read_chunks(path))
        except (FileNotFoundError, NotADirectoryError, InputOutputError):
            return False

    def _stray(self) -> list[str]:
        """Files below `blobs` that the archive doesn't have, and what dead writers have left."""
        wanted = {file.name for file in self._files}
        with reporting(self.path):
            found = [name for name in os.listdir(self.path) if is_private(name)]
        for folder, _folders, names in os.walk(os.path.join(self.path, "blobs")):
            found += [os.path.relpath(os.path.join(folder, name), self.path) for name in names]
        return sorted(set(found) - wanted)

    def write(self, open_file: OpenFile, moved: Moved = _unwatched) -> None:
        """Blobs first, the index last, and what the new index doesn't need goes after it. Writers to one folder wait for each other."""
        make_folder(self.path, self._folder_mode)
        with _locked(self.path, self._lock_timeout):
            self._write(open_file, moved)

    def _write(self, open_file: OpenFile, moved: Moved) -> None:
        for file in sorted(self._files, key=lambda file: file.name == "index.json"):
            if not self._is_there(file):
                self._write_file(file, open_file, moved)
        for stray in self._stray():
            with reporting(self.path), contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.path, stray))

    def _write_file(self, file: ArchiveFile, open_file: OpenFile, moved: Moved) -> None:
        path = self._inside(file)
        folder = os.path.dirname(path)
        make_folder(os.path.join(self.path, "blobs"), self._folder_mode)
        make_folder(folder, self._folder_mode)
        with beside(path, self._mode) as private:
            _put(file.content, private, 0, open_file, moved)
            private.publish(path)
        sync_folder(folder)

    def _inside(self, file: ArchiveFile) -> str:
        return os.path.join(self.path, *file.name.split("/"))


@contextlib.contextmanager
def _locked(path: str, timeout: float) -> t.Iterator[None]:
    """Holds the lock of a folder. Raises LockTimeout."""
    with reporting(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with reporting(path):
            try:
                wait_for_lock(descriptor, path, timeout)
            except OSError as error:
                # NFS locks only what is open for writing, which a folder never is: there one writer at a time is the user's care.
                if error.errno != errno.EBADF:
                    raise
        yield
    finally:
        os.close(descriptor)


def _is_piece(piece: Piece, source: Taker) -> bool:
    if isinstance(piece, bytes):
        return b"".join(source.take(len(piece))) == piece
    return _is_blob(piece, source.take(piece.size))


def _is_blob(descriptor: Descriptor, chunks: t.Iterable[bytes | memoryview]) -> bool:
    found, size = hash_stream(chunks, descriptor.digest.algorithm)
    return found == descriptor.digest and size == descriptor.size


def _told(descriptor: int, moved: Moved) -> t.Iterator[bytes]:
    for chunk in read_descriptor(descriptor):
        yield chunk
        moved(len(chunk))


def _put(content: Piece, file: PrivateFile, offset: int, open_file: OpenFile, moved: Moved) -> int:
    """Writes bytes, or copies a blob, to FILE, which ends at OFFSET. Returns how many bytes that were."""
    if isinstance(content, bytes):
        file.write(content)
        return len(content)
    descriptor = open_file(content)
    try:
        with reporting(file.told):
            copy_content(descriptor, file.fileno(), content.size, offset, moved)
    finally:
        os.close(descriptor)
    return content.size


def copy_content(source: int, target: int, size: int, offset: int, moved: Moved = _unwatched) -> None:
    """Copies SIZE bytes from the beginning of one file to the end of another, which is at OFFSET: shared where the file system can, else inside the kernel."""
    done = _share(source, target, size, offset)
    moved(done)
    if size - done >= EARLY:
        reserve(target, offset + done, size - done)
    os.lseek(source, done, os.SEEK_SET)
    os.lseek(target, offset + done, os.SEEK_SET)
    while done < size:
        count = _copy_some(source, target, min(size - done, EARLY))
        if not count:
            raise InputOutputError("a blob became shorter while it was copied")
        if count == EARLY:
            begin_writing(target, offset + done, count)
        moved(count)
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
    ways: list[t.Callable[[], int]] = []
    if hasattr(os, "copy_file_range"):
        ways.append(lambda: os.copy_file_range(source, target, size))
    if sys.platform == "linux":
        ways.append(lambda: os.sendfile(target, source, None, size))
    for way in ways:
        try:
            return way()
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
    data = memoryview(os.read(source, min(size, CHUNK)))
    rest = data
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(data)
