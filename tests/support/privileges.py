# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests that only root can run: they mount file systems and become other users."""

from __future__ import annotations

import os

import pytest


def needs_root() -> None:
    """Passes a test over for other users; in CI, which runs as root, it would fail."""
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("only root can do what this test does")
