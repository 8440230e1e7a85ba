# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Line numbers of settings in a TOML file, for error messages: Python's TOML parser doesn't report them."""

from __future__ import annotations

import re
import typing as t

from ...oci.text import split_lines

_HEADER = re.compile(r"\s*\[{1,2}([^\[\]=]+)\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"""\s*(["']?)([A-Za-z0-9_-]+)\1\s*[=.]""", re.ASCII)


class KeyPath(t.NamedTuple):
    """The path of a key: TABLES are name and number of each enclosing table, counted within the one before. `key` is None for a table as a whole."""

    tables: tuple[tuple[str, int], ...]
    key: str | None = None


def find_line(text: str, key_path: KeyPath) -> int:
    """Return the line number of KEY_PATH, or of the nearest enclosing table or key: an inline table has no separate line."""
    lines = split_lines(text)
    start = _table_line(lines, key_path.tables)
    if start is None:
        return (_key_line(lines, 0, key_path.tables[0][0].partition(".")[0]) or 0) + 1
    found = _key_line(lines, start + 1, key_path.key) if key_path.key is not None else None
    return (start if found is None else found) + 1


def find_line_of_text(text: str, wanted: str, key: str | None = None) -> int:
    """Return the number of the first line that contains WANTED, or of the line that sets KEY in the table whose header that is; 1 if there is none."""
    lines = split_lines(text)
    start = next((number for number, line in enumerate(lines) if wanted in line), 0)
    found = _key_line(lines, start + bool(wanted), key) if key is not None else None
    return (start if found is None else found) + 1


def _table_line(lines: list[str], tables: t.Sequence[tuple[str, int]]) -> int | None:
    """Return the index of the line of the last of TABLES that has a line, None if the first has none."""
    found, number = None, -1
    for name, count in tables:
        for _count in range(count):
            number = next((later for later in range(number + 1, len(lines)) if _name_of_table(lines[later]) == name), len(lines))
        if number == len(lines):
            break
        found = number
    return found


def _key_line(lines: list[str], start: int, key: str) -> int | None:
    """Return the index of the line that sets KEY between START and the next table."""
    for number in range(start, len(lines)):
        match = _KEY.match(lines[number])
        if match is not None and match[2] == key:
            return number
        if _name_of_table(lines[number]) is not None:
            break
    return None


def _name_of_table(line: str) -> str | None:
    match = _HEADER.fullmatch(line)
    return ".".join(part.strip().strip("\"'") for part in match[1].split(".")) if match is not None else None
