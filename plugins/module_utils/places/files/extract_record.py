# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of an extraction: which files it wrote. A later run reads it, and checks each of these files, so that it needs no layers if nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import typing as t

from ...archive.image_tree import Parts
from ...archive.tar import FILE, FOLDER, SYMLINK
from ...errors import InputOutputError, LongshoreError
from ...files import read_open_chunks
from ...folders import Folder
from ...limits import MAX_TREE_ENTRIES
from ...oci.digest import hash_stream
from .tree_writer import Attributes, ParentFolders, read_attributes

PREFIX = ".longshore-extract-"
_MAX_LINE = 64 * 1024
_VERSION = 2


class TreeEntry(t.NamedTuple):
    """A file, a folder or a link below the destination. `value` is the digest of a file, or the target of a link.

    `owner` and `group` are None, and `attributes` is empty, unless they are kept. Those of folders are not checked.
    """

    parts: Parts
    kind: str
    value: str = ""
    size: int = 0
    mode: int = 0
    owner: t.Optional[int] = None  # noqa: UP045 - the annotations are evaluated on Python 3.9
    group: t.Optional[int] = None  # noqa: UP045
    attributes: Attributes = ()

    def matches(self, parent: Folder, status: os.stat_result, *, with_mode: bool) -> bool:
        """Return True if the entry in PARENT with STATUS is this one. A file is hashed: times and sizes prove nothing. Raises OSError."""
        name = self.parts[-1]
        if self.owner is not None and (self.owner, self.group) != (status.st_uid, status.st_gid):
            return False
        if self.kind == FOLDER:
            return stat.S_ISDIR(status.st_mode)
        if self.kind == SYMLINK:
            return stat.S_ISLNK(status.st_mode) and os.readlink(name, dir_fd=parent.descriptor) == self.value
        if not stat.S_ISREG(status.st_mode) or status.st_size != self.size or (with_mode and stat.S_IMODE(status.st_mode) != self.mode):
            return False
        descriptor = parent.open_file(name)
        if self.attributes and read_attributes(descriptor, [attribute for attribute, _hash in self.attributes]) != self.attributes:
            os.close(descriptor)
            return False
        return str(hash_stream(read_open_chunks(descriptor, parent.path_of(name)))[0]) == self.value


def record_name(key: t.Any) -> str:
    """Return the name of the record of a selection. KEY is any value of JSON that describes the selection."""
    return PREFIX + hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def write_lines(image: str, entries: t.Collection[TreeEntry]) -> t.Iterator[bytes]:
    """Yield the lines of a record of ENTRIES from IMAGE, a digest."""
    yield _line([_VERSION, image, len(entries)])
    for entry in entries:
        yield _line(["/".join(entry.parts), entry.kind, entry.value, entry.size, entry.mode, entry.owner, entry.group, entry.attributes])


def _line(value: t.Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def read_entries(folder: Folder, name: str, image: str) -> t.Iterator[TreeEntry]:
    """Yield the entries of a record that this user has written for IMAGE. Raises InvalidRecord for anything else, OSError."""
    try:
        descriptor = folder.open_file(name)
    except (InputOutputError, OSError) as error:
        raise InvalidRecord("the record can't be read") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise InvalidRecord("the record belongs to another user")
        version, digest, count = _parse(file.readline(_MAX_LINE), [int, str, int])
        if (version, digest) != (_VERSION, image) or not 0 < count <= MAX_TREE_ENTRIES:
            raise InvalidRecord("the record is of another image")
        for _number in range(count):
            path, kind, value, size, mode, owner, group, attributes = _parse(
                file.readline(_MAX_LINE), [str, str, str, int, int, object, object, list]
            )
            *folders, name = path.split("/")
            parts = (*map(sys.intern, folders), name)  # most entries share the names of their folders
            if any(part in ("", ".", "..") or "\0" in part for part in parts) or kind not in (FILE, FOLDER, SYMLINK):
                raise InvalidRecord("the record is damaged")
            yield TreeEntry(parts, kind, value, size, mode, owner, group, _parse_attributes(attributes))


def _parse_attributes(found: list[t.Any]) -> Attributes:
    for pair in found:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) or "\0" in pair[0]:
            raise InvalidRecord("the record is damaged")
    return tuple((name, value) for name, value in found)


class InvalidRecord(LongshoreError):
    """There is no usable record, so the files have to be extracted again."""


def _parse(line: bytes, kinds: t.Sequence[type]) -> list[t.Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRecord("the record is damaged") from error
    if not isinstance(values, list) or len(values) != len(kinds) or not all(map(isinstance, values, kinds)):
        raise InvalidRecord("the record is damaged")
    return values


def find_unchanged(folder: Folder, name: str, image: str, *, keep: bool, with_mode: bool) -> list[TreeEntry] | None:
    """Return the entries of the record NAME of IMAGE if all of them are in FOLDER unchanged; None otherwise. With KEEP, other content is unchanged too."""
    parents = ParentFolders(folder)
    entries: list[TreeEntry] = []
    try:
        for entry in read_entries(folder, name, image):
            parent = parents.open(entry.parts[:-1])
            status = parent.status(entry.parts[-1])
            if status is None or not (keep or entry.matches(parent, status, with_mode=with_mode)):
                return None
            entries.append(entry)
    except (InvalidRecord, InputOutputError, OSError, UnicodeEncodeError):
        return None  # the real run reports what can't be read or written
    finally:
        parents.close()
    return entries
