# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write a tree of files into a private folder of this run. No link is followed, and nothing outside of the folder is touched."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import typing as t

from ...archive.image_tree import Parts, format_path
from ...archive.metadata import Metadata
from ...errors import UnsupportedFormat
from ...files import FileWriter, naming_path_in_errors
from ...folders import MAX_DEPTH, Folder
from ...oci.digest import Digest, hash_stream

OWNER, XATTRS, SETUID = "owner", "xattrs", "setuid"
_XATTR = "SCHILY.xattr."
# Capabilities give a program rights as setuid does. Names of other kinds belong to file systems.
_CAPABILITY = "security.capability"
_XATTR_NAMES = ("user.", "security.selinux", _CAPABILITY, "system.posix_acl_")
_MAX_DEPTH = MAX_DEPTH - 10  # the staging folders are above the tree


class ParentFolders:
    """Opens the folders above entries of a tree. The last one stays open, because neighbours usually follow each other."""

    def __init__(self, root: Folder) -> None:
        self._root = root
        self._parts: Parts = ()
        self._folder: Folder | None = None

    def open(self, parts: Parts) -> Folder:
        """Open the folder at PARTS. Raises OSError, NotADirectoryError for a link or a file on the way."""
        if not parts:
            return self._root
        if self._folder is None or parts != self._parts:
            with self._root.parent_of("/".join(parts)) as (parent, name):
                self.close()
                self._folder, self._parts = parent.open_folder(name), parts
        return self._folder

    def close(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = None


def restrict_mode(mode: int, preserve: t.Collection[str], *, is_folder: bool) -> int:
    """Return the mode that an extracted file or folder gets: setuid and setgid bits only if the task asks for them."""
    return mode & (0o7777 if SETUID in preserve else 0o1777 if is_folder else 0o777)


def kept_xattrs(metadata: Metadata, preserve: t.Collection[str]) -> list[tuple[str, str]]:
    """Return the extended attributes that are kept, as the keys and values of an extended header. Capabilities need `setuid` too."""
    if XATTRS not in preserve:
        return []
    return [
        (key, value)
        for key, value in metadata.extended
        if key.startswith(tuple(_XATTR + name for name in _XATTR_NAMES)) and (key != _XATTR + _CAPABILITY or SETUID in preserve)
    ]


# The kept extended attributes of a file: the name of each, and the SHA-256 of its value in hex; None if the file system dropped it.
Attributes = tuple[tuple[str, t.Optional[str]], ...]


def read_attributes(descriptor: int, names: t.Iterable[str]) -> Attributes:
    """Return the extended attributes NAMES of an open file. Raises OSError."""
    return tuple((name, _hash_attribute(descriptor, name)) for name in names)


def _hash_attribute(descriptor: int, name: str) -> str | None:
    try:
        return hashlib.sha256(os.getxattr(descriptor, name)).hexdigest()
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return None
        raise


class WrittenFile(t.NamedTuple):
    """A file as it is on the disk."""

    digest: Digest
    size: int
    attributes: Attributes


class TreeWriter:
    """Writes files, folders and links below ROOT, a new folder that only this run uses. PRESERVE lists what is kept of owners, attributes and setuid bits.

    Folders come before what is in them. All methods raise UnsupportedFormat for a path that can't be written, InputOutputError and DiskFull.
    """

    def __init__(self, root: Folder, preserve: t.Collection[str] = ()) -> None:
        self._preserve = preserve
        self._parents = ParentFolders(root)

    def close(self) -> None:
        self._parents.close()

    def add_folder(self, parts: Parts, metadata: Metadata) -> None:
        """Create a folder. Its owner may enter and write it until it is published, so that this run, or the next one, can also delete it."""
        with naming_path_in_errors(format_path(parts)):
            parent = self._open_parent(parts)
            mode = restrict_mode(metadata.mode, self._preserve, is_folder=True) | stat.S_IRWXU
            with parent.make_folder(parts[-1], mode) as folder:
                self._set_metadata(folder.descriptor, metadata, mode)

    def add_file(self, parts: Parts, metadata: Metadata, chunks: t.Iterable[bytes]) -> WrittenFile:
        """Create a file with the bytes of CHUNKS, and return what was written."""
        with naming_path_in_errors(format_path(parts)):
            parent = self._open_parent(parts)
            descriptor = parent.create_file(parts[-1])
            try:
                file = FileWriter(descriptor, format_path(parts))
                digest, size = hash_stream(_written(chunks, file))
                names = self._set_metadata(descriptor, metadata, restrict_mode(metadata.mode, self._preserve, is_folder=False))
                # File systems may store an attribute in another form, or drop it: an access list that says the same as the mode.
                attributes = read_attributes(descriptor, names)
                os.utime(descriptor, (metadata.modified, metadata.modified))
            except OverflowError as error:
                raise UnsupportedFormat(f"{format_path(parts)} has a modification time that this system can't store") from error
            finally:
                os.close(descriptor)
            return WrittenFile(digest, size, attributes)

    def add_hard_link(self, parts: Parts, existing: Parts) -> None:
        """Create another name of the file EXISTING, which this writer has created."""
        with naming_path_in_errors(format_path(parts)):
            source = ParentFolders(self._parents.open(()))
            try:
                target = source.open(existing[:-1])
                os.link(existing[-1], parts[-1], src_dir_fd=target.descriptor, dst_dir_fd=self._open_parent(parts).descriptor, follow_symlinks=False)
            finally:
                source.close()

    def add_symlink(self, parts: Parts, target: str, metadata: Metadata | None = None) -> None:
        """Create a symbolic link. Its target is only text, and may be anything."""
        if not target or "\0" in target:
            raise UnsupportedFormat(f"{format_path(parts)} is a link without a target")
        with naming_path_in_errors(format_path(parts)):
            parent = self._open_parent(parts)
            os.symlink(target, parts[-1], dir_fd=parent.descriptor)
            if metadata is not None and OWNER in self._preserve:
                os.chown(parts[-1], metadata.owner, metadata.group, dir_fd=parent.descriptor, follow_symlinks=False)

    def _open_parent(self, parts: Parts) -> Folder:
        if len(parts) > _MAX_DEPTH:
            raise UnsupportedFormat(f"{format_path(parts)} has more than {_MAX_DEPTH} folders above it")
        try:
            return self._parents.open(parts[:-1])
        except NotADirectoryError as error:
            raise UnsupportedFormat(f"{format_path(parts)} lies below something that is no folder") from error

    def _set_metadata(self, descriptor: int, metadata: Metadata, mode: int) -> list[str]:
        """Set what is kept, and return the names of the extended attributes."""
        if OWNER in self._preserve:
            os.fchown(descriptor, metadata.owner, metadata.group)
        os.fchmod(descriptor, mode)  # a change of the owner clears setuid bits
        kept = [(key[len(_XATTR) :], value) for key, value in kept_xattrs(metadata, self._preserve)]
        for name, value in kept:
            os.setxattr(descriptor, name, value.encode("utf-8", "surrogateescape"))
        return [name for name, _value in kept]


def _written(chunks: t.Iterable[bytes], file: FileWriter) -> t.Iterator[bytes]:
    for chunk in chunks:
        file.write(chunk)
        yield chunk
