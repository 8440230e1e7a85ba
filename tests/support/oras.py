# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line tool oras, for tests that compare with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import modules
from .registry import needed


def oras(*words: str, folder: Path) -> str:
    """Run oras in FOLDER, without any configuration of the user."""
    needed("oras")
    environment = modules.environment(HOME=str(folder))
    result = subprocess.run(["oras", *words], cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout
