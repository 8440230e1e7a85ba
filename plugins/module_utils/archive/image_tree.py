# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders, links and files of an image after all of its layers are applied (OCI image specification, layer.md), without the content of files."""

from __future__ import annotations

import copy
import posixpath
import typing as t

from ..errors import InvalidOption, UnsupportedFormat
from ..limits import MAX_TREE_ENTRIES, MAX_TREE_FOLLOWED, MAX_TREE_TEXT
from ..oci.text import sanitise
from .metadata import Metadata, read_metadata
from .tar import FOLDER, LINK, OTHER, SYMLINK, TarMember

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
WHITEOUT_RESERVED = ".wh..wh."  # aufs stored its metadata in files with such names
_MAX_LINKS = 40  # the kernel follows at most this many links in one path

NEW_FOLDER = Metadata(0o755)

# The names in a path, starting at the root of the image.
Parts = tuple[str, ...]
# The number of a layer, and the number of a member in it.
Origin = tuple[int, int]


class FileNode:
    """A file, or anything else that is neither a folder nor a symbolic link. Hard links share one node.

    `origin` is set if the tree remembers origins: the number of the layer, and that of the member in it. It is None for a hard link to a missing file.
    `is_special` is true for a device or a FIFO.
    """

    __slots__ = ("is_special", "origin")

    def __init__(self, origin: Origin | None = None, is_special: bool = False) -> None:
        self.origin = origin
        self.is_special = is_special


class LinkNode(t.NamedTuple):
    """A symbolic link. Only a tree that remembers origins has its metadata."""

    target: str
    metadata: Metadata | None = None


class FolderNode:
    """A folder with its content."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.children: dict[str, Node] = {}


Node = t.Union[FileNode, LinkNode, FolderNode]
_FILE = FileNode()


def split_path(path: str) -> Parts:
    """Return the names in a path. `..` is not resolved."""
    return tuple(part for part in path.split("/") if part not in ("", "."))


def format_path(parts: t.Sequence[str]) -> str:
    """Return a path in the image for messages."""
    return "/" + sanitise("/".join(parts), 300)


class _Upper:
    """The files that one layer has added so far: the names in each folder, and the folders that contain nothing else anymore."""

    def __init__(self) -> None:
        self._names: dict[FolderNode, set[str]] = {}
        self._cleared: set[FolderNode] = set()

    def add(self, root: FolderNode, parts: Parts) -> None:
        """Record that a path was added, which needs the folders above it."""
        node: Node | None = root
        for part in parts:
            if not isinstance(node, FolderNode):
                break
            self._names.setdefault(node, set()).add(part)
            node = node.children.get(part)

    def has(self, folder: FolderNode, name: str) -> bool:
        """Return True if the layer has added NAME to a folder, or something below it."""
        return name in self._names.get(folder, ())

    def remove_lower(self, folder: FolderNode) -> None:
        """Delete everything below a folder that the layer hasn't added. Each folder is searched once, however many whiteouts it has."""
        pending = [folder]
        while pending:
            node = pending.pop()
            if node in self._cleared:
                continue
            self._cleared.add(node)
            node.children = {name: child for name, child in node.children.items() if self.has(node, name)}
            pending += [child for child in node.children.values() if isinstance(child, FolderNode)]


class LinkCircle(InvalidOption):
    """A path leads through too many links, or through a circle of them."""


