# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers for tar archives: uncompressed ones with random access, and compressed ones that are read from the beginning."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import posixpath
import typing as t
import weakref

from ..errors import CorruptArchive, UnsupportedFormat
from ..files import naming_path_in_errors
from ..limits import MAX_ARCHIVE_MEMBERS, MAX_DOCUMENT, MAX_HELD, MAX_MEMBER_NAMES
from ..oci.digest import Digest, hash_stream
from ..oci.text import sanitise
from .compression import decompress
from .tar import CHUNK, FILE, FOLDER, LINK, SYMLINK, FileBytes, StreamBytes, TarMember, TarReader

FIRST_BYTES = 512


@dataclasses.dataclass(frozen=True)
class _Files:
    """The files of a tar by name. A link is a second name of its target."""

    members: t.Mapping[str, TarMember]

    @classmethod
    def of(cls, members: t.Iterable[TarMember], path: str) -> _Files:
        files: dict[str, TarMember] = {}
        links: dict[str, TarMember] = {}
        length = 0
        for count, member in enumerate(members, 1):
            length += len(member.name) + len(member.target)
            if count > MAX_ARCHIVE_MEMBERS or length > MAX_MEMBER_NAMES:
                allowed = f"{MAX_ARCHIVE_MEMBERS} members, and {MAX_MEMBER_NAMES} characters in their names"
                raise _corrupt(path, member, f"exceeds the limits of an archive: {allowed}")
            name = _plain_name(member, path)
            if member.kind == FOLDER:
                continue
            if member.kind not in (FILE, LINK, SYMLINK):
                raise _corrupt(path, member, "is neither a file, a folder nor a link")
            if name in files or name in links:
                raise _corrupt(path, member, "appears twice")
            (files if member.kind == FILE else links)[name] = member
        resolved = {name: _target(name, member, files, path) for name, member in links.items()}
        return cls({**files, **resolved})


def _plain_name(member: TarMember, path: str) -> str:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if ".." in parts or member.name.startswith("/"):
        raise _corrupt(path, member, "lies outside of the archive")
    return "/".join(parts)


def _target(name: str, member: TarMember, files: t.Mapping[str, TarMember], path: str) -> TarMember:
    """Return the target of a link: relative to the link's folder for a symbolic link, to the archive's root for a hard link. Chains are refused."""
    start = posixpath.dirname(name) if member.kind == SYMLINK else ""
    target = files.get(posixpath.normpath(posixpath.join(start, member.target)))
    if target is None or member.target.startswith("/"):
        raise _corrupt(path, member, f"is a link to {printable_name(member.target)!r}, which is not a file in the archive")
    return target


def _corrupt(path: str, member: TarMember, problem: str) -> CorruptArchive:
    return CorruptArchive(f"{path}: the member {printable_name(member.name)!r} {problem} (its content would begin at byte {member.offset})")


def printable_name(name: str) -> str:
    """Return a member name for a message, with question marks for bytes that are not text."""
    return sanitise(name.encode("utf-8", "replace").decode("utf-8"), 200)


def _locate(path: str, name: str, member: TarMember) -> str:
    return f"{path}: {printable_name(name)} (at byte {member.offset})"


def document_too_long(location: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"{location} is longer than the {MAX_DOCUMENT} bytes that a document may have")


def _all_members(reader: TarReader) -> t.Iterator[TarMember]:
    yield from reader
    for _zeros in reader.end():
        pass


class _Members:
    """The files of a tar, by name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._files: t.Mapping[str, TarMember] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def names(self) -> t.Iterable[str]:
        return self._files

    def locate(self, name: str) -> str:
        return _locate(self.path, name, self._files[name])

    def size(self, name: str) -> int:
        return self._files[name].size

    def identity(self, name: str) -> t.Hashable:
        return self._files[name].offset

    def disk_size(self, names: t.Iterable[str]) -> int:
        return sum({member.offset: member.size for member in map(self._files.__getitem__, names)}.values())


class TarContainer(_Members):
    """A tar that is not compressed. Its headers are read once; several threads can read its content at the same time."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Read the headers, and take over DESCRIPTOR: it is closed with the container. If this raises, the caller must close it."""
        super().__init__(path)
        self._descriptor = descriptor
        self._files = _Files.of(_all_members(TarReader(FileBytes(descriptor, path), path)), path).members
        weakref.finalize(self, os.close, descriptor)

    def read(self, name: str) -> bytes:
        if self.size(name) > MAX_DOCUMENT:
            raise document_too_long(self.locate(name))
        return b"".join(self.open(name))

    def first_bytes(self, name: str) -> bytes:
        member = self._files[name]
        with naming_path_in_errors(self.path):
            return os.pread(self._descriptor, min(FIRST_BYTES, member.size), member.offset)

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
class _ScannedFile:
    """A file of a compressed tar: its digest and first bytes, and its whole content if it can be a document."""

    digest: Digest
    beginning: bytes
    content: bytes | None


