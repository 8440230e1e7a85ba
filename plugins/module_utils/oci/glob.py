# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell-like patterns on normalised names, in which `*` and `?` don't cross a slash."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether TEXT is a pattern and no reference. The host `[::1]` of a reference is not one."""
    return _SPECIAL.search(re.sub(r"^\[[0-9a-fA-F:]+\]", "", text)) is not None


def compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression that matches a whole name as PATTERN does: `*`, `?`, and sets like `[a-c]` or `[!a]`."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "[" and "]" in pattern[position + 1 :]:
            end = pattern.index("]", position + 1)
            members = pattern[position:end].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
            parts.append(f"[^/{members[1:]}]" if members.startswith("!") else f"[{members}]")
            position = end + 1
        else:
            parts.append(re.escape(character))
    try:
        return re.compile("".join(parts) + r"\Z")
    except re.error:
        return re.compile(re.escape(pattern) + r"\Z")
