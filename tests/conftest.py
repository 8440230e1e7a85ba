# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test relies on: the links that make a plain checkout an installed collection."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, and nothing of what is tested.
settings.register_profile("any machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]
LINKS = (".collections/ansible_collections/longshore/images", "playbooks/collections/ansible_collections/longshore/images")


def pytest_sessionstart() -> None:
    """Zip downloads lose the links: one clear line instead of a hundred failed imports."""
    for link in LINKS:
        if (ROOT / link).resolve() != ROOT:
            raise pytest.UsageError(f"{link} must be a symbolic link to the top of the checkout: get the sources with git clone")


@pytest.fixture
def open_path() -> t.Iterator[Path]:
    """A folder that other users can reach, as pytest's own can't be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
