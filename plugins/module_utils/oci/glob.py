# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell-like patterns on normalised names, in which `*` and `?` don't cross a slash."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[*?\[]")
_IPV6_HOST = re.compile(r"\[[0-9a-fA-F]*:[0-9a-fA-F:]*\]")


def is_glob(text: str) -> bool:
    """Whether TEXT is a pattern and no reference. The host `[::1]` of a reference is not one."""
    return _SPECIAL.search(text, len(_host_of(text))) is not None


def compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression that matches a whole name as PATTERN does: `*`, `?`, and sets like `[a-c]` or `[!a]`."""
    host = _host_of(pattern)
    parts = [re.escape(host)]
    position = len(host)
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "[" and "]" in pattern[position + 1 :]:
            end = pattern.index("]", position + 1)
            members = pattern[position:end]
            parts.append(f"[^/{_escaped(members[1:])}]" if members.startswith("!") else f"(?!/)[{_escaped(members)}]")
            position = end + 1
        else:
            parts.append(re.escape(character))
    try:
        return re.compile("".join(parts) + r"\Z")
    except re.error:
        return re.compile(re.escape(pattern) + r"\Z")


def _host_of(text: str) -> str:
    """The host `[::1]` at the beginning of TEXT: its brackets are its own and no set."""
    match = _IPV6_HOST.match(text)
    return match.group() if match is not None else ""


def _escaped(members: str) -> str:
    """The members of a set, in which only a dash between two of them is special."""
    parts: list[str] = []
    position = 0
    while position < len(members):
        parts.append(re.escape(members[position]))
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            parts.append(f"-{re.escape(members[position + 2])}")
            position += 2
        position += 1
    return "".join(parts)
