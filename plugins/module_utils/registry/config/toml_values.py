# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed values from TOML configuration files."""

from __future__ import annotations

import typing as t

from ...errors import UnsupportedFormat

_T = t.TypeVar("_T")

Table = dict[str, t.Any]


class InvalidValue(UnsupportedFormat):
    """A value in a TOML file that can't be used. `key` is its key in its table, None for the table as a whole."""

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def read_value(table: Table, key: str, kind: type[_T], default: _T, what: str) -> _T:
    """Return the value of KEY, DEFAULT if it is missing. Raises InvalidValue if its type is not KIND. WHAT names the file."""
    found = table.get(key, default)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise InvalidValue(f"{what}: {key} is not {_NAMES.get(kind, kind.__name__)}", key)
    return found


def read_tables(table: Table, key: str, what: str) -> list[Table]:
    """Return the list of tables KEY, empty if it is missing."""
    found = read_value(table, key, list, [], what)
    if not all(isinstance(entry, dict) for entry in found):
        raise InvalidValue(f"{what}: {key} is not a list of tables", key)
    return found


def read_strings(table: Table, key: str, what: str) -> list[str]:
    """Return the list of strings KEY. A single string counts as a list with one entry."""
    found = table.get(key, [])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise InvalidValue(f"{what}: {key} is not a list of strings", key)
    return found


def read_paths(table: Table, key: str, what: str) -> list[str]:
    """Return the list of paths KEY, which like `read_strings` may be a single one."""
    found = read_strings(table, key, what)
    check_paths(found, key, what)
    return found


def check_paths(paths: t.Iterable[str], key: str, what: str) -> None:
    """Raise InvalidValue if one of PATHS contains a null character, which no path can."""
    if any("\0" in path for path in paths):
        raise InvalidValue(f"{what}: {key} contains a null character", key)


_NAMES: dict[type, str] = {int: "a whole number", str: "a string", bool: "true or false", list: "a list", dict: "a table"}
