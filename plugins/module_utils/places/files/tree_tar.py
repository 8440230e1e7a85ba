# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write a staged tree as one tar whose bytes depend only on the files: sorted, with numeric owners and the times of the image."""

from __future__ import annotations

import os
import typing as t

from ...archive.image_tree import Parts
from ...archive.layer import write_header
from ...archive.layer_members import FileState, LayerMember
from ...archive.metadata import Metadata
from ...archive.tar import BLOCK, FILE, FOLDER, LINK, SYMLINK
from ...files import FileWriter, read_open_chunks
from ...folders import Folder
from ...oci.digest import Digest, hash_stream
from .extract_record import TreeEntry
from .tree_writer import OWNER, ParentFolders, kept_xattrs, restrict_mode


def write_tree_tar(
    descriptor: int, tree: Folder, entries: t.Sequence[TreeEntry], metadata: t.Mapping[Parts, Metadata], preserve: t.Collection[str]
) -> tuple[Digest, int]:
    """Write ENTRIES, which are staged in TREE, as a tar to an open file. Return its digest and size. Owners are 0 unless PRESERVE has `owner`."""
    file = FileWriter(descriptor, tree.path)

    def written() -> t.Iterator[bytes | memoryview]:
        for piece in _read_tar(tree, entries, metadata, preserve):
            file.write(piece)
            yield piece

    return hash_stream(t.cast("t.Iterator[bytes]", written()))


def _read_tar(
    tree: Folder, entries: t.Sequence[TreeEntry], metadata: t.Mapping[Parts, Metadata], preserve: t.Collection[str]
) -> t.Iterator[bytes | memoryview]:
    parents = ParentFolders(tree)
    names: dict[tuple[int, int], str] = {}
    try:
        for entry in entries:
            name, kind, target = "/".join(entry.parts), entry.kind, ""
            parent = parents.open(entry.parts[:-1])
            status = os.stat(entry.parts[-1], dir_fd=parent.descriptor, follow_symlinks=False)
            if kind == SYMLINK:
                target = entry.value
            elif kind == FILE and status.st_nlink > 1:
                first = names.setdefault((status.st_dev, status.st_ino), name)
                kind, target = (kind, "") if first == name else (LINK, first)
            state = FileState.of(status) if kind == FILE else None
            yield write_header(LayerMember(name, kind, _choose_metadata(entry, metadata[entry.parts], preserve), target, "", state))
            if kind == FILE:
                yield from read_open_chunks(parent.open_file(entry.parts[-1]), name)
                yield bytes(-status.st_size % BLOCK)
    finally:
        parents.close()
    yield bytes(2 * BLOCK)


def _choose_metadata(entry: TreeEntry, metadata: Metadata, preserve: t.Collection[str]) -> Metadata:
    owner, group = (metadata.owner, metadata.group) if OWNER in preserve else (0, 0)
    mode = 0o777 if entry.kind == SYMLINK else restrict_mode(metadata.mode, preserve, is_folder=entry.kind == FOLDER)
    return Metadata(mode, owner, group, metadata.modified, tuple(kept_xattrs(metadata, preserve)))
