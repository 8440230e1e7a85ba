# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests of planners."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.client_host import Host


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    # Durability is tested elsewhere, and takes most of the time here.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return Host(tmp_path)
