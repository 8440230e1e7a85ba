# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpack a file of an artifact that is a tar: into a private folder first, so that a tar that is refused writes nothing, and then into its place."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from ...archive.image_tree import Parts
from ...archive.metadata import Metadata, read_metadata
from ...archive.tar import FILE, FOLDER, LINK, SYMLINK, TarMember, TarReader
from ...errors import InputOutputError, UnsupportedFormat
from ...files import naming_path_in_errors
from ...folders import Folder
from ...limits import MAX_LINK_TARGET, MAX_LINKS_IN_PATH, MAX_TREE_ENTRIES, MAX_TREE_FOLLOWED
from ...oci.text import sanitise
from ...oci.titles import find_title_problem, fold_title
from ..existing import Existing
from .extract_record import PREFIX, TreeEntry
from .folder import STAGING
from .tree_writer import ParentFolders, TreeWriter, restrict_mode

_FOLDER = Metadata(0o755)
_SOLE_FOLDER: Parts = ()


def unpack(reader: TarReader, folder: Folder, root: Parts, what: str) -> list[TreeEntry]:
    """Write the members of a tar into FOLDER, which only this run uses, and return the entries, sorted.

    All names must be ROOT or below it, and no link may lead out of it. Refused by UnsupportedFormat are also devices, repeated names, names that differ only
    in case, names that `find_title_problem` refuses, and a tar without a member. Raises CorruptArchive, InputOutputError and DiskFull.
    """
    with contextlib.closing(TreeWriter(folder)) as writer:
        unpacker = _Unpacker(writer, root, what)
        for member in reader:
            unpacker.add(member, reader)
        for _zeros in reader.end():
            pass
        return unpacker.finish()


@dataclasses.dataclass(frozen=True)
class _Link:
    target: str
    metadata: Metadata


class _Unpacker:
    """The state of unpacking one tar. Links are made at the end, so nothing can be written through one."""

    def __init__(self, writer: TreeWriter, root: Parts, what: str) -> None:
        self._writer = writer
        self._root = root
        self._what = what
        self._entries: dict[Parts, TreeEntry] = {}
        self._explicit: set[Parts] = set()
        self._folded: dict[str, Parts] = {}
        self._links: dict[Parts, _Link] = {}
        self._followed = 0

    def add(self, member: TarMember, reader: TarReader) -> None:
        parts = self._place(member.name)
        if len(parts) < len(self._root) or not parts:
            if member.kind != FOLDER or parts != self._root[: len(parts)]:
                raise self._refuse(member.name, f"is outside of {'/'.join(self._root) or 'the folder'}")
            return  # a folder above, which every tar of a deep folder may have
        if parts[: len(self._root)] != self._root:
            raise self._refuse(member.name, f"is outside of {'/'.join(self._root)}")
        self._make_folders(parts)
        metadata = read_metadata(member)
        if member.kind == FOLDER:
            self._add_folder(parts, metadata)
            return
        if parts in self._entries:
            raise self._refuse(member.name, "is there twice")
        if member.kind == FILE:
            file = self._writer.add_file(parts, metadata, reader.content())
            self._record(TreeEntry(parts, FILE, str(file.digest), file.size, restrict_mode(metadata.mode, (), is_folder=False)))
        elif member.kind == LINK:
            existing = self._entries.get(self._place(member.target))
            if existing is None or existing.kind != FILE:
                raise self._refuse(member.name, "is a hard link to something that is not a file before it in the tar")
            self._writer.add_hard_link(parts, existing.parts)
            self._record(existing._replace(parts=parts))
        elif member.kind == SYMLINK:
            self._links[parts] = _Link(member.target, metadata)
            self._record(TreeEntry(parts, SYMLINK, member.target, 0, 0o777))
        else:
            raise self._refuse(member.name, "is a device or a FIFO")

    def finish(self) -> list[TreeEntry]:
        """Make the links, and return all entries, sorted."""
        if not self._entries:
            raise UnsupportedFormat(f"{self._what} is a tar without a file; write the tar itself with unpack 'false'")
        for parts, link in self._links.items():
            if self._leads_out(parts, link.target):
                raise self._refuse("/".join(parts), f"is a link that leads out of {'/'.join(self._root) or 'the folder'}")
        for parts, link in self._links.items():
            self._writer.add_symlink(parts, link.target, link.metadata)
        return [self._entries[parts] for parts in sorted(self._entries)]

    def _place(self, name: str) -> Parts:
        """Return the names in the path of a member. `./` in front and one slash at the end are allowed."""
        text = name.removeprefix("./")
        text = text[:-1] if text.endswith("/") and text != "/" else text
        if text in ("", "."):
            return _SOLE_FOLDER
        problem = find_title_problem([text])
        if problem is not None:
            raise UnsupportedFormat(f"{self._what} is refused: {problem}; write the tar itself with unpack 'false'")
        parts = tuple(text.split("/"))
        if any(part == STAGING or part.startswith(PREFIX) for part in parts):
            raise self._refuse(name, "has a name that Longshore uses for its own files")
        return parts

    def _make_folders(self, parts: Parts) -> None:
        """Create the folders above PARTS that the tar doesn't have."""
        for length in range(1, len(parts)):
            above = self._entries.get(parts[:length])
            if above is None:
                self._writer.add_folder(parts[:length], _FOLDER)
                self._record(TreeEntry(parts[:length], FOLDER, mode=_FOLDER.mode))
            elif above.kind != FOLDER:
                raise self._refuse("/".join(parts), "lies below a file or a link")

    def _add_folder(self, parts: Parts, metadata: Metadata) -> None:
        known = self._entries.get(parts)
        if known is not None and (known.kind != FOLDER or parts in self._explicit):
            raise self._refuse("/".join(parts), "is there twice")
        self._explicit.add(parts)
        mode = restrict_mode(metadata.mode, (), is_folder=True) | stat.S_IRWXU
        self._writer.add_folder(parts, dataclasses.replace(metadata, mode=mode))
        self._record(TreeEntry(parts, FOLDER, mode=mode))

    def _record(self, entry: TreeEntry) -> None:
        other = self._folded.setdefault(fold_title("/".join(entry.parts)), entry.parts)
        if other != entry.parts:
            raise self._refuse("/".join(entry.parts), f"would be the same file as {'/'.join(other)!r:.200} where case doesn't matter")
        self._entries[entry.parts] = entry
        if len(self._entries) > MAX_TREE_ENTRIES:
            raise UnsupportedFormat(f"{self._what} has more than {MAX_TREE_ENTRIES} files")

    def _leads_out(self, parts: Parts, target: str) -> bool:
        """Return True if a link at PARTS leads out of the root, also by way of other links, or nowhere because it is one of a circle."""
        if len(target) > MAX_LINK_TARGET or parts == self._root:
            return True
        at = list(parts[:-1])
        rest = target.split("/")[::-1]
        links = 0
        if target.startswith("/"):
            return True
        while rest:
            self._followed += 1
            if self._followed > MAX_TREE_FOLLOWED:
                raise UnsupportedFormat(f"{self._what} has links that would be followed more than {MAX_TREE_FOLLOWED} times")
            part = rest.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if len(at) <= len(self._root):
                    return True
                at.pop()
                continue
            link = self._links.get((*at, part))
            if link is None:
                at.append(part)
                continue
            links += 1
            if links > MAX_LINKS_IN_PATH or link.target.startswith("/") or len(link.target) > MAX_LINK_TARGET:
                return True
            rest.extend(link.target.split("/")[::-1])
        return False

    def _refuse(self, name: str, reason: str) -> UnsupportedFormat:
        return UnsupportedFormat(f"{self._what} is refused: {sanitise(name, 200)!r} in it {reason}; write the tar itself with unpack 'false'")


