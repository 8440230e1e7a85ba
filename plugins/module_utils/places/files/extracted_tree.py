# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder, or one tar, as the target of an image's files: they are staged beside their places, made durable, and renamed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from ...archive.image_tree import FolderNode, ImageTree, LinkNode, Node, Origin, Parts, format_path
from ...archive.metadata import Metadata, read_metadata
from ...archive.selected_files import PathSearch, is_literal, select_entries
from ...archive.tar import FILE, FOLDER, SYMLINK, TarMember, TarReader
from ...errors import InputOutputError, InvalidOption, UnsupportedFormat
from ...files import naming_path_in_errors, sync_file_system
from ...folders import Folder
from ...oci.manifest import Descriptor
from ..existing import Existing
from .extract_record import PREFIX, TreeEntry, write_lines
from .folder import STAGING
from .sink import FilesSink, FilesWriter
from .staged_tar import open_staged_tar
from .tree_writer import OWNER, ParentFolders, TreeWriter, restrict_mode

_TREE, _RECORD, _TAR = "tree", "record", "tar"


@dataclasses.dataclass(frozen=True)
class Extraction:
    """Which files of an image are extracted, and where. `record` is the name of the record, `tar` that of the tar to write instead of a tree.

    `strip` is the number of names that are removed from the front of each path. With `with_mode` a file with another mode is another file.
    """

    folder: str
    patterns: tuple[Parts, ...]
    record: str
    tar: t.Optional[str] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9
    strip: int = 0
    preserve: tuple[str, ...] = ()
    existing: Existing = Existing.OVERWRITE
    with_mode: bool = True

    @property
    def is_lazy(self) -> bool:
        """Whether all paths are literal, so that lower layers may not be needed."""
        return all(map(is_literal, self.patterns))


@dataclasses.dataclass(frozen=True)
class Extracted:
    """The result of an extraction: all entries, and the paths of those that changed. `special` is the number of devices and FIFOs that were left out."""

    entries: t.Sequence[TreeEntry]
    changed: t.Collection[Parts]
    special: int


class TreeStaging(FilesWriter):
    """A locked staging folder that holds layers, and then the files that are extracted from them."""

    def __init__(self, extraction: Extraction) -> None:
        super().__init__(FilesSink(extraction.folder, (), lambda _path: 0o600))
        self._extraction = extraction
        with naming_path_in_errors(self._staging.path):
            for name in (_TREE, _RECORD, _TAR):
                self._staging.remove_tree(name)  # of a run that was killed

    def __enter__(self) -> TreeStaging:
        return self

    def find_unstaged(self, layers: t.Sequence[Descriptor]) -> tuple[Descriptor, ...]:
        """Return the layers that this run hasn't staged yet, each once."""
        return tuple({layer.digest: layer for layer in layers if layer.digest not in self._staged}.values())

    def search(self, search: PathSearch, layer: Descriptor, label: str) -> None:
        """Search a staged layer for the selected paths."""
        search.add_layer(_StagedLayer(self._staging, layer, label))

    def extract(self, layers: t.Sequence[Descriptor], image: str, label: str) -> Extracted:
        """Write the selected files of staged LAYERS, the lowest first, and publish them. A failure changes no file, and leaves nothing behind.

        Raises ImageNotFound for a path that isn't in the image, UnsupportedFormat, CorruptArchive, NameTaken, InputOutputError, DiskFull.
        """
        self._is_useless = True
        readers = [_StagedLayer(self._staging, layer, label) for layer in layers]
        selected = self._select(readers, label)
        count = len(selected)
        with naming_path_in_errors(self._staging.path), self._staging.make_folder(_TREE, 0o700) as folder:
            entries, metadata = _write_tree(folder, selected, readers, self._extraction, label)
            special = count - len(entries)
            if not any(entry.kind != FOLDER for entry in entries) and special:
                raise UnsupportedFormat(f"{label}: the selection has only devices and FIFOs, which are not extracted")
            if self._extraction.tar is None:
                changed = self._publish(folder, entries, image)
            else:
                with self._staging.make_folder(_TAR, 0o700) as tar:
                    entries = [self._write_tar(tar, self._extraction.tar, folder, entries, metadata)]
                    changed = self._publish(tar, entries, image)
        self._published = True
        return Extracted(entries, changed, special)

    def _select(self, layers: t.Sequence[_StagedLayer], label: str) -> dict[Parts, Node]:
        """Return the selected entries of all LAYERS. The rest of the tree, which can be large, is freed."""
        tree = ImageTree(remember=True)
        for layer in layers:
            tree.apply_layer(layer, layer.what)
        return self._strip(select_entries(tree, self._extraction.patterns, label), label)

    def _strip(self, selected: t.Mapping[Parts, Node], label: str) -> dict[Parts, Node]:
        """Return the entries under their paths below the destination."""
        strip = self._extraction.strip
        placed: dict[Parts, Node] = {}
        for parts, node in selected.items():
            rest = parts[strip:]
            if not rest:
                if isinstance(node, FolderNode):
                    continue
                raise InvalidOption(f"strip_components {strip} leaves no name of {format_path(parts)} in {label}")
            other = placed.get(rest)
            if other is not None and not (isinstance(other, FolderNode) and isinstance(node, FolderNode)):
                raise InvalidOption(f"strip_components {strip}: two files of {label} would be {format_path(rest)}")
            if rest[0] == STAGING or rest[0].startswith(PREFIX):
                raise UnsupportedFormat(f"{label} has {format_path(parts)}, a name that Longshore uses for its own files in the destination")
            placed.setdefault(rest, node)
        return dict(sorted(placed.items(), key=lambda item: item[0]))

    def _publish(self, source: Folder, entries: t.Sequence[TreeEntry], image: str) -> set[Parts]:
        return _Publisher(self._folder, source, self._extraction, image).publish(entries, self._staging)

    def _write_tar(self, target: Folder, name: str, tree: Folder, entries: t.Sequence[TreeEntry], metadata: t.Mapping[Parts, Metadata]) -> TreeEntry:
        from .tree_tar import write_tree_tar

        descriptor = target.create_file(name)
        try:
            digest, size = write_tree_tar(descriptor, tree, entries, metadata, self._extraction.preserve)
            mode = self._mode_of_tar(name)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        return TreeEntry((name,), FILE, str(digest), size, mode)

    def _mode_of_tar(self, name: str) -> int:
        status = self._folder.status(name)
        return stat.S_IMODE(status.st_mode) if status is not None and stat.S_ISREG(status.st_mode) else 0o644


