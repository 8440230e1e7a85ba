# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What archives are kept in: a tar, a compressed tar, a folder. Content is found by its name there, and nothing is ever extracted by a name."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import posixpath
import stat
import typing as t
import weakref

from ..errors import CorruptArchive, InputOutputError, UnsupportedFormat
from ..files import naming_path_in_errors, read_open_chunks
from ..folders import Folder, open_parent, refuse_planted_link
from ..limits import MAX_ARCHIVE_MEMBERS as MAX_MEMBERS
from ..limits import MAX_DOCUMENT, MAX_HELD
from ..limits import MAX_MEMBER_NAMES as MAX_NAMES
from ..oci.digest import Digest, hash_stream
from ..oci.layout import BLOBS
from ..oci.text import sanitise
from .compression import decompress, detect_compression
from .tar import CHUNK, FILE, FOLDER, LINK, SYMLINK, FileBytes, Member, StreamBytes, TarReader

BEGINNING = 512

Chunks = t.Iterator[t.Union[bytes, memoryview]]


class Container(t.Protocol):
    """Files by their names. Asking for a name that isn't there is a KeyError: callers look before."""

    path: str

    def __contains__(self, name: object) -> bool: ...

    def names(self) -> t.Iterable[str]:
        """Names of blobs, and perhaps of other files."""

    def place(self, name: str) -> str:
        """Where a file is, in words for a message."""

    def size(self, name: str) -> int: ...

    def identity(self, name: str) -> t.Hashable:
        """What several names of one file have in common."""

    def disk_size(self, names: t.Iterable[str]) -> int:
        """Return how many bytes of the disk these files take at most: of a compressed container, all of its bytes."""

    def read(self, name: str) -> bytes:
        """A document. Raises UnsupportedFormat for one that is longer than documents may be."""

    def beginning(self, name: str) -> bytes:
        """The first bytes of a file, by which its kind is known."""

    def open(self, name: str) -> Chunks: ...

    def stream(self, names: t.Collection[str]) -> t.Iterator[tuple[str, Chunks]]:
        """The content of several files in the order that suits the container, each to be read before the next is asked for."""

    def digest(self, name: str) -> Digest:
        """The sha256 digest of a file's content."""


def open_container(path: str) -> Container:
    """Open the container at PATH, whatever it is. A link is followed if root or the running user made it, and a pipe is not waited for.

    It stays open, so that all reading is of the same file or folder. Raises CorruptArchive for one that can't be read to its end, InputOutputError.
    """
    with naming_path_in_errors(path):
        parent, name = open_parent(path)
        with parent:
            status = parent.status(name) if name else parent.own_status()
            if status is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if stat.S_ISDIR(status.st_mode):
                return FolderContainer(path, parent.open_folder(name) if name else parent.listable())
            if not stat.S_ISREG(status.st_mode):
                raise UnsupportedFormat(f"{path} is neither a file nor a folder, and can't be an archive")
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


@dataclasses.dataclass(frozen=True)
class _Files:
    """The files of a tar by their plain names; links are names of the file that they lead to."""

    members: t.Mapping[str, Member]

    @classmethod
    def of(cls, members: t.Iterable[Member], path: str) -> _Files:
        files: dict[str, Member] = {}
        links: dict[str, Member] = {}
        length = 0
        for count, member in enumerate(members, 1):
            length += len(member.name) + len(member.target)
            if count > MAX_MEMBERS or length > MAX_NAMES:
                raise _corrupt(path, member, f"is more than can be: there may be {MAX_MEMBERS} members, and {MAX_NAMES} characters in their names")
            name = _plain_name(member, path)
            if member.kind == FOLDER:
                continue
            if member.kind not in (FILE, LINK, SYMLINK):
                raise _corrupt(path, member, "is neither a file, a folder nor a link")
            if name in files or name in links:
                raise _corrupt(path, member, "is there twice")
            (files if member.kind == FILE else links)[name] = member
        resolved = {name: _target(name, member, files, path) for name, member in links.items()}
        return cls({**files, **resolved})


