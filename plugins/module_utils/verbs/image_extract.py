# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to extract files of an image into a folder or a tar, from a registry, a store, a layout, an archive or an engine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ..archive.image_tree import format_path
from ..archive.selected_files import parse_path
from ..archive.tar import FILE, FOLDER, SYMLINK
from ..errors import InputOutputError, InvalidOption, LongshoreError, UnsupportedFormat
from ..files import naming_path_in_errors
from ..folders import open_path
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.text import replace_surrogates
from ..places.existing import Existing
from ..places.facts import describe_transfer
from ..places.files.extract_record import TreeEntry, find_unchanged, record_name
from ..places.files.extract_step import ExtractFiles, ExtractionOutcome
from ..places.files.extracted_tree import Extraction
from ..places.files.tree_writer import OWNER, XATTRS
from ..places.image_source import ImageSource
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.workers import Workers
from .single_image import SingleImage, SingleImageOptions

MAX_FILES = 1000  # rows of `files`
FOLDER_FORMAT, TAR_FORMAT = "folder", "tar"


@dataclasses.dataclass(frozen=True)
class ExtractOptions:
    """The options of the task. `sets_mode` is true if all files get the mode of the task, so that the image's doesn't count."""

    dest: str
    paths: t.Sequence[str]
    form: str = FOLDER_FORMAT
    strip: int = 0
    preserve: t.Sequence[str] = ()
    existing: Existing = Existing.OVERWRITE
    sets_mode: bool = False
    sets_owner: bool = False

    def extraction(self) -> Extraction:
        """Return what is extracted, and where. Raises InvalidOption."""
        if self.strip < 0:
            raise InvalidOption(f"strip_components {self.strip} is negative")
        if self.form == FOLDER_FORMAT and {OWNER, XATTRS} & set(self.preserve) and os.geteuid() != 0:
            raise InvalidOption(
                "preserve: only root can keep owners and extended attributes; use become, or format tar, which keeps them in the file"
            )
        if not self.paths:
            raise InvalidOption("paths is empty; leave it out to extract all files")
        if self.sets_owner and OWNER in self.preserve and self.form == FOLDER_FORMAT:
            raise InvalidOption("owner and group can't be set together with preserve 'owner'")
        patterns = tuple(sorted({parse_path(path) for path in self.paths}))
        path = os.path.abspath(self.dest)
        folder, tar = path, None
        if self.form == TAR_FORMAT:
            if self.dest.endswith("/") or os.path.isdir(path):
                raise InvalidOption(f"dest {self.dest} is a folder; with format tar it is the path of the file")
            folder, tar = os.path.split(path)
            if not os.path.isdir(folder):
                raise InputOutputError(f"{path} can't be written: the folder {folder} doesn't exist")
        preserve = tuple(sorted(set(self.preserve)))
        # The paths as text: the names of the options must not change their meaning later.
        record = record_name({"paths": list(patterns), "strip": self.strip, "preserve": preserve, "tar": tar})
        return Extraction(folder, patterns, record, tar, self.strip, preserve, self.existing, with_mode=not self.sets_mode)