class _StagedLayer:
    """A staged layer, which can be read several times."""

    def __init__(self, staging: Folder, layer: Descriptor, label: str) -> None:
        self._staging = staging
        self._layer = layer
        self.what = f"{label}, layer {layer.digest}"

    def __iter__(self) -> t.Iterator[TarMember]:
        return iter(self.reader())

    def reader(self) -> TarReader:
        """Return a reader of the layer's members."""
        return open_staged_tar(self._staging, self._layer, self.what)


def _write_tree(
    folder: Folder, selected: dict[Parts, Node], layers: t.Sequence[_StagedLayer], extraction: Extraction, label: str
) -> tuple[list[TreeEntry], dict[Parts, Metadata]]:
    """Write the selected entries below FOLDER, and return them sorted, with their metadata, for a tar that of files too. Devices and FIFOs are left out.

    SELECTED is emptied: a root of many files would need twice the memory.
    """
    preserve = extraction.preserve if extraction.tar is None else ()
    owners = OWNER in preserve
    entries: dict[Parts, TreeEntry] = {}
    metadata: dict[Parts, Metadata] = {}
    wanted: dict[Origin, list[Parts]] = {}
    with contextlib.closing(TreeWriter(folder, preserve)) as writer:
        for parts, node in selected.items():
            if isinstance(node, FolderNode):
                writer.add_folder(parts, node.metadata)
                metadata[parts] = node.metadata
                entries[parts] = TreeEntry(parts, FOLDER, mode=restrict_mode(node.metadata.mode, preserve, is_folder=True))
            elif isinstance(node, LinkNode):
                metadata[parts] = node.metadata or Metadata(0o777)
                owner = (metadata[parts].owner, metadata[parts].group) if owners else (None, None)
                entries[parts] = TreeEntry(parts, SYMLINK, node.target, 0, 0o777, *owner)
            elif node.origin is not None and not node.is_special:
                wanted.setdefault(node.origin, []).append(parts)
            elif not node.is_special:
                raise UnsupportedFormat(f"{label}: {format_path(parts)} is a hard link to a file that the image doesn't have")
        selected.clear()
        for number, layer in enumerate(layers):
            for origin, member, reader in _members_of(layer, number, {origin for origin in wanted if origin[0] == number}):
                first, *others = wanted.pop(origin)
                found = read_metadata(member)
                file = writer.add_file(first, found, reader.content())
                owner = (found.owner, found.group) if owners else (None, None)
                mode = restrict_mode(found.mode, preserve, is_folder=False)
                for parts in (first, *others):
                    entries[parts] = TreeEntry(parts, FILE, str(file.digest), file.size, mode, owner[0], owner[1], file.attributes)
                    if extraction.tar is not None:
                        metadata[parts] = found
                for parts in others:
                    writer.add_hard_link(parts, first)
        # Links come last, so that nothing could ever be written through one.
        for parts, entry in entries.items():
            if entry.kind == SYMLINK:
                writer.add_symlink(parts, entry.value, metadata[parts])
    return [entries[parts] for parts in sorted(entries)], metadata


