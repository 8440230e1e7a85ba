# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A message about a full disk says what is needed and what is free."""

from __future__ import annotations

import errno
import os
import types
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, system_error

PLENTY = {"f_bavail": 250, "f_frsize": 4000, "f_files": 100, "f_favail": 9}


@pytest.mark.parametrize(
    ("code", "needed", "state", "message"),
    [
        (errno.ENOSPC, 5_000_000, PLENTY, "No space left on device; 5.0 MB more is needed, and 1.0 MB is free on its file system"),
        (errno.ENOSPC, 0, PLENTY, "No space left on device; 1.0 MB is free on its file system"),
        (errno.ENOSPC, 70, {**PLENTY, "f_favail": 0}, "No space left on device; 70 B more is needed, and no inode is free on its file system"),
        (errno.ENOSPC, 0, {**PLENTY, "f_files": 0, "f_favail": 0}, "No space left on device; 1.0 MB is free on its file system"),
        (errno.ENOSPC, 0, None, "No space left on device"),
        (errno.EDQUOT, 70, PLENTY, "Disk quota exceeded; 70 B more is needed"),
        (errno.EDQUOT, 0, PLENTY, "Disk quota exceeded"),
    ],
)
def test_a_full_disk_says_what_is_needed_and_what_is_free(
    monkeypatch: pytest.MonkeyPatch, code: int, needed: int, state: t.Mapping[str, int] | None, message: str
) -> None:
    def measure(path: str) -> types.SimpleNamespace:
        assert path == "/"  # the store is missing, and so is the folder that is to contain it
        if state is None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return types.SimpleNamespace(**state)

    monkeypatch.setattr(os, "statvfs", measure)
    found = system_error(OSError(code, os.strerror(code)), "/missing-srv/store/.longshore/tmp/7")
    assert isinstance(found, DiskFull)
    assert found.at("/missing-srv/store", needed).message == f"/missing-srv/store: {message}"
