# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read versions from tags, and sort tags by version."""

from __future__ import annotations

import re
import typing as t

_NUMBERS = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)", re.ASCII)
_PIECE = re.compile(r"([0-9]+)|([^0-9._-]+)", re.ASCII)

Piece = tuple[bool, int, str]


class Version(t.NamedTuple):
    """The numbers of a version, and its ending. The order is that of semantic versioning, except that `rc10` comes after `rc2`.

    Missing numbers are zeros. A version with an ending (`1.27-rc1`, `1.27-alpine`) comes before the same version without one.
    """

    numbers: tuple[int, ...]
    is_plain: bool
    ending: tuple[Piece, ...]

    @classmethod
    def read(cls, tag: str) -> Version | None:
        """Return the version in TAG, None if it has none, as in `latest`."""
        match = _NUMBERS.match(tag)
        ending = tag[match.end() :] if match is not None else ""
        # A number without a dot, followed by a letter (`7f3a9c2`), is more likely the hash of a commit than a version with an ending.
        if match is None or (ending[:1].isalpha() and "." not in match[1]):
            return None
        numbers = [int(number) for number in match[1].split(".")]
        while len(numbers) > 1 and not numbers[-1]:
            numbers.pop()
        pieces = _PIECE.findall(ending)
        return cls(tuple(numbers), not pieces, tuple((not number, int(number or 0), word) for number, word in pieces))


def version_order(tag: str) -> tuple[bool, Version, str]:
    """Return a key that sorts tags by version, oldest first. Tags without a version come first, in alphabetical order."""
    version = Version.read(tag)
    return (version is not None, version or Version((), False, ()), tag)
