# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the page of every module as ansible-doc shows it; fails when one doesn't render."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULES = Path(__file__).resolve().parents[2] / "plugins" / "modules"


def main() -> int:
    names = [f"longshore.images.{module.stem}" for module in sorted(MODULES.glob("[!_]*.py"))]
    command = ["ansible-doc", "--type", "module", *names]
    shown = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
    lost = [name for name in names if f"> MODULE {name} " not in shown.stdout]
    if lost or shown.returncode:
        print(shown.stderr.strip(), *lost, sep="\n", file=sys.stderr)
    return int(bool(lost) or shown.returncode)


if __name__ == "__main__":
    sys.exit(main())
