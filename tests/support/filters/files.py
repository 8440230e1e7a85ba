# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A filter with which a play writes a result to a file: the module `copy` would start two interpreters for that."""

from __future__ import annotations

import typing as t
from pathlib import Path


def written_to(text: str, path: str) -> str:
    """Write TEXT to a file and return nothing that a play could print."""
    Path(path).write_text(text)
    return ""


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., str]]:
        return {"written_to": written_to}
