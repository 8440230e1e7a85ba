# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees that were unpacked in the staging folder of an artifact's files, and wait for their places."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ...archive.tar import FOLDER
from ...errors import UnsupportedFormat
from ...files import naming_path_in_errors, sync_file_system
from ...folders import Folder
from ...oci.titles import fold_title
from ..existing import Existing
from .extract_record import TreeEntry, write_lines
from .folder import TargetFile
from .staged_tar import open_staged_tar
from .unpacked import move_entries, plan_moves, unpack


@dataclasses.dataclass(frozen=True)
class StagedTree:
    """One unpacked tar. `tree` and `record` are names in the staging folder, of the files and of the record of them."""

    staging: Folder
    tree: str
    record: str
    file: TargetFile
    moves: t.Sequence[TreeEntry]

    def publish(self, target: Folder) -> None:
        """Rename the files to their places in TARGET, and the record last, so that a run that is killed before is repeated."""
        with naming_path_in_errors(self.file.path):
            with self.staging.open_folder(self.tree) as tree:
                move_entries(tree, target, self.moves)
            sync_file_system(target.descriptor)
            self.staging.rename(self.record, target, self.file.record)
            target.sync()


def stage_trees(target: Folder, staging: Folder, files: t.Sequence[TargetFile], others: t.Sequence[str], existing: Existing) -> list[StagedTree]:
    """Unpack FILES, whose tars are in STAGING, and plan where their entries go in TARGET. All is durable when this returns.

    Raises UnsupportedFormat for a tar that is refused, and if two tars, or a tar and one of OTHERS, the paths of other files, have one path.
    """
    trees: list[StagedTree] = []
    taken = {fold_title(name): name for name in others}
    with naming_path_in_errors(staging.path):
        for number, file in enumerate(files):
            tree, record = f"tree-{number}", f"record-{number}"
            for name in (tree, record):
                staging.remove_tree(name)  # of a run that was killed
            what = f"the tar {file.file.title!r}"
            with staging.make_folder(tree, 0o700) as folder:
                reader = open_staged_tar(staging, file.content, what)
                entries = unpack(reader, folder, file.unpacked or (), what)
            for entry in entries:
                path = "/".join(entry.parts)
                if entry.kind != FOLDER and taken.setdefault(fold_title(path), file.file.title) != file.file.title:
                    raise UnsupportedFormat(
                        f"{what} is refused: {path!r:.200} in it is in another file of the artifact too; choose files with titles"
                    )
            with os.fdopen(staging.create_file(record), "wb") as lines:
                lines.writelines(write_lines(str(file.content.digest), entries))
            trees.append(StagedTree(staging, tree, record, file, plan_moves(target, entries, existing)))
        sync_file_system(staging.descriptor)
    return trees
