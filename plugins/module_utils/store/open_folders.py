# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open the folders of a store, each only once, and keep them open.

A user who owns or shares a store could replace one of its folders with a link while root works in it. Root would then delete, create or change the
owner of files where the link points. Names below an open folder can't be redirected this way.
"""

from __future__ import annotations

import os
import threading

from ..errors import StoreDamaged, UnsupportedFormat
from ..files import naming_path_in_errors
from ..folders import Folder, make_path, open_path

PRIVATE = ".longshore"

_Names = tuple[str, ...]


class StoreFolders:
    """The store's folder and the folders below it, by their relative path. Safe to use from several threads."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._open: dict[_Names, Folder] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Forget all open folders. A later call opens them again; a caller that still uses one keeps it open until it is done."""
        with self._lock:
            self._open.clear()

    def find(self, *names: str) -> Folder | None:
        """Return the folder at the relative path NAMES, the store's folder without NAMES, None if it is missing.

        Raises StoreDamaged if it is a link or not a folder, or a private folder of a user who neither owns nor shares the store; UnsupportedFormat if
        the store's path is not a folder; InputOutputError.
        """
        with self._lock:
            return self._find(names)

    def make(self, mode: int, *names: str) -> Folder:
        """Return a folder as `find` does. Create it with MODE, owned by the store's owner, if it is missing."""
        with self._lock:
            existing = self._find(names)
            if existing is not None:
                return existing
            if not names:
                return self._remember(names, make_path(self.path, mode))
            parent = self._find(names[:-1])
            if parent is None:
                raise StoreDamaged(f"{os.path.join(self.path, *names[:-1])} was removed while this task ran; run it again")
            with naming_path_in_errors(f"the folder {parent.path_of(names[-1])} can't be made"):
                created = parent.make_folder(names[-1], mode, self._read_owner())
            self._check_owner(names, created)
            return self._remember(names, created)

    @property
    def owner(self) -> os.stat_result:
        """The status of the store's folder. Its user and group become the owner of everything that is created in the store."""
        with self._lock:
            return self._read_owner()

    def check_file(self, status: os.stat_result, path: str) -> None:
        """Raise StoreDamaged for a private file that belongs to a user who neither owns nor shares the store, or that has several hard links.

        A file with two names may be a file from outside that a user linked into the store: our changes would hit that file.
        """
        if status.st_nlink > 1:
            raise StoreDamaged(f"{path} has {status.st_nlink} names (hard links) and may be a file from elsewhere; remove it from the store")
        with self._lock:
            self._check_user(status, path)

    def _find(self, names: _Names) -> Folder | None:
        folder = self._open.get(names)
        if folder is not None:
            return folder
        path = os.path.join(self.path, *names)
        with naming_path_in_errors(path):
            try:
                if not names:
                    folder = open_path(path)
                else:
                    parent = self._find(names[:-1])
                    if parent is None:
                        return None
                    folder = parent.open_folder(names[-1])
            except FileNotFoundError:
                return None
            except NotADirectoryError as error:
                if not names:
                    raise UnsupportedFormat(f"{path} is not a folder; give a folder for the store") from error
                raise StoreDamaged(
                    f"{path} is a link, or not a folder, and is not followed; remove it, or move the store away to begin a new one"
                ) from error
        self._check_owner(names, folder)
        return self._remember(names, folder)

    def _remember(self, names: _Names, folder: Folder) -> Folder:
        self._open[names] = folder
        return folder

    def _read_owner(self) -> os.stat_result:
        folder = self._find(())
        if folder is None:
            raise StoreDamaged(f"{self.path} was removed while this task ran; run it again")
        return folder.own_status()

    def _check_owner(self, names: _Names, folder: Folder) -> None:
        if names[:1] == (PRIVATE,):
            self._check_user(folder.own_status(), folder.path)

    def _check_user(self, status: os.stat_result, path: str) -> None:
        """Raise StoreDamaged unless the store's owner, the running user or, in a store that its group may write to, a member of the group owns PATH.

        Any other user could replace our files before they are published.
        """
        owner = self._read_owner()
        if status.st_uid in (owner.st_uid, os.geteuid()) or (owner.st_mode & 0o020 and status.st_gid == owner.st_gid):
            return
        raise StoreDamaged(
            f"{path} belongs to uid {status.st_uid}, who neither owns the store nor runs this; remove it, or give it to uid {owner.st_uid} if you trust it"
        )