@dataclasses.dataclass(frozen=True)
class ExtractPlan(TransferPlan):
    """The plan of an extraction. After it was applied, it knows the files that were written. `unchanged` are the entries that are there already."""

    unchanged: t.Sequence[TreeEntry] = ()
    folder: str = ""

    def apply(self, workers: Workers) -> ExtractPlan:
        done = super().apply(workers)
        return dataclasses.replace(done, files=tuple(self._path(entry) for entry in done.entries if entry.kind == FILE))

    @property
    def entries(self) -> t.Sequence[TreeEntry]:
        written = [outcome.extracted.entries for outcome in self.outcomes if isinstance(outcome, ExtractionOutcome) and outcome.extracted is not None]
        return written[0] if written else self.unchanged

    def warnings(self) -> list[str]:
        special = sum(
            outcome.extracted.special for outcome in self.outcomes if isinstance(outcome, ExtractionOutcome) and outcome.extracted is not None
        )
        return [*super().warnings(), *([f"{special} devices and FIFOs of the image were left out"] if special else [])]

    def facts(self) -> dict[str, t.Any]:
        changed: t.Collection[tuple[str, ...]] = ()
        for outcome in self.outcomes:
            if isinstance(outcome, ExtractionOutcome) and outcome.extracted is not None:
                changed = outcome.extracted.changed
        files = [entry for entry in self.entries if entry.kind != FOLDER]
        return {**super().facts(), "files": [self._row(entry, entry.parts in changed) for entry in files[:MAX_FILES]], "file_count": len(files)}

    def _row(self, entry: TreeEntry, is_changed: bool) -> dict[str, t.Any]:
        is_link = entry.kind == SYMLINK
        return {
            "path": replace_surrogates(self._path(entry)),
            "digest": None if is_link else entry.value,
            "target": replace_surrogates(entry.value) if is_link else None,
            "size": entry.size,
            "changed": is_changed,
        }

    def _path(self, entry: TreeEntry) -> str:
        return os.path.join(self.folder, *entry.parts)


def plan_image_extract(find_source: t.Callable[[], ImageSource], label: str, options: ExtractOptions, reading: SingleImageOptions) -> TransferPlan:
    """Plan to extract files of the image that FIND_SOURCE opens. LABEL is its name in messages and results.

    The layers are not read: a path that the image doesn't have is an error of the real run. An image that can't be extracted has its error in its row:
    UnsupportedFormat for an artifact, and the errors of FIND_SOURCE and of `SingleImageOptions.read`. Raises InvalidOption.
    """
    extraction = options.extraction()
    try:
        return _plan(reading.read(find_source(), label, "images"), extraction)
    except LongshoreError as error:
        return ExtractPlan([ImagePlan(label, error=error)], files=(), folder=extraction.folder)


def _plan(image: SingleImage, extraction: Extraction) -> TransferPlan:
    source, label, graph = image.source, image.label, image.graph
    if not image.manifest.is_image:
        raise UnsupportedFormat(f"{label} is an artifact and not an image; artifact_pull writes its files")
    if not image.manifest.layers:
        raise UnsupportedFormat(f"{label} has no layers, and so no files")
    unchanged = _find_unchanged(extraction, graph)
    dest = extraction.folder if extraction.tar is None else os.path.join(extraction.folder, extraction.tar)
    state = RefState(image.facts.digest)
    paths = ", ".join(map(format_path, extraction.patterns[:5])) + (", ..." if len(extraction.patterns) > 5 else "")
    action = f"extract {paths} of {label} to {dest}: at most {describe_transfer(_unique(graph))}"
    row = image.plan([RefChange(dest, state if unchanged is not None else None, state)], [action] if unchanged is None else [])
    if unchanged is not None:
        files = tuple(os.path.join(extraction.folder, *entry.parts) for entry in unchanged if entry.kind == FILE)
        return ExtractPlan([row], files=files, unchanged=unchanged, folder=extraction.folder)
    step = ExtractFiles(source.source, graph, image.names, label, extraction, row)
    return ExtractPlan([row], steps=[step], files=(), folder=extraction.folder)


def _unique(graph: Graph) -> t.Sequence[t.Any]:
    return list({layer.digest: layer for layer in graph.images[0].manifest.layers}.values())


def _find_unchanged(extraction: Extraction, graph: Graph) -> t.Sequence[TreeEntry] | None:
    with naming_path_in_errors(extraction.folder), contextlib.suppress(FileNotFoundError), open_path(extraction.folder) as folder:
        image: Digest = graph.root.digest
        keep = extraction.existing is Existing.KEEP
        return find_unchanged(folder, extraction.record, str(image), keep=keep, with_mode=extraction.with_mode)
    return None