class StreamContainer(_Members):
    """A tar that can only be read from the beginning.

    The first pass hashes all files and keeps those that can be documents. `stream` reads the archive again.
    """

    def __init__(self, path: str, open_stream: t.Callable[[], t.Iterator[bytes]]) -> None:
        """OPEN_STREAM returns the bytes of the tar from its beginning, the same each time. PATH is its name in messages."""
        super().__init__(path)
        self._open_stream = open_stream
        self._scanned: dict[int, _ScannedFile] = {}
        self._kept_bytes = 0
        self._files = _Files.of(self._scan(), path).members

    def _reader(self) -> TarReader:
        return TarReader(StreamBytes(self._open_stream()), self.path)

    def _scan(self) -> t.Iterator[TarMember]:
        reader = self._reader()
        for member in reader:
            if member.kind == FILE:
                self._scanned[member.offset] = self._scan_file(reader, member)
            yield member
        for _zeros in reader.end():
            pass

    def _scan_file(self, reader: TarReader, member: TarMember) -> _ScannedFile:
        """Hash a member. Keep its content if it begins like a JSON document and the kept documents stay below MAX_HELD bytes in total."""
        hasher = hashlib.sha256()
        beginning = b""
        kept: bytearray | None = bytearray() if member.size <= MAX_DOCUMENT and self._kept_bytes + member.size <= MAX_HELD else None
        for piece in reader.content():
            hasher.update(piece)
            beginning = (beginning + piece)[:FIRST_BYTES] if len(beginning) < FIRST_BYTES else beginning
            if kept is not None and beginning.lstrip()[:1] not in (b"{", b"[", b""):
                kept = None
            if kept is not None:
                kept += piece
        self._kept_bytes += len(kept or b"")
        return _ScannedFile(Digest("sha256", hasher.hexdigest()), beginning, bytes(kept) if kept is not None else None)

    def read(self, name: str) -> bytes:
        content = self._scanned[self._files[name].offset].content
        if content is None:
            if self.size(name) > MAX_DOCUMENT:
                raise document_too_long(self.locate(name))
            raise UnsupportedFormat(f"{self.locate(name)} is not a document, or the archive has more than {MAX_HELD} bytes of documents")
        return content

    def first_bytes(self, name: str) -> bytes:
        return self._scanned[self._files[name].offset].beginning

    def digest(self, name: str) -> Digest:
        return self._scanned[self._files[name].offset].digest

    def open(self, name: str) -> t.Iterator[bytes]:
        """Yield the content of one file. Everything before it is decompressed again, so use `stream` for several files."""
        for _name, chunks in self.stream((name,)):
            yield from chunks

    def stream(self, names: t.Collection[str]) -> t.Iterator[tuple[str, t.Iterator[bytes]]]:
        """Yield each file with its content, in one pass; files with several names take one more pass per name."""
        remaining = set(names)
        while remaining:
            wanted = {self._files[name].offset: name for name in sorted(remaining)}
            remaining.difference_update(wanted.values())
            reader = self._reader()
            for member in reader:
                name = wanted.pop(member.offset, None) if member.kind == FILE else None
                if name is not None:
                    yield name, reader.content()
                if not wanted:
                    break


class CompressedContainer(StreamContainer):
    """A compressed tar file."""

    def __init__(self, path: str, kind: str, descriptor: int) -> None:
        """Take over DESCRIPTOR, as `TarContainer` does."""
        super().__init__(path, lambda: decompress(_read_file(descriptor, path), kind, path))
        weakref.finalize(self, os.close, descriptor)

    def disk_size(self, unused_names: t.Iterable[str]) -> int:
        with naming_path_in_errors(self.path):
            return os.stat(self.path).st_size


def _read_file(descriptor: int, path: str) -> t.Iterator[bytes]:
    """Yield the bytes of a file from its beginning. Each caller has its own position."""
    offset = 0
    while True:
        with naming_path_in_errors(path):
            chunk = os.pread(descriptor, CHUNK, offset)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk
