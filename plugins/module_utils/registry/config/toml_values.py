# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of a configuration file in TOML, of the types that they must have."""

from __future__ import annotations

import typing as t

from ...errors import UnsupportedFormat

_T = t.TypeVar("_T")

Table = dict[str, t.Any]


def value(table: Table, key: str, kind: type[_T], default: _T, what: str) -> _T:
    """The value of KEY, or DEFAULT where it lacks. Raises UnsupportedFormat for one of another type: WHAT names the file."""
    found = table.get(key, default)
    if not isinstance(found, kind):
        raise UnsupportedFormat(f"{what}: {key} is not {_NAMES.get(kind, kind.__name__)}")
    return found


def tables(table: Table, key: str, what: str) -> list[Table]:
    """A list of tables, empty where it lacks."""
    found = value(table, key, list, [], what)
    if not all(isinstance(entry, dict) for entry in found):
        raise UnsupportedFormat(f"{what}: {key} is not a list of tables")
    return found


def texts(table: Table, key: str, what: str) -> list[str]:
    """A list of strings; one string is a list of it."""
    found = table.get(key, [])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise UnsupportedFormat(f"{what}: {key} is not a list of strings")
    return found


_NAMES: dict[type, str] = {str: "a string", bool: "true or false", list: "a list", dict: "a table"}
