# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible loads all filters of the collection on every host that needs one of them, so none of them may import much."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import modules

FILTERS = Path(modules.ROOT, "plugins", "filter")
LINES = 1550
# Prints how many lines of this collection are imported with the modules that are named as arguments.
_SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"ansible_collections.longshore.images.plugins.filter.{name}")
files = [module.__file__ for name, module in sys.modules.items() if name.startswith("ansible_collections.longshore") and module.__file__]
print(sum(len(open(path, "rb").read().splitlines()) for path in files))
"""


def test_all_filters_together_import_few_lines() -> None:
    names = sorted(path.stem for path in FILTERS.glob("*.py"))
    assert "report_page" in names
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *names], env=modules.environment(), capture_output=True, text=True, check=True)
    assert int(done.stdout) < LINES, done.stdout