def _plain_name(member: Member, path: str) -> str:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if ".." in parts or member.name.startswith("/"):
        raise _corrupt(path, member, "lies outside of the archive")
    return "/".join(parts)


def _target(name: str, member: Member, files: t.Mapping[str, Member], path: str) -> Member:
    """The file that a link leads to, in one step and inside the archive: a symbolic one from its own folder, a hard one from the top."""
    start = posixpath.dirname(name) if member.kind == SYMLINK else ""
    target = files.get(posixpath.normpath(posixpath.join(start, member.target)))
    if target is None or member.target.startswith("/"):
        raise _corrupt(path, member, f"is a link to {_told(member.target)!r}, which is no file of the archive")
    return target


def _corrupt(path: str, member: Member, words: str) -> CorruptArchive:
    return CorruptArchive(f"{path}: the member {_told(member.name)!r} {words} (its content would begin at byte {member.offset})")


def _told(name: str) -> str:
    """A name for a message: bytes that are no text are question marks there."""
    return sanitise(name.encode("utf-8", "replace").decode("utf-8"), 200)


def _place(path: str, name: str, member: Member) -> str:
    return f"{path}: {_told(name)} (at byte {member.offset})"


def _too_long(place: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"{place} is longer than the {MAX_DOCUMENT} bytes that a document may have")


def _all_members(reader: TarReader) -> t.Iterator[Member]:
    yield from reader
    for _zeros in reader.end():
        pass


class _Members:
    """What is in a tar, by name."""

    path: str
    _files: t.Mapping[str, Member]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def names(self) -> t.Iterable[str]:
        return self._files

    def place(self, name: str) -> str:
        return _place(self.path, name, self._files[name])

    def size(self, name: str) -> int:
        return self._files[name].size

    def identity(self, name: str) -> t.Hashable:
        return self._files[name].offset

    def disk_size(self, names: t.Iterable[str]) -> int:
        return sum({member.offset: member.size for member in map(self._files.__getitem__, names)}.values())


