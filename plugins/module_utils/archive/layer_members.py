# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan the members of a layer for an image: the files, folders, links and whiteouts of its tar, in order."""

from __future__ import annotations

import os
import posixpath
import stat
import typing as t

from ..errors import InvalidOption, UnsupportedFormat, system_error
from ..folders import MAX_DEPTH, Folder, read_link
from .exclusions import Exclusions
from .image_tree import NEW_FOLDER, OPAQUE, WHITEOUT, FileNode, FolderNode, ImageTree, Parts, format_path
from .layer_source import LayerSource
from .metadata import Metadata
from .source_files import changed, opened_parent, raising_changed_if_missing, read_status
from .tar import FILE, FOLDER, LINK, SYMLINK


class FileState(t.NamedTuple):
    """The status of a file when the layer was planned. A file whose status differs later has changed."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class LayerMember(t.NamedTuple):
    """One member of a layer. `source` is the path of a file below the source, empty for the source itself; `state` is None if it has no content."""

    name: str
    kind: str
    metadata: Metadata
    target: str = ""
    source: str = ""
    state: FileState | None = None


def plan_members(source: LayerSource, tree: ImageTree) -> tuple[LayerMember, ...]:
    """Return the members of the layer that SOURCE adds to the image TREE, and apply them to TREE.

    Each member comes after the folders above it. Folders that the image has keep their metadata, and links of the image are followed.
    Raises InvalidOption if a file would replace a folder or lie below a file, and for a path to delete that the image doesn't have; UnsupportedFormat for
    sockets, devices and names of whiteouts; CorruptArchive if the source changes while it is read.
    """
    planner = _LayerPlanner(source, tree)
    for parts in source.removed_parts:
        planner.remove(parts)
    if source.path is not None:
        planner.add_source(source.path)
    return tuple(_finish_whiteouts(planner.members, planner.removed, tree))


class _Removed(t.NamedTuple):
    """A path that the layer deletes. `is_folder` is True if it was a folder."""

    parts: Parts
    is_folder: bool


def _finish_whiteouts(members: t.Sequence[LayerMember], removed: t.Sequence[_Removed], tree: ImageTree) -> t.Iterator[LayerMember]:
    """Replace the whiteout of a path that the layer adds again: a new folder gets an opaque whiteout, a new file needs none.

    Overlay file systems can't have a whiteout and a file of the same name in one layer.
    """
    added_again = {parts: is_folder for parts, is_folder in removed if tree.find(parts) is not None}
    dropped = {_whiteout_name(parts) for parts in added_again}
    opaque = {"/".join(parts) for parts, is_folder in added_again.items() if is_folder and isinstance(tree.find(parts), FolderNode)}
    for member in members:
        if member.name not in dropped:
            yield member
        if member.name in opaque and member.kind == FOLDER:
            yield LayerMember(f"{member.name}/{OPAQUE}", FILE, Metadata(0, modified=member.metadata.modified))


def _whiteout_name(parts: Parts) -> str:
    return "/".join((*parts[:-1], WHITEOUT + parts[-1]))


class _LayerPlanner:
    def __init__(self, source: LayerSource, tree: ImageTree) -> None:
        self.members: list[LayerMember] = []
        self.removed: list[_Removed] = []
        self._source = source
        self._tree = tree
        self._exclusions = Exclusions(source.exclude)
        self._names: set[str] = set()
        self._links: dict[tuple[int, int], LayerMember] = {}
        self._new_folders: dict[Parts, os.stat_result] = {}
        self._metadata: dict[Metadata, Metadata] = {}

    def remove(self, parts: Parts) -> None:
        """Add the whiteout of a path, which replaces all members in it. Raises InvalidOption if the image doesn't have it."""
        real = (*self._tree.resolve(parts[:-1]), parts[-1])
        node = self._tree.remove(real)
        if node is None:
            raise InvalidOption(f"remove: {format_path(parts)} is not in the image")
        if "/".join(real) in self._names:
            self._drop_members(real)
        self._require_folder(real[:-1])
        self._add(LayerMember(_whiteout_name(real), FILE, self._share(Metadata(0, 0, 0, self._source.modified))))
        self.removed.append(_Removed(real, isinstance(node, FolderNode)))

    def _drop_members(self, folder: Parts) -> None:
        """Drop the members of a folder and of all paths below it. Engines can't unpack a folder and its whiteout from one layer."""
        name = "/".join(folder)
        self.members = [member for member in self.members if member.name != name and not member.name.startswith(f"{name}/")]
        self._names = {member.name for member in self.members}
        self.removed = [removed for removed in self.removed if removed.parts[: len(folder)] != folder]

    def add_source(self, path: str) -> None:
        with opened_parent(path) as (folder, name):
            status = read_status(folder, name, path)
            if stat.S_ISDIR(status.st_mode):
                with raising_changed_if_missing(path):
                    top = folder.open_folder(name) if name else folder.reopen_for_listing()
                top.path = path
                with top:
                    real = self._tree.resolve(self._source.destination_parts)
                    self._new_folders[real] = top.own_status()
                    self._require_folder(real)
                    self._add_content(top, real, "", MAX_DEPTH)
                return
            parts = self._source.destination_parts
            if not parts or (self._source.destination or "").endswith("/"):
                parts = (*parts, os.path.basename(path))
                _refuse_whiteout(path, parts[-1])
            if self._source.exclude:
                raise InvalidOption(f"exclude is for folders, and {path} is a file")
            self._add_entry(folder, name, path, (*self._tree.resolve(parts[:-1]), parts[-1]), "", status)

    def _add_content(self, folder: Folder, parts: Parts, relative: str, depth: int) -> None:
        """Add the content of an open folder at PARTS of the image, sorted by name. RELATIVE is its path below the source."""
        try:
            names = sorted(folder.list_names(), key=os.fsencode)
        except OSError as error:
            raise system_error(error, folder.path) from error
        for name in names:
            path, inner = folder.path_of(name), posixpath.join(relative, name)
            name_in_image = _decode_name(name)
            is_excluded = self._exclusions.match(_decode_name(inner))
            if is_excluded and not self._exclusions.has_exceptions:
                continue
            status = folder.status(name)
            if status is None:
                raise changed(path)
            if not stat.S_ISDIR(status.st_mode):
                if not is_excluded:
                    _refuse_whiteout(path, name)
                    self._add_entry(folder, name, path, (*parts, name_in_image), inner, status)
                continue
            _refuse_whiteout(path, name)
            if not depth:
                raise UnsupportedFormat(f"{path} has more than {MAX_DEPTH} folders above it, and can't be put into a layer")
            with raising_changed_if_missing(path):
                opened = folder.open_folder(name)
            with opened:
                real = self._tree.resolve((*parts, name_in_image))
                self._new_folders[real] = opened.own_status()
                if not is_excluded:
                    self._require_folder(real)
                self._add_content(opened, real, inner, depth - 1)

    def _add_entry(self, folder: Folder, name: str, path: str, parts: Parts, relative: str, status: os.stat_result) -> None:
        """Add a file or a symbolic link. STATUS only selects how to read it, because another process may have replaced it."""
        target = None
        if stat.S_ISLNK(status.st_mode):
            with raising_changed_if_missing(path):
                status, target = read_link(folder, name)
                target = _decode_name(target)
            if not stat.S_ISLNK(status.st_mode):
                raise changed(path)
        elif not stat.S_ISREG(status.st_mode):
            raise UnsupportedFormat(f"{path} is neither a file, a folder nor a link, and can't be put into a layer")
        self._check_place(parts, path, is_link=target is not None)
        self._require_folder(parts[:-1])
        self._tree.add_file(parts, target)
        metadata = self._metadata_of(parts, status)
        if target is not None:
            self._add(LayerMember("/".join(parts), SYMLINK, metadata, target))
            return
        member = LayerMember("/".join(parts), FILE, metadata, source=relative, state=FileState.of(status))
        first = self._links.setdefault((status.st_dev, status.st_ino), member) if status.st_nlink > 1 else member
        if first is not member and first.metadata == metadata:
            member = LayerMember(member.name, LINK, metadata, first.name)
        self._add(member)

    def _check_place(self, parts: Parts, path: str, is_link: bool) -> None:
        """Raise InvalidOption if a file would replace a folder, because all content of the folder would be lost."""
        if "/".join(parts) in self._names:
            raise InvalidOption(f"{path} and another file of the layer would both be {format_path(parts)} in the image")
        node = self._tree.find(parts)
        if isinstance(node, FolderNode) or (not is_link and self._tree.leads_to_folder(parts)):
            raise InvalidOption(
                f"{path} is no folder and would replace {format_path(parts)}, which is a folder in the image;"
                " end dest with a slash to put it into the folder, or list the folder in remove"
            )

    def _require_folder(self, parts: Parts) -> None:
        """Add the members of a folder and of all folders above it, unless the layer has them. The root folder has no member."""
        if "/".join(parts) in self._names:
            return
        for length in range(1, len(parts) + 1):
            above = parts[:length]
            name = "/".join(above)
            if name in self._names:
                continue
            node = self._tree.find(above)
            if isinstance(node, FileNode):
                raise InvalidOption(f"{format_path(above)} is a file in the image, and nothing can be put below it")
            if not isinstance(node, FolderNode):
                node = self._tree.add_folder(above, self._metadata_of(above, self._new_folders.get(above)))
            self._add(LayerMember(name, FOLDER, self._share(node.metadata)))

    def _add(self, member: LayerMember) -> None:
        self._names.add(member.name)
        self.members.append(member)

    def _metadata_of(self, parts: Parts, status: os.stat_result | None) -> Metadata:
        """Return the metadata of a new file, link or folder. A folder without STATUS is a parent folder that doesn't exist yet."""
        source = self._source
        rule = source.find_rule("/" + "/".join(parts)) if source.rules else None
        is_made = status is None
        owner = rule.owner if rule is not None and rule.owner is not None else 0 if is_made else source.owner
        group = rule.group if rule is not None and rule.group is not None else 0 if is_made else source.group
        return self._share(Metadata(self._mode_of(status, rule.mode if rule is not None else None, owner, group), owner, group, source.modified))

    def _mode_of(self, status: os.stat_result | None, ruled: int | None, owner: int, group: int) -> int:
        if status is not None and stat.S_ISLNK(status.st_mode):
            return 0o777
        if ruled is not None:
            return ruled
        if status is None:
            return NEW_FOLDER.mode
        if self._source.mode is not None and not stat.S_ISDIR(status.st_mode):
            return self._source.mode
        mode = stat.S_IMODE(status.st_mode)
        if (status.st_uid, status.st_gid) != (owner, group):
            # The same as chown does: otherwise a setuid program would run as its new owner.
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        return mode

    def _share(self, metadata: Metadata) -> Metadata:
        """Return one object for equal values. It saves memory, because most files of a layer have the same values."""
        return self._metadata.setdefault(metadata, metadata)


def _decode_name(name: str) -> str:
    """Return the name that a file on this host has in an image. Images use UTF-8; the host's locale decides how Python decodes the bytes of a name."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")


def _refuse_whiteout(path: str, name: str) -> None:
    if name.startswith(WHITEOUT):
        raise UnsupportedFormat(f"{path}: in a layer the name {name} means that a file is deleted; rename it or leave it out")
