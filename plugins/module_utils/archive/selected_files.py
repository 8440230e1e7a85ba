# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Select files of an image by path, and find the layers that decide about them."""

from __future__ import annotations

import posixpath
import typing as t

from ..errors import ImageNotFound, InvalidOption
from ..oci.glob import compile_glob, is_glob
from ..oci.text import sanitise
from .image_tree import OPAQUE, WHITEOUT, WHITEOUT_RESERVED, FolderNode, ImageTree, LinkNode, Node, Parts, format_path, split_path
from .tar import FOLDER, LINK, TarMember


def parse_path(text: str) -> Parts:
    """Return the names in a path, or in a glob, of the option `paths`. Raises InvalidOption for `..` and for a NUL."""
    parts = split_path(text)
    if ".." in parts or "\0" in text or not text:
        raise InvalidOption(f"paths: {text!r:.300} is not the path of a file in an image; write it without '..', such as /etc/os-release")
    return parts


def is_literal(parts: Parts) -> bool:
    """Return True for the path of one file or folder that isn't the root."""
    return bool(parts) and not any(map(is_glob, parts))


def select_entries(tree: ImageTree, patterns: t.Sequence[Parts], label: str) -> dict[Parts, Node]:
    """Return all that PATTERNS match in an image, by path and sorted: with what is in a folder that matches, and with the folders above it.

    Links are not followed. Raises ImageNotFound, with the path, for a pattern that matches nothing. LABEL names the image.
    """
    found: dict[Parts, Node] = {}
    for pattern in patterns:
        matches = _match(tree.root, pattern)
        if not matches:
            raise ImageNotFound(f"{label} has no {format_path(pattern)}{_explain(tree, pattern)}")
        for parts, node in matches:
            for length in range(1, len(parts)):
                found.setdefault(parts[:length], t.cast(Node, tree.find(parts[:length])))
            pending = [(parts, node)]
            while pending:
                path, entry = pending.pop()
                found[path] = entry
                if isinstance(entry, FolderNode):
                    pending += [((*path, name), child) for name, child in entry.children.items()]
    found.pop((), None)
    return dict(sorted(found.items(), key=lambda item: item[0]))


def _match(root: FolderNode, pattern: Parts) -> list[tuple[Parts, Node]]:
    matches: list[tuple[Parts, Node]] = [((), root)]
    for part in pattern:
        regex = compile_glob(part) if is_glob(part) else None
        step: list[tuple[Parts, Node]] = []
        for parts, node in matches:
            if isinstance(node, FolderNode) and regex is None and part in node.children:
                step.append(((*parts, part), node.children[part]))
            elif isinstance(node, FolderNode) and regex is not None:
                step += [((*parts, name), child) for name, child in node.children.items() if regex.match(name)]
        matches = step
    return matches


def _explain(tree: ImageTree, pattern: Parts) -> str:
    """Return the end of a message about a path that leads through a link."""
    for length in range(1, len(pattern)):
        node = tree.find(pattern[:length])
        if isinstance(node, LinkNode):
            return f"; {format_path(pattern[:length])} is a link to {sanitise(node.target, 200)}, and links are not followed"
    return ""


class PathSearch:
    """Searches layers from the top one down for the one below which no layer can change the files at PATHS.

    A layer counts only if each of its members comes after the folders above it, as build tools write them. Otherwise a link of a lower layer could lead a
    member to another path. `is_done` is true when the layers so far decide about all paths, and `is_uncertain` if all layers have to be read.
    """

    def __init__(self, paths: t.Iterable[Parts]) -> None:
        self._open = set(paths)
        self.is_uncertain = False

    @property
    def is_done(self) -> bool:
        return not self._open and not self.is_uncertain

    def add_layer(self, members: t.Iterable[TarMember]) -> None:
        """Search the layer below the last one."""
        prefixes = {path[:length] for path in self._open for length in range(1, len(path) + 1)}
        folders: set[Parts] = {()}
        final: set[Parts] = set()  # paths at which this layer has something else than a folder, or hides what is below
        for member in members:
            parts = split_path(posixpath.normpath("/" + member.name))
            if not parts:
                continue
            parent, name = parts[:-1], parts[-1]
            if parent not in folders or (member.kind == LINK and self._concerns(parts, prefixes)):
                self.is_uncertain = True
                return
            if name == OPAQUE:
                final.add(parent)
            elif name.startswith(WHITEOUT):
                if not name.startswith(WHITEOUT_RESERVED):
                    final.add((*parent, name[len(WHITEOUT) :]))
            elif member.kind == FOLDER:
                folders.add(parts)
            else:
                folders.discard(parts)
                if parts in prefixes:
                    final.add(parts)
        self._open = {path for path in self._open if not any(path[:length] in final for length in range(len(path) + 1))}

    def _concerns(self, parts: Parts, prefixes: t.Collection[Parts]) -> bool:
        """Return True for a path above, at or below one of the paths that are still open."""
        return parts in prefixes or any(parts[:length] in self._open for length in range(1, len(parts)))
