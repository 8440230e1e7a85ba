# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed values from TOML configuration files."""

from __future__ import annotations

import typing as t

from ...errors import UnsupportedFormat

_T = t.TypeVar("_T")

Table = dict[str, t.Any]


def read_value(table: Table, key: str, kind: type[_T], default: _T, what: str) -> _T:
    """Return the value of KEY, DEFAULT if it is missing. Raises UnsupportedFormat if its type is not KIND. WHAT names the file."""
    found = table.get(key, default)
    if not isinstance(found, kind):
        raise UnsupportedFormat(f"{what}: {key} is not {_NAMES.get(kind, kind.__name__)}")
    return found


def read_tables(table: Table, key: str, what: str) -> list[Table]:
    """Return the list of tables KEY, empty if it is missing."""
    found = read_value(table, key, list, [], what)
    if not all(isinstance(entry, dict) for entry in found):
        raise UnsupportedFormat(f"{what}: {key} is not a list of tables")
    return found


def read_strings(table: Table, key: str, what: str) -> list[str]:
    """Return the list of strings KEY. A single string counts as a list with one entry."""
    found = table.get(key, [])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise UnsupportedFormat(f"{what}: {key} is not a list of strings")
    return found


_NAMES: dict[type, str] = {str: "a string", bool: "true or false", list: "a list", dict: "a table"}
