# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of a store, each opened once and held open.

A user who owns a store, or shares it, could replace one of its folders with a link while root works in it: root would then delete, make or give away
files wherever the link leads. Names below an open folder can't be redirected like that.
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
    """The store's own folder and those below it, by their names from there. Safe to use from several threads."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._open: dict[_Names, Folder] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of all folders. They are opened again if they are needed again; who still uses one keeps it open for so long."""
        with self._lock:
            self._open.clear()

    def find(self, *names: str) -> Folder | None:
        """Return the folder below the store that NAMES lead to, the store's own without NAMES; None if it is missing.

        Raises StoreDamaged for a link or anything else in its place, and for a private folder of a user who has no part in the store; UnsupportedFormat if
        the store's path is no folder; InputOutputError.
        """
        with self._lock:
            return self._find(names)

    def make(self, mode: int, *names: str) -> Folder:
        """Return a folder as `find` does, after making it if it is missing: with MODE, and for the store's owner."""
        with self._lock:
            found = self._find(names)
            if found is not None:
                return found
            if not names:
                return self._keep(names, make_path(self.path, mode))
            parent = self._find(names[:-1])
            if parent is None:
                raise StoreDamaged(f"{os.path.join(self.path, *names[:-1])} went away while this ran; run it again")
            with naming_path_in_errors(f"the folder {parent.path_of(names[-1])} can't be made"):
                made = parent.make_folder(names[-1], mode, self._own_status())
            self._check_owner(names, made)
            return self._keep(names, made)

    @property
    def owner(self) -> os.stat_result:
        """The status of the store's own folder: its user and group are to have everything that is made in the store."""
        with self._lock:
            return self._own_status()

    def check_file(self, status: os.stat_result, path: str) -> None:
        """Raise StoreDamaged for a private file that belongs to a user who has no part in the store, or that has other names outside of it.

        A file with two names may be somebody's own, which was linked into the store: what we did to it would happen to that file.
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
        return self._keep(names, folder)

    def _keep(self, names: _Names, folder: Folder) -> Folder:
        self._open[names] = folder
        return folder

    def _own_status(self) -> os.stat_result:
        folder = self._find(())
        if folder is None:
            raise StoreDamaged(f"{self.path} went away while this ran; run it again")
        return folder.own_status()

    def _check_owner(self, names: _Names, folder: Folder) -> None:
        if names[:1] == (PRIVATE,):
            self._check_user(folder.own_status(), folder.path)

    def _check_user(self, status: os.stat_result, path: str) -> None:
        """In a store that a group may write to, its members have a part. Anybody else could exchange our files before they are published."""
        own = self._own_status()
        if status.st_uid in (own.st_uid, os.geteuid()) or (own.st_mode & 0o020 and status.st_gid == own.st_gid):
            return
        raise StoreDamaged(
            f"{path} belongs to uid {status.st_uid}, who neither owns the store nor runs this; remove it, or give it to uid {own.st_uid} if you trust it"
        )
