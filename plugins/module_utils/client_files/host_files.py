# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and change the files of engines on a host, or below another root, such as the folder of an image that is being built."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from ..atomic_files import replace_file
from ..errors import InputOutputError, system_error
from ..files import naming_path_in_errors, read_named
from ..folders import make_path
from ..limits import MAX_CONFIG_FILE
from ..transfer.plan import Outcome, Step
from ..transfer.workers import Workers
from .layout import Record
from .planned_file import PlannedFile


class HostFiles:
    """The files below ROOT. Paths are those that engines use, which begin with `/`."""

    def __init__(self, root: str) -> None:
        self.root = "" if root == "/" else root.rstrip("/")

    def real(self, path: str) -> str:
        """Return the path of a file on this host.

        Raises InputOutputError for a link below another root than `/`: it could lead out of that root.
        """
        if not self.root:
            return path
        found = self.root
        for part in path.strip("/").split("/"):
            found = f"{found}/{part}"
            if os.path.islink(found):
                raise InputOutputError(f"{found} is a link, and none is followed below the root {self.root}")
        return found

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None if it doesn't exist. Raises InputOutputError, also for a file that is too long."""
        real = self.real(path)
        try:
            with naming_path_in_errors(real):
                data = read_named(real, MAX_CONFIG_FILE)
        except InputOutputError as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                return None
            raise
        if len(data) > MAX_CONFIG_FILE:
            raise InputOutputError(f"{real} is longer than the {MAX_CONFIG_FILE} bytes that are allowed")
        return data

    def mode(self, path: str) -> int | None:
        """Return the permissions of a file, None if it doesn't exist."""
        try:
            return stat.S_IMODE(os.stat(self.real(path)).st_mode)
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; none if it doesn't exist."""
        try:
            return sorted(os.listdir(self.real(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise system_error(error, self.real(folder)) from error

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(self.real(path))


@dataclasses.dataclass(frozen=True)
class FileChange:
    """A file to write, or to delete if `file` has no content. `before` is its content before the change, None if it doesn't exist."""

    file: PlannedFile
    path: str
    before: bytes | None
    mode: int

    @property
    def action(self) -> str:
        verb = "delete" if self.file.content is None else "write" if self.before is None else "change"
        return f"{verb} {self.path}"

    def apply(self) -> None:
        """Replace the file atomically, or delete it. Raises InputOutputError or DiskFull that names it."""
        if self.file.content is not None:
            make_path(os.path.dirname(self.path), 0o755).close()
            replace_file(self.path, self.file.content, self.mode)
            return
        with naming_path_in_errors(self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


@dataclasses.dataclass(frozen=True)
class ChangeFiles(Step):
    """Change files, and delete empty folders that an earlier run made. The file `record_path` gets the united record first, and the new record at the end."""

    changes: tuple[FileChange, ...]
    folders: tuple[str, ...]
    record_path: str
    record_before: Record
    record_after: Record

    def apply(self, unused_workers: Workers) -> Outcome:
        self._write_record(self.record_before.united(self.record_after))
        for change in self.changes:
            change.apply()
        for folder in self.folders:
            # Somebody may have put a file there since the plan was made.
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        self._write_record(self.record_after)
        return Outcome()

    def _write_record(self, record: Record) -> None:
        content = record.to_bytes()
        if content is not None:
            make_path(os.path.dirname(self.record_path), 0o755).close()
            replace_file(self.record_path, content, 0o644)
        else:
            with naming_path_in_errors(self.record_path), contextlib.suppress(FileNotFoundError):
                os.unlink(self.record_path)


def missing_folders(path: str, exists: t.Callable[[str], bool]) -> list[str]:
    """Return the folders that must be made for the file PATH, the outermost first."""
    missing: list[str] = []
    folder = os.path.dirname(path)
    while folder != "/" and not exists(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing
