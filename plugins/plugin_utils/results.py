# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a module that worked on a temporary file, which stands for a file on the controller."""

from __future__ import annotations

import typing as t


def replace_path(value: t.Any, temporary: str, path: str) -> t.Any:
    """Return a result in which each text, also a key, names PATH instead of the TEMPORARY path."""
    if isinstance(value, str):
        return value.replace(temporary, path)
    if isinstance(value, dict):
        return {replace_path(key, temporary, path): replace_path(member, temporary, path) for key, member in value.items()}
    return [replace_path(member, temporary, path) for member in value] if isinstance(value, list) else value
