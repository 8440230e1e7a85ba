# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let the plays of a test run share what takes most of their time: what Ansible builds of modules, and what Python compiles and imports.

`callbacks/built_modules.py`, `startup/sitecustomize.py` and `warm_server.py` do it, in processes that have these variables. A play without them runs as it
does for a user.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent


def variables(folder: Path) -> dict[str, str]:
    """Return the environment of plays that share files in FOLDER."""
    shared = {"LONGSHORE_BUILT_MODULES": folder / "modules", "LONGSHORE_COMPILED": folder / "code", "LONGSHORE_WARM": folder / "warm"}
    for path in shared.values():
        path.mkdir()
    plugins = {"ANSIBLE_CALLBACK_PLUGINS": str(SUPPORT / "callbacks"), "ANSIBLE_CALLBACKS_ENABLED": "built_modules"}
    return {**{name: str(path) for name, path in shared.items()}, **plugins}


def start_sharing() -> t.Callable[[], None]:
    """Set these variables in this process, with a new folder, and return the function that ends it."""
    folder = tempfile.TemporaryDirectory(prefix="longshore-shared-")
    Path(folder.name).chmod(0o755)  # for tests that run modules as other users
    added = variables(Path(folder.name))
    os.environ.update(added)

    def stop() -> None:
        for name in added:
            os.environ.pop(name, None)
        folder.cleanup()

    return stop
