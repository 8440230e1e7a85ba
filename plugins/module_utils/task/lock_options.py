# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file that options name."""

from __future__ import annotations

import json
import typing as t

from ..errors import InvalidOption

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile


def read_lock(params: t.Mapping[str, t.Any]) -> LockFile | None:
    """Return the content of the task's lock file; None if it has none.

    Raises UnsupportedFormat for anything else, InvalidOption for a file that wasn't read.
    """
    if params["lock_file"] is not None:
        raise InvalidOption("lock_file is read on the controller by the module's action plugin, which did not run; give the file's content as lock")
    return parse_lock(params["lock"]) if params["lock"] is not None else None


def parse_lock(given: t.Any) -> LockFile:
    """Return the content of a lock file that is given as text or as a dictionary. Raises InvalidOption, or UnsupportedFormat for anything else."""
    if not isinstance(given, (str, dict)):
        raise InvalidOption("lock is neither a dictionary nor text; it takes what a lock file holds")
    from ..oci.lockfile import LockFile

    text = given if isinstance(given, str) else json.dumps(given)
    return LockFile.parse(text.encode("utf-8", "backslashreplace"), "lock")
