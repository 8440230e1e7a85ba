# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the store's tests."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest


@pytest.fixture
def open_path() -> t.Iterator[Path]:
    """A folder that other users can reach, as pytest's own can't be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
