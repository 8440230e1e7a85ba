# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace files atomically, also in folders that other users can write to, without opening or following anything that those users put there."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import typing as t

from .errors import InputOutputError, LongshoreError, UnsupportedFormat
from .files import FileWriter, naming_path_in_errors, try_lock
from .folders import Folder, may_be_planted, open_parent, set_owner

_TEMPORARY_MARK = ".longshore-"
_MAX_NAME = 255 - len(".") - len(_TEMPORARY_MARK) - 16
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_DEFAULT_MODE = 0o644


class FileTarget:
    """The path of a file to read or replace: its open folder and its name. `create_replacement` creates the new content as a ReplacementFile.

    A link at the path is followed if root or the running user owns it. Replacing the folder or the file by a link later redirects nothing.
    """

    def __init__(self, path: str) -> None:
        """Open the folder of PATH. Raises InputOutputError for a missing folder or a link of another user, UnsupportedFormat if PATH is a folder."""
        self.path = path
        try:
            with naming_path_in_errors(path):
                self.folder, self.name = open_parent(path)
        except InputOutputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                folder = os.path.dirname(os.path.abspath(path))
                raise InputOutputError(f"{path} can't be written: the folder {folder} doesn't exist") from error
            raise
        if not self.name:
            self.folder.close()
            raise UnsupportedFormat(f"{path} is a folder, and can't be replaced by a file")

    def __enter__(self) -> FileTarget:
        return self

    def __exit__(self, *unused: object) -> None:
        self.folder.close()

    def status(self) -> os.stat_result | None:
        """Return the status of the existing file, or None if there is none."""
        with naming_path_in_errors(self.path):
            return self.folder.status(self.name)

    def open(self) -> int:
        """Open the existing file for reading, and return its descriptor. Raises FileNotFoundError, or InputOutputError if it is not a regular file."""
        return self.folder.open_file(self.name)

    def find_stranger(self) -> int | None:
        """Return the user ID of the owner of the existing file if that is another user who may have put it here to attack us, else None."""
        status = self.status()
        return status.st_uid if status is not None and may_be_planted(status, self.folder.own_status()) else None

    def require_writable(self) -> None:
        """Raise InputOutputError if this user can't replace the file, so that check mode fails like the real run."""
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self.folder.descriptor):
            raise InputOutputError(f"{self.path} can't be written: the folder {self.folder.path} is read-only, or denied to this user")
        status, folder = self.status(), self.folder.own_status()
        is_protected = folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid)
        if status is not None and is_protected and status.st_uid != os.geteuid():
            raise InputOutputError(f"{self.path} can't be replaced: it belongs to another user (uid {status.st_uid}), and its folder is sticky")

    @contextlib.contextmanager
    def create_replacement(self, mode: int) -> t.Iterator[ReplacementFile]:
        """Create a temporary file whose `publish` replaces the file."""
        with naming_path_in_errors(self.path):
            folder = self.folder.reopen_for_listing()
        with contextlib.ExitStack() as stack:
            stack.enter_context(folder)
            yield stack.enter_context(create_replacement(folder, self.name, mode, self.path))


