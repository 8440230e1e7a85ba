# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to write the files of an artifact into a folder, from a registry, a store, a layout or an archive."""

from __future__ import annotations

import dataclasses
import typing as t

from ..atomic_files import existing_mode
from ..errors import LongshoreError
from ..oci.artifact_files import ArtifactFile, choose_files, list_files
from ..places.existing import Existing
from ..places.facts import describe_transfer, file_facts, short_digest
from ..places.files.folder import TargetFile, locate_files
from ..places.files.sink import FilesSink
from ..places.image_source import ImageSource
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer
from .single_image import SingleImage, SingleImageOptions

MARKED, ALL, NONE = "auto", "true", "false"


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Which files of an artifact are written, and where. `mode` returns the mode of a new file at a path.

    `unpack` is which tars are unpacked: those that are marked as packed, all, or none. With `keeps_modes` a file of these has another content if its mode
    differs.
    """

    dest: str
    titles: t.Sequence[str] | None = None
    media_types: t.Sequence[str] | None = None
    unpack: str = MARKED
    existing: Existing = Existing.OVERWRITE
    mode: t.Callable[[str], int] = existing_mode
    keeps_modes: bool = True

    def unpacks(self, file: ArtifactFile) -> bool:
        return file.is_packed if self.unpack == MARKED else file.is_tar and self.unpack == ALL


class ArtifactPlan(TransferPlan):
    """The plan of an artifact's files. A file of a run that fails is not changed."""

    def facts(self) -> dict[str, t.Any]:
        facts = super().facts()
        if self.errors:
            facts["files"] = [{**file, "changed": False} for file in facts["files"]]
        return facts


def plan_artifact_pull(find_source: t.Callable[[], ImageSource], label: str, options: FileOptions, reading: SingleImageOptions) -> TransferPlan:
    """Plan to write the files of the artifact that FIND_SOURCE opens. LABEL is its name in messages and results.

    An artifact that can't be pulled has its error in its row: UnsupportedFormat for an image and for unsafe titles, NameTaken for a file with other content
    if `existing` is `fail`, InputOutputError, and the errors of FIND_SOURCE and of `SingleImageOptions.read`.
    """
    try:
        return _plan(reading.read(find_source(), label, "artifacts"), options)
    except LongshoreError as error:
        return ArtifactPlan([ImagePlan(label, error=error)], results={"files": []}, files=())


def _plan(artifact: SingleImage, options: FileOptions) -> TransferPlan:
    label = artifact.label
    chosen = choose_files(list_files(artifact.manifest, artifact.read, label), options.titles, options.media_types, label)
    files = locate_files(options.dest, chosen, options.unpacks, keep=options.existing is Existing.KEEP, with_mode=options.keeps_modes)
    written = [file for file in files if not file.is_unchanged and not (file.exists and options.existing.keeps_file(file.path, label))]
    moves = {file.content.digest: file.content for file in written}
    reused = {file.content.digest: file.content for file in files if file.is_unchanged and file.content.digest not in moves}
    transfer = Transfer(
        artifact.source.source,
        FilesSink(files[0].folder, written, options.mode, as_one=True, existing=options.existing),
        artifact.graph,
        artifact.names,
        selection=None,
        moves=tuple(moves.values()),
        reused=tuple(reused.values()),
        pending=bool(written),
    )
    row = artifact.plan(
        [_change(file, file in written) for file in files],
        [f"write {file.path} ({short_digest(file.content.digest)}): {describe_transfer([file.content])}" for file in written],
        transfer,
    )
    rows = [
        {**file_facts(file.path, file.file.title, file.content, changed=file in written), "unpacked": file.unpacked is not None} for file in files
    ]
    return ArtifactPlan([row], results={"files": rows}, files=tuple(file.path for file in files if file.unpacked != ()))


def _change(file: TargetFile, is_written: bool) -> RefChange:
    before = RefState(file.current) if file.current is not None else None
    return RefChange(file.path, before, RefState(file.content.digest) if is_written else before)
