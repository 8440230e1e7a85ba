# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads files that options name. Those that decide what a task trusts or keeps must be files that no other user of the host decides."""

from __future__ import annotations

import errno
import os
import stat

from .errors import InputOutputError, InvalidOption, InvalidTrust, LongshoreError, system_error
from .files import read_named
from .folders import may_be_planted, open_parent


def read_trusted(path: str, limit: int) -> bytes:
    """Return at most LIMIT + 1 bytes of a regular file that only root and the running user can change.

    Raises InputOutputError for a file of another user or one that everybody can write to, for a link of another user on the path, and for anything
    but a regular file, without waiting for a FIFO. Raises OSError from the system.
    """
    descriptor, _folder = _open(path)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid not in (0, os.geteuid()):
            raise InputOutputError(
                f"{path} belongs to another user (uid {status.st_uid}), and is not trusted; copy it to a file of root or of this user"
            )
        if status.st_mode & stat.S_IWOTH:
            raise InputOutputError(f"{path} can be written by everybody, and is not trusted; set its mode to 0644")
        return file.read(limit + 1)


def read_not_planted(path: str, limit: int) -> bytes:
    """Return at most LIMIT + 1 bytes of a regular file that no other user may have planted. Errors as in `read_trusted`."""
    descriptor, folder = _open(path)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if may_be_planted(status, folder):
            raise InputOutputError(f"{path} belongs to another user (uid {status.st_uid}) in a folder that others may write to, and is not trusted")
        return file.read(limit + 1)


def _open(path: str) -> tuple[int, os.stat_result]:
    """Open a regular file, and return its descriptor and the status of its folder. Links are followed only if root or the running user owns them."""
    folder, name = open_parent(path)
    with folder:
        if not name:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return folder.open_file(name), folder.own_status()


def read_option_file(path: str, limit: int, error: type[InvalidTrust | InvalidOption]) -> bytes:
    """Return the content of a file of the host. Raises ERROR for a file that can't be read or is longer than LIMIT.

    A file that decides what is trusted, which ERROR shows, must belong to root or to the running user. A private key decides nothing.
    """
    if not path:
        raise error("an empty text is neither a key nor a path")
    where = os.path.expanduser(os.path.expandvars(path))
    read = read_trusted if error is InvalidTrust else read_named
    try:
        data = read(where, limit)
    except (OSError, ValueError, InputOutputError) as problem:
        raise error(_describe(problem, where)) from problem
    if len(data) > limit:
        raise error(f"{where} is longer than the {limit} bytes that are allowed")
    return data


def _describe(problem: OSError | ValueError | LongshoreError, path: str) -> str:
    found: LongshoreError | ValueError = system_error(problem, path) if isinstance(problem, OSError) else problem
    return str(found)
