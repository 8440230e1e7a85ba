# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The `Link` header (RFC 8288, 3), in which a registry gives the address of the next page of a list."""

from __future__ import annotations

import re
import typing as t

from ...errors import RegistryError
from ...limits import MAX_LINK_HEADER

# Each of these matches in linear time: no two parts of a pattern can match the same characters.
_SEPARATORS = re.compile(r"[\s,]*")
_TARGET = re.compile(r"<([^<>]*)>")
_PARAMETER = re.compile(r"""\s*;\s*(?:([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+)))?)?""", re.ASCII)
_END = re.compile(r"\s*(?:,|$)")


def next_target(headers: t.Iterable[str], what: str) -> str | None:
    """Return the address of the first link with the relation `next`, None if there is none.

    A header above 8 KiB is ignored: no registry sends one, and parsing it would cost CPU time. Raises RegistryError for a malformed header, because the rest of
    the list would be missing.
    """
    for header in headers:
        if len(header) > MAX_LINK_HEADER:
            continue
        for target, relations in _parse_links(header, what):
            if "next" in relations:
                return target
    return None


def _parse_links(header: str, what: str) -> t.Iterator[tuple[str, list[str]]]:
    """Yield the address and the relations, in lower case, of each link."""
    position = _end_of(_SEPARATORS, header, 0)
    while position < len(header):
        match = _TARGET.match(header, position)
        if match is None:
            raise _malformed(what)
        relations, position = _parse_relations(header, match.end())
        if _END.match(header, position) is None:
            raise _malformed(what)
        yield match.group(1), relations
        position = _end_of(_SEPARATORS, header, position)


def _parse_relations(header: str, position: int) -> tuple[list[str], int]:
    """Return the relations of one link and where its parameters end. Only the first parameter `rel` counts."""
    relations: list[str] | None = None
    while True:
        match = _PARAMETER.match(header, position)
        if match is None:
            return relations or [], position
        name, quoted, plain = match.groups()
        if relations is None and (name or "").lower() == "rel":
            relations = (quoted if quoted is not None else plain or "").lower().split()
        position = match.end()


def _end_of(pattern: re.Pattern[str], header: str, position: int) -> int:
    match = pattern.match(header, position)
    return match.end() if match is not None else position


def _malformed(what: str) -> RegistryError:
    return RegistryError(f"{what}: the registry sends a malformed Link header, so the rest of the list can't be read")
