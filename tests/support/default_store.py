# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of the user who runs the tests, which no test may touch."""

from __future__ import annotations

import os
import typing as t

State = dict[str, t.Optional[tuple[int, int, int]]]

# The folders of the store for root and for the user, and the files that every change to a store or to a registry client replaces.
_FILES = ("", "images", "images/index.json", "images/.longshore", "registry_client.json")


def default_folders() -> list[str]:
    """Return the folders in which a module without the option `store` would work."""
    home = os.path.expanduser("~")
    data = os.environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    return list(dict.fromkeys(("/var/lib/longshore", f"{data}/longshore", f"{home}/.local/share/longshore")))


def read_state(folders: t.Iterable[str]) -> State:
    """Return what shows a change of the stores in FOLDERS. It reads no content."""
    return {path: _read_status(path) for folder in folders for path in (os.path.join(folder, name) for name in _FILES)}


def _read_status(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def find_changes(before: State, after: State) -> list[str]:
    """Return the paths that were created, changed or deleted."""
    return [path for path, status in before.items() if after[path] != status]
