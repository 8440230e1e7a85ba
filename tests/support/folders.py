# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private folders with short paths, for sockets: the path of a socket has at most 107 bytes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import typing as t
from pathlib import Path


@contextlib.contextmanager
def short_folder() -> t.Iterator[Path]:
    """Create a private folder with a short path, and delete it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ls-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
