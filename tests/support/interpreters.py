# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python versions that managed hosts may have and that this machine has."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def _find(minors: range) -> list[str]:
    """Return the Pythons 3.MINOR on PATH or under pyenv, one for each version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*map(str, sorted(pyenv.glob("3.*/bin"))), os.environ.get("PATH", "")]
    found = [shutil.which(f"python3.{minor}", path=os.pathsep.join(folders)) for minor in minors]
    return [path for path in found if path is not None]


def interpreters() -> list[str]:
    """Return the Pythons 3.9 to 3.14 on PATH or under pyenv, one for each version, and always the one that runs the tests."""
    return sorted({sys.executable, *_find(range(9, 15))})


def unsupported_interpreters() -> list[str]:
    """Return the Pythons 3.4 to 3.8 on PATH or under pyenv, one for each version."""
    return _find(range(4, 9))
