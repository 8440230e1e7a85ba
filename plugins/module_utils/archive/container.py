# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers of archives: tar files, compressed tar files and folders. Files are read by name; nothing is extracted to a path from the archive."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t
import weakref

from ..errors import CorruptArchive, InputOutputError, UnsupportedFormat
from ..files import naming_path_in_errors, read_open_chunks
from ..folders import Folder, open_parent, refuse_planted_link
from ..limits import MAX_DOCUMENT
from ..oci.digest import Digest, hash_stream
from ..oci.layout import BLOBS
from .compression import detect_compression
from .tar_container import FIRST_BYTES, CompressedContainer, TarContainer, document_too_long, printable_name

Chunks = t.Iterator[t.Union[bytes, memoryview]]


class Container(t.Protocol):
    """Files by name. Methods raise KeyError for a missing name, so callers check with `in` first."""

    path: str

    def __contains__(self, name: object) -> bool: ...

    def names(self) -> t.Iterable[str]:
        """Return the names of all blobs. Other files may be among them."""

    def locate(self, name: str) -> str:
        """Return the location of a file for a message."""

    def size(self, name: str) -> int: ...

    def identity(self, name: str) -> t.Hashable:
        """Return a value that is equal for all names of one file."""

    def disk_size(self, names: t.Iterable[str]) -> int:
        """Return the disk space in bytes that these files take: for a compressed archive, the size of the whole archive."""

    def read(self, name: str) -> bytes:
        """Return a document. Raises UnsupportedFormat for a file that is larger than MAX_DOCUMENT."""

    def first_bytes(self, name: str) -> bytes:
        """Return the first bytes of a file, enough to detect its format."""

    def open(self, name: str) -> Chunks: ...

    def stream(self, names: t.Collection[str]) -> t.Iterator[tuple[str, Chunks]]:
        """Yield several files with their content, in the container's order. Read each content before you ask for the next file."""

    def digest(self, name: str) -> Digest:
        """Return the sha256 digest of a file's content."""


def open_container(path: str) -> Container:
    """Open the archive at PATH, of any format. Follows links that root or the running user made, and doesn't wait for a FIFO.

    The file or folder stays open, so that replacing it during a run changes nothing. Raises CorruptArchive for a damaged archive, UnsupportedFormat,
    InputOutputError.
    """
    with naming_path_in_errors(path):
        parent, name = open_parent(path)
        with parent:
            status = parent.status(name) if name else parent.own_status()
            if status is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if stat.S_ISDIR(status.st_mode):
                return FolderContainer(path, parent.open_folder(name) if name else parent.reopen_for_listing())
            if not stat.S_ISREG(status.st_mode):
                raise UnsupportedFormat(f"{path} is not a file or a folder, so it can't be an archive")
            descriptor = parent.open_file(name)
            container: Container | None = None
            try:
                refuse_planted_link(parent, os.fstat(descriptor), path)
                kind = detect_compression(os.pread(descriptor, 6, 0))
                container = TarContainer(path, descriptor) if kind is None else CompressedContainer(path, kind, descriptor)
            finally:
                if container is None:
                    os.close(descriptor)
    return container


class FolderContainer:
    """An image layout in a folder. Links in it are never followed: they could make us read or hash files of other folders."""

    def __init__(self, path: str, folder: Folder) -> None:
        """Take over FOLDER: it is closed with the container."""
        self.path = path
        folder.path = path
        self._folder = folder
        weakref.finalize(self, folder.close)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        try:
            with self._parent_of(name) as (folder, last):
                status = folder.status(last)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        return status is not None and stat.S_ISREG(status.st_mode)

    def names(self) -> t.Iterable[str]:
        """Return the files below `blobs`. Raises InputOutputError if an algorithm's folder is a link, because its files would seem to be missing."""
        found: list[str] = []
        with (
            naming_path_in_errors(os.path.join(self.path, BLOBS)),
            contextlib.suppress(FileNotFoundError),
            self._folder.open_folder(BLOBS) as blobs,
        ):
            for folder, name, status in blobs.walk():
                if folder is blobs and name in ("sha256", "sha512") and stat.S_ISLNK(status.st_mode):
                    raise InputOutputError(f"{folder.path_of(name)} is a link, and links inside an image layout are not followed")
                if not stat.S_ISDIR(status.st_mode):
                    found.append(os.path.relpath(folder.path_of(name), self.path))
        return found

    def locate(self, name: str) -> str:
        return f"{self.path}: {printable_name(name)}"

    def size(self, name: str) -> int:
        with naming_path_in_errors(self._folder.path_of(name)), self._parent_of(name) as (folder, last):
            return os.stat(last, dir_fd=folder.descriptor, follow_symlinks=False).st_size

    def identity(self, name: str) -> t.Hashable:
        return name

    def disk_size(self, names: t.Iterable[str]) -> int:
        return sum(map(self.size, set(names)))

    def read(self, name: str) -> bytes:
        data = self._read_bounded(name, MAX_DOCUMENT + 1)
        if len(data) > MAX_DOCUMENT:
            raise document_too_long(self.locate(name))
        return data

    def first_bytes(self, name: str) -> bytes:
        return self._read_bounded(name, FIRST_BYTES)

    def open(self, name: str) -> t.Iterator[memoryview]:
        yield from read_open_chunks(self._open(name), self._folder.path_of(name))

    def stream(self, names: t.Collection[str]) -> t.Iterator[tuple[str, t.Iterator[memoryview]]]:
        return ((name, self.open(name)) for name in names)

    def digest(self, name: str) -> Digest:
        return hash_stream(self.open(name))[0]

    def _read_bounded(self, name: str, limit: int) -> bytes:
        with os.fdopen(self._open(name), "rb") as file, naming_path_in_errors(self._folder.path_of(name)):
            return file.read(limit)

    def _open(self, name: str) -> int:
        """Open a file and return its descriptor. Raises InputOutputError for anything but a regular file, and for a private file of another user."""
        path = self._folder.path_of(name)
        with naming_path_in_errors(path), self._parent_of(name) as (folder, last):
            descriptor = folder.open_file(last)
            try:
                refuse_planted_link(folder, os.fstat(descriptor), path)
            except BaseException:
                os.close(descriptor)
                raise
        return descriptor

    def _parent_of(self, name: str) -> contextlib.AbstractContextManager[tuple[Folder, str]]:
        """Open the folder of a file without following links. Raises CorruptArchive for a name outside the layout."""
        if ".." in name.split("/") or name.startswith("/"):
            raise CorruptArchive(f"{self.path}: {printable_name(name)!r} lies outside of the folder")
        return self._folder.parent_of(name)
