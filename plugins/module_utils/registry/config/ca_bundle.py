# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Joins several CA certificates into one file, because `requests` takes the path of one."""

from __future__ import annotations

import functools
import itertools
import os
import tempfile
import typing as t

from ...errors import UnsupportedFormat
from ...files import read_file
from ...limits import MAX_CA_BUNDLE


def join_ca_files(paths: t.Sequence[str]) -> str:
    """Return the path of a file with all certificates of PATHS. The file has no name on disk, only this process can use it, and it ends with the process.

    Raises InputOutputError if a file can't be read, UnsupportedFormat if they are too long together.
    """
    return _joined(tuple(paths))


@functools.cache
def _joined(paths: tuple[str, ...]) -> str:
    data = bytearray()
    for path in paths:
        for chunk in itertools.chain(read_file(path), [b"\n"]):
            data += chunk
            if len(data) > MAX_CA_BUNDLE:
                raise UnsupportedFormat(
                    f"{path}: the certificates in {os.path.dirname(path)} are longer than the {MAX_CA_BUNDLE} bytes that are allowed"
                )
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        return f"/dev/fd/{os.dup(file.fileno())}"
