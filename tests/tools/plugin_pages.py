# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the page of every module, lookup and filter with ansible-doc, and fail if one doesn't render."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
KINDS = {"module": "modules", "lookup": "lookup", "filter": "filter"}


def renders(kind: str, folder: str) -> bool:
    """Return whether the pages of all plugins of a KIND render."""
    names = [f"longshore.images.{plugin.stem}" for plugin in sorted((PLUGINS / folder).glob("[!_]*.py"))]
    command = ["ansible-doc", "--type", kind, *names]
    shown = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
    not_rendered = [name for name in names if f"> {kind.upper()} {name} " not in shown.stdout]
    if not_rendered or shown.returncode:
        print(shown.stderr.strip(), *not_rendered, sep="\n", file=sys.stderr)
    return not not_rendered and shown.returncode == 0


def main() -> int:
    failed = [kind for kind, folder in KINDS.items() if not renders(kind, folder)]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