class ImageTree:
    """The file tree of an image. A new tree is empty; each call of `apply_layer` adds a layer. With REMEMBER each file has its origin."""

    def __init__(self, remember: bool = False) -> None:
        self.root = FolderNode(NEW_FOLDER)
        self._remember = remember
        self._layers = 0
        self._entries = 0
        self._text = 0
        self._followed = 0

    def copy(self) -> ImageTree:
        """Return a tree that can change without this one. What was counted for the limits counts for the copy too."""
        tree = copy.copy(self)
        tree.root = FolderNode(self.root.metadata)
        pending = [(self.root, tree.root)]
        while pending:
            folder, copied = pending.pop()
            copied.children = dict(folder.children)
            for name, child in folder.children.items():
                if isinstance(child, FolderNode):
                    new = copied.children[name] = FolderNode(child.metadata)
                    pending.append((child, new))
        return tree

    def find(self, parts: t.Sequence[str]) -> Node | None:
        """Return what is at a path, without following links; None if there is nothing."""
        node: Node | None = self.root
        for part in parts:
            node = node.children.get(part) if isinstance(node, FolderNode) else None
        return node

    def resolve(self, parts: t.Sequence[str]) -> Parts:
        """Return the path of the folder that PARTS lead to, with all links followed as in a container. Names that don't exist yet are not changed.

        Raises InvalidOption if a file is in the way, or if links lead in a circle.
        """
        pending = list(reversed(parts))
        done: list[str] = []
        nodes: list[FolderNode | None] = [self.root]
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                done = done[:-1]
                nodes = nodes[: len(done) + 1]
                continue
            parent = nodes[-1]
            node = parent.children.get(part) if parent is not None else None
            if isinstance(node, LinkNode):
                links += 1
                if links > _MAX_LINKS:
                    raise LinkCircle(f"{format_path(parts)} leads through more than {_MAX_LINKS} links in the image")
                if node.target.startswith("/"):
                    done, nodes = [], [self.root]
                pending += self._follow(node)
            elif isinstance(node, FileNode):
                raise InvalidOption(f"{format_path([*done, part])} is a file in the image, and nothing can be put below it")
            else:
                done.append(part)
                nodes.append(node)
        return tuple(done)

    def _follow(self, link: LinkNode) -> list[str]:
        """Return the names in the target of a link, the last one first. Raises UnsupportedFormat for an image whose links cost too much time."""
        names = split_path(link.target)
        self._followed += len(names)
        if self._followed > MAX_TREE_FOLLOWED:
            raise UnsupportedFormat(f"the links of the base image lead through more than {MAX_TREE_FOLLOWED} names")
        return list(reversed(names))

    def leads_to_folder(self, parts: t.Sequence[str]) -> bool:
        """Return True if a path is a folder, or a link to one."""
        try:
            return isinstance(self.find(self.resolve(parts)), FolderNode)
        except InvalidOption:
            return False

    def add_folder(self, parts: t.Sequence[str], metadata: Metadata) -> FolderNode:
        """Add a folder, or set the metadata of one that exists. Missing folders above it are added. Its path must not contain links."""
        folder = self.root
        for part in parts:
            child = folder.children.get(part)
            if not isinstance(child, FolderNode):
                child = folder.children[part] = FolderNode(NEW_FOLDER)
                self._count(part)
            folder = child
        folder.metadata = metadata
        return folder

    def add_file(self, parts: t.Sequence[str], target: str | None = None) -> None:
        """Add a file, or with TARGET a symbolic link, in a folder that exists."""
        self._put(parts, _FILE if target is None else LinkNode(target))

    def remove(self, parts: t.Sequence[str]) -> Node | None:
        """Remove and return what is at a path, with all that is below it; None if there is nothing."""
        folder = self.find(parts[:-1])
        return folder.children.pop(parts[-1], None) if isinstance(folder, FolderNode) and parts else None

    def apply_layer(self, members: t.Iterable[TarMember], what: str) -> None:
        """Apply the members of one layer, as engines do. WHAT names the layer in messages.

        Whiteouts delete only what is from lower layers, at any position in the tar. Links are followed as they are at that position.
        Raises UnsupportedFormat for a layer that can't be applied.
        """
        upper = _Upper()
        layer, self._layers = self._layers, self._layers + 1
        for number, member in enumerate(members):
            parts = split_path(posixpath.normpath("/" + member.name))
            name = parts[-1] if parts else ""
            metadata = read_metadata(member) if member.kind == FOLDER else None
            self._count(name + member.target, metadata)
            try:
                if name.startswith(WHITEOUT):
                    self._apply_whiteout(parts[:-1], name, upper)
                    continue
                added = self._add_member(parts, member, metadata, (layer, number))
            except InvalidOption as error:
                raise UnsupportedFormat(f"{what} can't be unpacked: {error.message}") from error
            upper.add(self.root, added)

    def _apply_whiteout(self, parts: Parts, name: str, upper: _Upper) -> None:
        """Delete what the whiteout NAME in a folder means, except for what is in UPPER. A whiteout below a file means nothing. Raises LinkCircle."""
        try:
            folder = self.find(self.resolve(parts))
        except LinkCircle:
            raise
        except InvalidOption:
            return
        if not isinstance(folder, FolderNode) or (name != OPAQUE and name.startswith(WHITEOUT_RESERVED)):
            return
        hidden = name[len(WHITEOUT) :]
        if name == OPAQUE:
            upper.remove_lower(folder)
        elif not upper.has(folder, hidden):
            folder.children.pop(hidden, None)
        elif isinstance(found := folder.children.get(hidden), FolderNode):
            upper.remove_lower(found)

    def _add_member(self, parts: Parts, member: TarMember, metadata: Metadata | None, origin: Origin) -> Parts:
        """Add one member, and return its path with all links followed."""
        if not parts:
            self.root.metadata = metadata or self.root.metadata
            return ()
        parts = (*self.resolve(parts[:-1]), parts[-1])
        if metadata is not None:
            self.add_folder(parts, metadata)
        elif member.kind == LINK:
            target = split_path(posixpath.normpath("/" + member.target))
            linked = self.find((*self.resolve(target[:-1]), *target[-1:]))
            self._put(parts, linked if isinstance(linked, LinkNode) or (self._remember and isinstance(linked, FileNode)) else _FILE)
        elif member.kind == SYMLINK:
            self._put(parts, LinkNode(member.target, read_metadata(member) if self._remember else None))
        else:
            self._put(parts, FileNode(origin, member.kind == OTHER) if self._remember else _FILE)
        return parts

    def _put(self, parts: t.Sequence[str], node: Node) -> None:
        folder = self.find(parts[:-1])
        if not isinstance(folder, FolderNode):
            folder = self.add_folder(parts[:-1], NEW_FOLDER)
        folder.children[parts[-1]] = node

    def _count(self, text: str, metadata: Metadata | None = None) -> None:
        """Raise UnsupportedFormat beyond the limits of one image: the tree is in memory."""
        self._entries += 1
        self._text += len(text) + (metadata.text_size if metadata is not None else 0)
        if self._entries > MAX_TREE_ENTRIES or self._text > MAX_TREE_TEXT:
            raise UnsupportedFormat(
                f"the base image has more than {MAX_TREE_ENTRIES} files in its layers, or more than {MAX_TREE_TEXT} characters in their names and attributes"
            )