class ReplacementFile(FileWriter):
    """A temporary file next to the file that it replaces. `publish` renames it and syncs the folder; without that it is deleted at the end.

    Unlike TemporaryFile, which the store uses, it chooses its temporary name and detects that another user replaced it.
    """

    def __init__(self, folder: Folder, name: str, mode: int, path: str) -> None:
        """Create the file, which will replace NAME in FOLDER. Messages use PATH."""
        self._folder = folder
        self._name = name
        self._temporary = f".{_shorten_name(name)}{_TEMPORARY_MARK}{random.getrandbits(64):016x}"
        self._is_published = False
        with naming_path_in_errors(path):
            super().__init__(folder.create_file(self._temporary, mode), path)

    def __enter__(self) -> ReplacementFile:
        return self

    @property
    def temporary_path(self) -> str:
        """Return the path of the file before it is published, for messages."""
        return self._folder.path_of(self._temporary)

    def still_exists(self) -> bool:
        """Return True if the temporary name still refers to this file."""
        with naming_path_in_errors(self.display_path):
            return self._has_name(self._temporary)

    def _has_name(self, name: str) -> bool:
        status = self._folder.status(name)
        return status is not None and os.path.samestat(status, os.fstat(self._descriptor))

    def keep_safe_owner(self) -> None:
        """Give the file the user and group of the file that it replaces, if no other user can have created that file and the system allows it."""
        replaced = self._folder.status(self._name)
        if replaced is not None and _is_safe_owner(self._folder.own_status(), replaced):
            set_owner(self._descriptor, replaced)

    def publish(self) -> None:
        """Make the content and the name durable, and replace the old file.

        Raises InputOutputError if another user who can write to the folder replaced the temporary file before the rename.
        """
        with naming_path_in_errors(self.display_path):
            os.fsync(self._descriptor)
            self._folder.rename(self._temporary, self._folder, self._name)
            self._is_published = True
            if not self._has_name(self._name):
                raise InputOutputError(f"{self.display_path} was replaced by another user while it was written")
            self._folder.sync()

    def __exit__(self, *unused: object) -> None:
        """Delete the file if it was not published. If that fails, a later run deletes it, so that the first error is the one reported."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        if not self._is_published:
            with contextlib.suppress(OSError):
                self._folder.unlink(self._temporary)


@contextlib.contextmanager
def create_replacement(folder: Folder, name: str, mode: int, path: str) -> t.Iterator[ReplacementFile]:
    """Create a temporary file that will replace NAME in FOLDER. Messages use PATH.

    The file is locked while its writer runs, so that a later writer recognises and deletes files of killed runs.
    """
    with naming_path_in_errors(path):
        _delete_leftovers(folder, name)
    while True:
        with ReplacementFile(folder, name, mode, path) as file:
            try_lock(file.fileno(), file.temporary_path)
            # Before the lock was acquired, another writer may have deleted the file as a leftover.
            if file.still_exists():
                file.keep_safe_owner()
                yield file
                return


def _delete_leftovers(folder: Folder, name: str) -> None:
    """Delete unlocked temporary files for NAME, which killed runs left. Only regular files are opened: opening a FIFO of another user would block."""
    for leftover in folder.list_names():
        if leftover.startswith(f".{_shorten_name(name)}{_TEMPORARY_MARK}"):
            with contextlib.suppress(OSError, LongshoreError):
                descriptor = folder.open_file(leftover)
                try:
                    if try_lock(descriptor, folder.path_of(leftover)):
                        folder.unlink(leftover)
                finally:
                    os.close(descriptor)


def _shorten_name(name: str) -> str:
    """Return NAME shortened so that the temporary name fits: file names have at most 255 bytes."""
    return os.fsdecode(os.fsencode(name)[:_MAX_NAME])


def is_temporary_name(name: str) -> bool:
    """Return True if NAME is the name of an unpublished temporary file."""
    return name.startswith(".") and _TEMPORARY_MARK in name


def _is_safe_owner(folder: os.stat_result, file: os.stat_result) -> bool:
    """Return True if the replacement of FILE may belong to the same user, which is safe only if no other user can have created FILE."""
    own = os.geteuid()
    if not stat.S_ISREG(file.st_mode):
        return False
    if file.st_uid in (own, folder.st_uid):
        return True
    return is_private_folder(folder)


def is_private_folder(folder: os.stat_result) -> bool:
    """Return True if only root and the running user can create files in FOLDER."""
    return folder.st_uid in (0, os.geteuid()) and not folder.st_mode & _WRITABLE_BY_OTHERS


def existing_mode(path: str) -> int:
    """Return the mode for a new file at PATH.

    This is the mode of the file that it replaces, if no other user can have created that file; else readable for all.
    """
    with naming_path_in_errors(path):
        try:
            folder, name = open_parent(path)
        except FileNotFoundError:
            return _DEFAULT_MODE
        with folder:
            status = folder.status(name) if name else None
            if status is not None and _is_safe_owner(folder.own_status(), status):
                return stat.S_IMODE(status.st_mode) & 0o777
    return _DEFAULT_MODE


def folder_mode(mode: int) -> int:
    """Return the mode of a folder whose files have MODE: everybody who can read the files can enter the folder."""
    return mode | (mode & 0o444) >> 2


def require_folder(path: str) -> None:
    """Raise InputOutputError if the folder of the file PATH doesn't exist, or if this user can't write to it."""
    with FileTarget(path) as target:
        target.require_writable()


def replace_file(path: str, data: bytes, mode: int) -> None:
    """Replace the content of PATH, or of the file that the link PATH leads to, with DATA, atomically and durably."""
    with FileTarget(path) as target, target.create_replacement(mode) as file:
        file.write(data)
        file.publish()
