# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive on the controller that image_save makes on a host: check whether it has the right content, and replace it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import typing as t

from ..module_utils.archive.compression import decompress, detect_compression
from ..module_utils.atomic_files import FileTarget, ReplacementFile
from ..module_utils.errors import CorruptArchive, HostError, InputOutputError, PlanOutdated, UnsupportedFormat
from ..module_utils.files import naming_path_in_errors, read_descriptor
from ..module_utils.oci.digest import hash_stream
from .fetched_file import fetched_file, require_space
from .host_answers import HostAnswer

Results = dict[str, t.Any]

_COUNTS = ("bytes_transferred", "bytes_reused", "blobs_transferred", "blobs_reused")
# The most that the header of a compressed file and the frames of a small one can add.
_COMPRESSION_OVERHEAD = 65536
_KIND_BYTES = 6  # bytes by which a compression is recognised


def find_difference(path: str, compression: str | None, checksum: str) -> str | None:
    """Return why the file at PATH must be replaced by an archive whose uncompressed content has this sha256 CHECKSUM, or None if it has that content.

    Raises InputOutputError or UnsupportedFormat for a file that can't be replaced.
    """
    with FileTarget(path) as target:
        status = target.status()
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise UnsupportedFormat(f"{path} is no regular file, and can't be replaced by an archive")
        reason = "there is no such file yet" if status is None else _compare(target, compression, checksum)
        if reason is not None:
            target.require_writable()
    return reason


def _compare(target: FileTarget, compression: str | None, checksum: str) -> str | None:
    with naming_path_in_errors(target.path):
        descriptor = target.open()
        kind = detect_compression(os.pread(descriptor, _KIND_BYTES, 0))
    if kind != compression:
        os.close(descriptor)
        return f"the file is {f'compressed with {kind}' if kind else 'not compressed'}"
    chunks = read_descriptor(descriptor)
    try:
        found = hash_stream(decompress(chunks, kind, target.path) if kind is not None else chunks)[0].hex
    except CorruptArchive:
        return "the file is damaged"
    return None if found == checksum else "its content differs"


def describe_file(path: str) -> tuple[int, str]:
    """Return the size of a file and its sha256 checksum in hex."""
    with FileTarget(path) as target, naming_path_in_errors(path):
        descriptor = target.open()
        size = os.fstat(descriptor).st_size
        return size, hash_stream(read_descriptor(descriptor))[0].hex


def replace_with(path: str, mode: int, saved: SavedArchive, fetch: t.Callable[[str], None]) -> None:
    """Replace the file at PATH atomically with the archive SAVED, which FETCH writes to a given path.

    Its bytes are copied from the fetched file into the open new file. Raises HostError if the host sends anything but SAVED.
    """
    with FileTarget(path) as target, target.create_replacement(mode) as file:
        require_space(os.path.dirname(os.path.abspath(path)), saved.size)
        with fetched_file(saved.size, path, fetch) as descriptor:
            _copy(descriptor, file, saved)
        if not file.still_exists():
            raise InputOutputError(f"{path} was replaced by another user while it was written")
        file.publish()


def _copy(descriptor: int, file: ReplacementFile, saved: SavedArchive) -> None:
    """Copy the fetched file, and close it. Raises HostError if it isn't the archive SAVED."""
    hasher = hashlib.sha256()
    for chunk in read_descriptor(descriptor):
        hasher.update(chunk)
        file.write(chunk)
    if hasher.hexdigest() != saved.checksum:
        raise HostError(
            f"{file.display_path}: the archive changed on its way from the host: its checksum is {hasher.hexdigest()} instead of {saved.checksum}"
        )


@dataclasses.dataclass(frozen=True)
class SavedArchive:
    """The archive that a host has saved, or would save: its checked size and checksum, and the results of the module."""

    size: int
    checksum: str
    results: Results = dataclasses.field(repr=False)

    @classmethod
    def read(cls, results: Results) -> SavedArchive:
        """Check the results of image_save. Raises HostError."""
        answer = HostAnswer(results)
        answer.optional_text("reason")
        answer.answer("diff")
        if "after" not in results["diff"]:
            raise HostError("the answer of the host is malformed: diff.after is missing")
        for name in _COUNTS:
            answer.count(name)
        return cls(answer.count("size"), answer.checksum("checksum"), results)

    def require_from(self, planned: SavedArchive, compression: str | None) -> None:
        """Raise PlanOutdated unless this is the PLANNED archive, which isn't compressed. Compression adds little to what can't be compressed."""
        if compression is None:
            is_planned = (self.size, self.checksum) == (planned.size, planned.checksum)
        else:
            is_planned = self.size <= planned.size + planned.size // 100 + _COMPRESSION_OVERHEAD
        if not is_planned:
            raise PlanOutdated(
                f"the host saved an archive of {self.size} bytes instead of the planned one of {planned.size} bytes; "
                "if the images changed in the meantime, run the task again"
            )

    def with_reason(self, reason: str) -> Results:
        """Return the results with REASON as the reason for rewriting the file."""
        old = f": {self.results['reason']}"
        actions = [f"{action.removesuffix(old)}: {reason}" for action in self.results["actions"]]
        return {**self.results, "reason": reason, "actions": actions}

    def as_unchanged(self) -> Results:
        """Return the results of a save that finds the right content in the file."""
        results = self.results
        return {
            **results,
            "changed": False,
            "actions": [],
            "reason": None,
            "diff": {**results["diff"], "before": results["diff"]["after"]},
            "images": [{**image, "changed": False} for image in results["images"]],
            "bytes_reused": results["bytes_reused"] + results["bytes_transferred"],
            "blobs_reused": results["blobs_reused"] + results["blobs_transferred"],
            "bytes_transferred": 0,
            "blobs_transferred": 0,
        }
