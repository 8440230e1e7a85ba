# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing files, also in folders that other users may write to: a file is the old or the new one, and nothing that others planted is opened or followed."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import typing as t

from .errors import InputOutputError, LongshoreError, UnsupportedFormat
from .files import FileWriter, naming_path_in_errors, try_lock
from .folders import Folder, give_to, open_parent

_MARK = ".longshore-"
_MAX_NAME = 255 - len(".") - len(_MARK) - 16
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_DEFAULT_MODE = 0o644


class FilePlace:
    """The place of one file: its folder, held open, and its name there. A link at the name is followed if root or the running user made it.

    Nothing done here can be redirected afterwards, whatever is put in the place of the folder or of the file.
    """

    def __init__(self, path: str) -> None:
        """Raises InputOutputError for a missing folder and for a link of another user, UnsupportedFormat for a folder without a name."""
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

    def __enter__(self) -> FilePlace:
        return self

    def __exit__(self, *unused: object) -> None:
        self.folder.close()

    def status(self) -> os.stat_result | None:
        """Return the status of what is there now, None if nothing is."""
        with naming_path_in_errors(self.path):
            return self.folder.status(self.name)

    def open(self) -> int:
        """Open the file that is there for reading, and return its descriptor. Raises FileNotFoundError, InputOutputError for what is no regular file."""
        return self.folder.open_file(self.name)

    def planted_by(self) -> int | None:
        """Return the user ID of another user who may have planted what is here, None if nobody can have done that.

        In a folder like /tmp anybody may do it, and change the file at any later time. Members of a group that share a folder trust each other, unless the
        folder is sticky.
        """
        status, folder = self.status(), self.folder.own_status()
        if status is None or status.st_uid in (0, os.geteuid(), folder.st_uid):
            return None
        is_open = folder.st_mode & stat.S_IWOTH or (folder.st_mode & stat.S_IWGRP and folder.st_mode & stat.S_ISVTX)
        return status.st_uid if is_open else None

    def require_writable(self) -> None:
        """Raises InputOutputError if this user can't replace the file: check mode says so as the run that follows would."""
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self.folder.descriptor):
            raise InputOutputError(f"{self.path} can't be written: the folder {self.folder.path} is read-only, or denied to this user")
        status, folder = self.status(), self.folder.own_status()
        is_kept = folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid)
        if status is not None and is_kept and status.st_uid != os.geteuid():
            raise InputOutputError(f"{self.path} can't be replaced: it belongs to another user (uid {status.st_uid}), and its folder is sticky")

    @contextlib.contextmanager
    def new_file(self, mode: int) -> t.Iterator[NewFile]:
        """Create the file that `publish` puts in this place."""
        with naming_path_in_errors(self.path):
            folder = self.folder.listable()
        with folder, new_file(folder, self.name, mode, self.path) as file:
            yield file