class TarContainer(_Members):
    """A tar that is not compressed: its headers are read once, its content where and when it is wanted, by several threads at once."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Where this works the descriptor belongs to the container, and is open as long as there is one."""
        self.path = path
        self._descriptor = descriptor
        self._files = _Files.of(_all_members(TarReader(FileBytes(descriptor, path), path)), path).members
        weakref.finalize(self, os.close, descriptor)

    def read(self, name: str) -> bytes:
        if self.size(name) > MAX_DOCUMENT:
            raise _too_long(self.place(name))
        return b"".join(self.open(name))

    def beginning(self, name: str) -> bytes:
        member = self._files[name]
        with naming_path_in_errors(self.path):
            return os.pread(self._descriptor, min(BEGINNING, member.size), member.offset)

    def open(self, name: str) -> t.Iterator[bytes]:
        member = self._files[name]
        offset, left = member.offset, member.size
        while left:
            with naming_path_in_errors(self.path):
                data = os.pread(self._descriptor, min(left, CHUNK), offset)
            if not data:
                raise CorruptArchive(f"{self.path} became shorter while it was read")
            offset += len(data)
            left -= len(data)
            yield data

    def stream(self, names: t.Collection[str]) -> t.Iterator[tuple[str, t.Iterator[bytes]]]:
        return ((name, self.open(name)) for name in names)

    def digest(self, name: str) -> Digest:
        return hash_stream(self.open(name))[0]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What is kept of a file that passed by: its digest and beginning, and all of it where it could be a document."""

    digest: Digest
    beginning: bytes
    content: bytes | None


class CompressedContainer(_Members):
    """A tar that can only be read from front to back. The first reading notes all digests and keeps what can be a document; `stream` reads it again."""

    def __init__(self, path: str, kind: str, descriptor: int) -> None:
        """Take over DESCRIPTOR, as `TarContainer` does."""
        self.path = path
        self._kind = kind
        self._descriptor = descriptor
        self._seen: dict[int, _Seen] = {}
        self._held = 0
        self._files = _Files.of(self._first_reading(), path).members
        weakref.finalize(self, os.close, descriptor)

    def _reader(self) -> TarReader:
        return TarReader(StreamBytes(decompress(self._compressed(), self._kind, self.path)), self.path)

    def _compressed(self) -> t.Iterator[bytes]:
        """The bytes of the file from its beginning: each reader has its own place in it."""
        offset = 0
        while True:
            with naming_path_in_errors(self.path):
                chunk = os.pread(self._descriptor, CHUNK, offset)
            if not chunk:
                return
            offset += len(chunk)
            yield chunk

    def _first_reading(self) -> t.Iterator[Member]:
        reader = self._reader()
        for member in reader:
            if member.kind == FILE:
                self._seen[member.offset] = self._look(reader, member)
            yield member
        for _zeros in reader.end():
            pass

    def _look(self, reader: TarReader, member: Member) -> _Seen:
        """Hashes one member on its way by. A document begins with a bracket, and all that are held have a bound together."""
        hasher = hashlib.sha256()
        beginning = b""
        held: bytearray | None = bytearray() if member.size <= MAX_DOCUMENT and self._held + member.size <= MAX_HELD else None
        for piece in reader.content():
            hasher.update(piece)
            beginning = (beginning + piece)[:BEGINNING] if len(beginning) < BEGINNING else beginning
            if held is not None and beginning.lstrip()[:1] not in (b"{", b"[", b""):
                held = None
            if held is not None:
                held += piece
        self._held += len(held or b"")
        return _Seen(Digest("sha256", hasher.hexdigest()), beginning, bytes(held) if held is not None else None)

    def read(self, name: str) -> bytes:
        content = self._seen[self._files[name].offset].content
        if content is None:
            if self.size(name) > MAX_DOCUMENT:
                raise _too_long(self.place(name))
            raise UnsupportedFormat(f"{self.place(name)} is no document, or there are more than {MAX_HELD} bytes of documents in the archive")
        return content

    def disk_size(self, unused_names: t.Iterable[str]) -> int:
        with naming_path_in_errors(self.path):
            return os.stat(self.path).st_size

    def beginning(self, name: str) -> bytes:
        return self._seen[self._files[name].offset].beginning

    def digest(self, name: str) -> Digest:
        return self._seen[self._files[name].offset].digest

    def open(self, name: str) -> t.Iterator[bytes]:
        """One file alone costs a reading of all before it: for many there is `stream`."""
        for _name, chunks in self.stream((name,)):
            yield from chunks

    def stream(self, names: t.Collection[str]) -> t.Iterator[tuple[str, t.Iterator[bytes]]]:
        """As any container does it: in one reading, and another one for files that have several names."""
        left = set(names)
        while left:
            wanted = {self._files[name].offset: name for name in sorted(left)}
            left.difference_update(wanted.values())
            reader = self._reader()
            for member in reader:
                name = wanted.pop(member.offset, None) if member.kind == FILE else None
                if name is not None:
                    yield name, reader.content()
                if not wanted:
                    break


class FolderContainer:
    """A folder with the files of an image layout. No link in it is followed, so that no content of another folder is read or hashed."""

    def __init__(self, path: str, folder: Folder) -> None:
        """Take over FOLDER, which is open as long as there is a container."""
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
        """The files below `blobs`. Raises InputOutputError for a link in the place of a folder: its files would seem to be missing."""
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

    def place(self, name: str) -> str:
        return f"{self.path}: {_told(name)}"

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
            raise _too_long(self.place(name))
        return data

    def beginning(self, name: str) -> bytes:
        return self._read_bounded(name, BEGINNING)

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
        """Open a file and return its descriptor. Raises InputOutputError for what is no regular file and for a private file of another user."""
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
        """Open the folder that a file is in, without following links. Raises CorruptArchive for a name that leads out of the layout."""
        if ".." in name.split("/") or name.startswith("/"):
            raise CorruptArchive(f"{self.path}: {_told(name)!r} lies outside of the folder")
        return self._folder.parent_of(name)
