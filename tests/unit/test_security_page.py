# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every promise of docs/security.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    missing = []
    path = ""
    for file, name in re.findall(r"`(tests/[a-z0-9_/]+\.py)?(?:::)?(test_[a-z_0-9]+)?`", PAGE):
        path = file or path
        if not file and not name:
            continue
        code = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
        if not code or (name and f"def {name}(" not in code):
            missing.append(f"{path}::{name}")
    assert missing == []