class NewFile(FileWriter):
    """A file under a temporary name in an open folder, that is published under its own name when it is whole, and deleted otherwise."""

    def __init__(self, folder: Folder, name: str, mode: int, path: str) -> None:
        """NAME is its own name; messages call it PATH."""
        self._folder = folder
        self._name = name
        self._temporary = f".{_cut(name)}{_MARK}{random.getrandbits(64):016x}"
        self._is_published = False
        with naming_path_in_errors(path):
            super().__init__(folder.create_file(self._temporary, mode), path)

    def __enter__(self) -> NewFile:
        return self

    @property
    def temporary_path(self) -> str:
        return self._folder.path_of(self._temporary)

    def is_there(self) -> bool:
        """Return whether the temporary name still is this file's."""
        with naming_path_in_errors(self.display_path):
            return self._is_at(self._temporary)

    def _is_at(self, name: str) -> bool:
        status = self._folder.status(name)
        return status is not None and os.path.samestat(status, os.fstat(self._descriptor))

    def keep_safe_owner(self) -> None:
        """Give the file the user and group of the one it replaces, if no stranger can have planted that one, and if the system allows it."""
        replaced = self._folder.status(self._name)
        if replaced is not None and _is_safe_owner(self._folder.own_status(), replaced):
            give_to(self._descriptor, replaced)

    def publish(self) -> None:
        """Make the content and the name durable, in place of the file that was there.

        Raises InputOutputError if somebody who may write to the folder exchanged the file meanwhile.
        """
        with naming_path_in_errors(self.display_path):
            os.fsync(self._descriptor)
            self._folder.rename(self._temporary, self._folder, self._name)
            self._is_published = True
            if not self._is_at(self._name):
                raise InputOutputError(f"{self.display_path} was exchanged by another user while it was written")
            self._folder.sync()

    def __exit__(self, *unused: object) -> None:
        """Delete the file if it was not published. If that fails a later run does it; the error to report is the one that came first."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        if not self._is_published:
            with contextlib.suppress(OSError):
                self._folder.unlink(self._temporary)


@contextlib.contextmanager
def new_file(folder: Folder, name: str, mode: int, path: str) -> t.Iterator[NewFile]:
    """Create a file that will replace NAME in FOLDER; messages call it PATH.

    It is locked while its writer lives: so the next writer recognises what dead ones left, and deletes it.
    """
    with naming_path_in_errors(path):
        _delete_leftovers(folder, name)
    while True:
        with NewFile(folder, name, mode, path) as file:
            try_lock(file.fileno(), file.temporary_path)
            # Before it was locked another writer may have taken it for a dead one's.
            if file.is_there():
                file.keep_safe_owner()
                yield file
                return


def _delete_leftovers(folder: Folder, name: str) -> None:
    """Delete the regular files of dead writers of the same file: those that nobody holds locked. Opening a planted FIFO would wait for ever."""
    for left in folder.names():
        if left.startswith(f".{_cut(name)}{_MARK}"):
            with contextlib.suppress(OSError, LongshoreError):
                descriptor = folder.open_file(left)
                try:
                    if try_lock(descriptor, folder.path_of(left)):
                        folder.unlink(left)
                finally:
                    os.close(descriptor)


def _cut(name: str) -> str:
    """Return as much of a name as leaves room for our mark: names of files have at most 255 bytes."""
    return os.fsdecode(os.fsencode(name)[:_MAX_NAME])


def is_temporary_name(name: str) -> bool:
    """Return whether a file of this name is one that was not published yet."""
    return name.startswith(".") and _MARK in name


def _is_safe_owner(folder: os.stat_result, file: os.stat_result) -> bool:
    """Return whether the file that replaces FILE may belong to the same user: that is no loss only if a stranger can't have planted FILE."""
    own = os.geteuid()
    if not stat.S_ISREG(file.st_mode):
        return False
    if file.st_uid in (own, folder.st_uid):
        return True
    return is_private_folder(folder)


def is_private_folder(folder: os.stat_result) -> bool:
    """Return whether only root and the running user may make files in this folder."""
    return folder.st_uid in (0, os.geteuid()) and not folder.st_mode & _WRITABLE_BY_OTHERS


def existing_mode(path: str) -> int:
    """Return the mode for a file that is written: the permissions of the one it replaces, if no stranger can have planted that one; else readable for all."""
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
    """Return the mode of a folder whose files have MODE: all who may read the files can enter it."""
    return mode | (mode & 0o444) >> 2


def require_folder(path: str) -> None:
    """Raises InputOutputError if the folder of the file PATH doesn't exist, or if this user can't write there."""
    with FilePlace(path) as place:
        place.require_writable()


def replace_file(path: str, data: bytes, mode: int) -> None:
    """Make DATA the content of PATH, or of the file that a link there leads to: whole and durable, or as it was."""
    with FilePlace(path) as place, place.new_file(mode) as file:
        file.write(data)
        file.publish()