def plan_moves(target: Folder, entries: t.Sequence[TreeEntry], existing: Existing) -> list[TreeEntry]:
    """Return which of ENTRIES, which are sorted, are renamed into TARGET: a folder that it doesn't have is renamed with all that is in it.

    EXISTING says what happens to files that are there. Raises NameTaken,
    InputOutputError for a file or a link in place of a folder, UnsupportedFormat for a folder in place of a file.
    """
    moves: list[TreeEntry] = []
    parents = ParentFolders(target)
    try:
        for entry in entries:
            if moves and moves[-1].kind == FOLDER and entry.parts[: len(moves[-1].parts)] == moves[-1].parts:
                continue
            path = os.path.join(target.path, *entry.parts)
            with naming_path_in_errors(path):
                status = parents.open(entry.parts[:-1]).status(entry.parts[-1])
            is_folder = status is not None and stat.S_ISDIR(status.st_mode)
            if entry.kind == FOLDER and status is not None:
                if not is_folder:
                    raise InputOutputError(
                        f"{path} can't be written: it is a folder in the artifact, and a file or a link here, which is not followed"
                    )
                continue
            if is_folder:
                raise UnsupportedFormat(f"{path} is a folder, and can't be replaced by a file")
            if status is None or not existing.keeps_file(path, "the artifact"):
                moves.append(entry)
    finally:
        parents.close()
    return moves


def move_entries(source: Folder, target: Folder, moves: t.Sequence[TreeEntry]) -> None:
    """Rename MOVES from SOURCE to TARGET, and leave the rest in SOURCE."""
    sources, targets = ParentFolders(source), ParentFolders(target)
    try:
        for entry in moves:
            with naming_path_in_errors(os.path.join(target.path, *entry.parts)):
                sources.open(entry.parts[:-1]).rename(entry.parts[-1], targets.open(entry.parts[:-1]), entry.parts[-1])
    finally:
        sources.close()
        targets.close()
