# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive on the controller that image_save makes on a host: check whether it has the right content, and replace it."""

from __future__ import annotations

import os
import stat
import typing as t

from ..module_utils.archive.compression import decompress, detect_compression
from ..module_utils.atomic_files import FileTarget
from ..module_utils.errors import CorruptArchive, InputOutputError, UnsupportedFormat
from ..module_utils.files import naming_path_in_errors, read_descriptor
from ..module_utils.oci.digest import hash_stream

Results = dict[str, t.Any]

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


def replace_with(path: str, mode: int, fetch: t.Callable[[str], None], checksum: str) -> None:
    """Replace the file at PATH atomically with the file that FETCH writes to a temporary path. Raises InputOutputError if its sha256 is not CHECKSUM."""
    with FileTarget(path) as target, target.create_replacement(mode) as file:
        fetch(file.temporary_path)
        if not file.still_exists():
            raise InputOutputError(f"{path} was replaced by another user while it was written")
        found = describe_file(file.temporary_path)[1]
        if found != checksum:
            raise InputOutputError(f"{path}: the archive changed on its way from the host: its checksum is {found} instead of {checksum}")
        file.publish()


def set_reason(results: Results, reason: str) -> Results:
    """Return RESULTS with REASON as the reason for rewriting the file."""
    old = f": {results['reason']}"
    actions = [f"{action.removesuffix(old)}: {reason}" for action in results["actions"]]
    return {**results, "reason": reason, "actions": actions}


def as_unchanged(results: Results) -> Results:
    """Turn the results of a save that writes a file into those of a save that finds the right content in it."""
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
