# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patterns of files to leave out, with the same meaning as in `.dockerignore`."""

from __future__ import annotations

import posixpath
import re
import typing as t

from ..errors import InvalidOption
from ..oci.glob import escape_set


class Exclusions:
    """A list of patterns. The last one that matches a path, or a folder above it, decides; a pattern that begins with `!` includes again."""

    def __init__(self, patterns: t.Sequence[str]) -> None:
        """Compile PATTERNS. Raises InvalidOption for an empty pattern, and for one that leads out of the source."""
        self._rules = [_compile(pattern) for pattern in patterns]
        self.has_exceptions = any(is_exception for _pattern, is_exception in self._rules)

    def match(self, path: str) -> bool:
        """Return True if the file or folder at PATH, relative to the source, is left out."""
        excluded = False
        for pattern, is_exception in self._rules:
            if excluded == is_exception and pattern.match(path):
                excluded = not is_exception
        return excluded


def _compile(text: str) -> tuple[re.Pattern[str], bool]:
    stripped = text.strip()
    is_exception = stripped.startswith("!")
    cleaned = posixpath.normpath("/" + stripped[is_exception:].strip()).strip("/") if stripped[is_exception:].strip() else ""
    if not cleaned or ".." in stripped.split("/"):
        raise InvalidOption(f"exclude: {text!r:.100} is not a pattern of paths in src, such as *.pyc or **/.git")
    parts: list[str] = []
    position = 0
    while position < len(cleaned):
        end, part = _translate(cleaned, position)
        position = end
        parts.append(part)
    try:
        return re.compile("".join(parts) + r"(?:/.*)?\Z", re.DOTALL), is_exception
    except re.error as error:
        raise InvalidOption(f"exclude: {text!r:.100} is not a pattern: {error}") from error


def _translate(pattern: str, position: int) -> tuple[int, str]:
    """Return a regular expression for the next part of PATTERN, and where that part ends."""
    character = pattern[position]
    if pattern.startswith("**/", position):
        return position + 3, "(?:.*/)?"
    if pattern.startswith("**", position):
        return position + 2, ".*"
    if character == "*":
        return position + 1, "[^/]*"
    if character == "?":
        return position + 1, "[^/]"
    if character == "\\" and position + 1 < len(pattern):
        return position + 2, re.escape(pattern[position + 1])
    if character == "[" and "]" in pattern[position + 2 :]:
        end = pattern.index("]", position + 2)
        members = pattern[position + 1 : end]
        negated = members.startswith("^")
        return end + 1, f"[^/{escape_set(members[1:])}]" if negated else f"(?!/)[{escape_set(members)}]"
    return position + 1, re.escape(character)
