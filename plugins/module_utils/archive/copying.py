# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy blobs between files as cheaply as the system can: shared pages, then copies inside the kernel, then read and write."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import typing as t

from ..errors import InputOutputError
from ..files import CHUNK, WRITEBACK_SIZE, preallocate, start_writeback
from .format import PAGE

_UNSUPPORTED = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
_CLONE_RANGE = 0x4020940D  # FICLONERANGE from linux/fs.h

ReportBytes = t.Callable[[int], None]


def ignore_bytes(_count: int) -> None:
    """Ignore the number of bytes written."""


def copy_content(source: int, target: int, size: int, offset: int, report_bytes: ReportBytes = ignore_bytes) -> None:
    """Copy the first SIZE bytes of a file to the end of another, which is at OFFSET: as reflinks if the file system supports them, else inside the kernel."""
    done = _share_pages(source, target, size, offset)
    report_bytes(done)
    if size - done >= WRITEBACK_SIZE:
        preallocate(target, offset + done, size - done)
    os.lseek(source, done, os.SEEK_SET)
    os.lseek(target, offset + done, os.SEEK_SET)
    while done < size:
        count = _copy_some(source, target, min(size - done, WRITEBACK_SIZE))
        if not count:
            raise InputOutputError("a blob became shorter while it was copied")
        if count == WRITEBACK_SIZE:
            start_writeback(target, offset + done, count)
        report_bytes(count)
        done += count


def _share_pages(source: int, target: int, size: int, offset: int) -> int:
    """Share whole pages between the two files as reflinks. Return the number of shared bytes: 0 if the file system doesn't support it."""
    whole = size - size % PAGE
    if not whole or offset % PAGE:
        return 0
    try:
        fcntl.ioctl(target, _CLONE_RANGE, struct.pack("qQQQ", source, 0, whole, offset))
    except OSError:
        return 0
    return whole


def _copy_some(source: int, target: int, size: int) -> int:
    """Copy some bytes, inside the kernel if possible, and return their number.

    An error such as a full disk is raised; the errors in _UNSUPPORTED mean that a method doesn't work for these two files.
    """
    methods: list[t.Callable[[], int]] = []
    if hasattr(os, "copy_file_range"):
        methods.append(lambda: os.copy_file_range(source, target, size))
    if sys.platform == "linux":
        methods.append(lambda: os.sendfile(target, source, None, size))
    for method in methods:
        try:
            return method()
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    data = memoryview(os.read(source, min(size, CHUNK)))
    rest = data
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(data)
