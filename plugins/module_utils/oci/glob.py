# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell patterns for normalised names. `*` and `?` don't match a slash."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[*?\[]")
_IPV6_HOST = re.compile(r"\[[0-9a-fA-F]*:[0-9a-fA-F:]*\]")


def is_glob(text: str) -> bool:
    """Return True if TEXT is a pattern. The brackets of an IPv6 host such as `[::1]` don't make it one."""
    return _SPECIAL.search(text, len(_ipv6_host(text))) is not None


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile PATTERN to a regular expression for a whole name. Patterns have `*`, `?`, and sets such as `[a-c]` or `[!a]`.

    Matching takes at most quadratic time. Otherwise a registry could stop a task by a name on which a pattern with several stars backtracks for hours.
    """
    first, *between = _split_at_stars(pattern)
    last = f"[^/]*{between.pop()}" if between else ""
    # The first match of the text after a star is the best one. A lookahead is never tried again.
    found = (f"(?=(?P<part{number}>[^/]*?{part}))(?P=part{number})" for number, part in enumerate(between) if part)
    try:
        return re.compile("".join((first, *found, last)) + r"\Z")
    except re.error:
        return re.compile(re.escape(pattern) + r"\Z")


def _split_at_stars(pattern: str) -> list[str]:
    """Return the regular expressions of the parts of PATTERN between its stars."""
    host = _ipv6_host(pattern)
    parts = [re.escape(host)]
    position = len(host)
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append("")
        elif character == "?":
            parts[-1] += "[^/]"
        elif character == "[" and "]" in pattern[position + 1 :]:
            end = pattern.index("]", position + 1)
            members = pattern[position:end]
            parts[-1] += f"[^/{escape_set(members[1:])}]" if members.startswith("!") else f"(?!/)[{escape_set(members)}]"
            position = end + 1
        else:
            parts[-1] += re.escape(character)
    return parts


def _ipv6_host(text: str) -> str:
    """Return the IPv6 host such as `[::1]` at the start of TEXT, else an empty text. Its brackets are not a set."""
    match = _IPV6_HOST.match(text)
    return match.group() if match is not None else ""


def escape_set(members: str) -> str:
    """Escape the members of a set for a regular expression. Only a dash between two characters keeps its meaning."""
    parts: list[str] = []
    position = 0
    while position < len(members):
        parts.append(re.escape(members[position]))
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            parts.append(f"-{re.escape(members[position + 2])}")
            position += 2
        position += 1
    return "".join(parts)