def _members_of(layer: _StagedLayer, number: int, wanted: t.Collection[Origin]) -> t.Iterator[tuple[Origin, TarMember, TarReader]]:
    """Yield the wanted members of one layer. The rest of the layer isn't read after the last one."""
    left = len(wanted)
    if not left:
        return
    reader = layer.reader()
    for position, member in enumerate(reader):
        if (number, position) in wanted:
            yield (number, position), member, reader
            left -= 1
            if not left:
                return


class _Publisher:
    """Renames staged entries into the destination, each whole, and writes the record of them at the end."""

    def __init__(self, dest: Folder, source: Folder, extraction: Extraction, image: str) -> None:
        self._dest, self._source = dest, source
        self._extraction = extraction
        self._image = image

    def publish(self, entries: t.Sequence[TreeEntry], staging: Folder) -> set[Parts]:
        """Publish ENTRIES, which are sorted, and return the paths that changed. Nothing is renamed before all are durable and have a place."""
        moves, changed = self._plan(entries)
        descriptor = staging.create_file(_RECORD)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(write_lines(self._image, entries))
        sync_file_system(staging.descriptor)
        sources, targets = ParentFolders(self._source), ParentFolders(self._dest)
        try:
            for entry in moves:
                with naming_path_in_errors(os.path.join(self._dest.path, *entry.parts)):
                    target = targets.open(entry.parts[:-1])
                    sources.open(entry.parts[:-1]).rename(entry.parts[-1], target, entry.parts[-1])
            self._set_modes([entry for entry in entries if entry.kind == FOLDER and entry.parts in changed])
        finally:
            sources.close()
            targets.close()
        sync_file_system(self._dest.descriptor)
        # The next run needs no staging folder, so it wouldn't delete what a killed run left there after it had written the record.
        for name in staging.list_names():
            if name != _RECORD:
                staging.remove_tree(name)
        staging.rename(_RECORD, self._dest, self._extraction.record)
        self._dest.sync()
        return changed

    def _plan(self, entries: t.Sequence[TreeEntry]) -> tuple[list[TreeEntry], set[Parts]]:
        """Return the entries to rename, and all that change: a folder that the destination doesn't have is renamed with all that is in it."""
        moves: list[TreeEntry] = []
        changed: set[Parts] = set()
        parents = ParentFolders(self._dest)
        moved: Parts | None = None
        try:
            for entry in entries:
                if moved is not None and entry.parts[: len(moved)] == moved:
                    changed.add(entry.parts)
                elif self._is_needed(entry, parents):
                    moves.append(entry)
                    changed.add(entry.parts)
                    moved = entry.parts if entry.kind == FOLDER else None
        finally:
            parents.close()
        return moves, changed

    def _is_needed(self, entry: TreeEntry, parents: ParentFolders) -> bool:
        path = os.path.join(self._dest.path, *entry.parts)
        with naming_path_in_errors(path):
            try:
                parent = parents.open(entry.parts[:-1])
            except NotADirectoryError as error:
                raise InputOutputError(f"{path} can't be written: a folder above it is a file or a link, and is not followed") from error
            status = parent.status(entry.parts[-1])
            if status is None:
                return True
            if entry.kind == FOLDER:
                if not stat.S_ISDIR(status.st_mode):
                    raise InputOutputError(f"{path} can't be written: it is a folder in the image, and a file or a link here, which is not followed")
                return False
            if self._extraction.existing is Existing.KEEP:
                return False
            if stat.S_ISDIR(status.st_mode):
                raise UnsupportedFormat(f"{path} is a folder, and can't be replaced by a file")
            if entry.matches(parent, status, with_mode=self._extraction.with_mode):
                return False
        return not self._extraction.existing.keeps_file(path, "the image")

    def _set_modes(self, folders: t.Sequence[TreeEntry]) -> None:
        """Take write permission from folders that the image doesn't let their owner write, the deepest first."""
        for entry in reversed(folders):
            if entry.mode & stat.S_IRWXU != stat.S_IRWXU:
                with naming_path_in_errors(os.path.join(self._dest.path, *entry.parts)), contextlib.ExitStack() as stack:
                    parent, name = stack.enter_context(self._dest.parent_of("/".join(entry.parts)))
                    os.fchmod(stack.enter_context(parent.open_folder(name)).descriptor, entry.mode)
