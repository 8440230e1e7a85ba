# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse ranges of versions, which select tags."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption
from .text import sanitise
from .versions import Piece, Version

_PRE_RELEASE_WORDS = frozenset(("a", "alpha", "b", "beta", "c", "cr", "dev", "m", "milestone", "nightly", "pre", "preview", "rc", "snapshot"))
_OPERATOR = re.compile(r"(>=|<=|==|!=|[><=~^])\s*")
_WILDCARD = re.compile(r"[vV]?((?:[0-9]{1,18}\.)*)[xX*](?:\.[xX*])*([-_].+)?")
_MISPLACED = re.compile(r"\.[xX*.]")
_NUMBERS = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)")
# A version in a comparison has only the characters of tags. Any other character would start a second comparison.
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.*-]")

MAX_TAG = 128

Numbers = tuple[int, ...]
Pieces = tuple[Piece, ...]

# The ending `-0`, which sorts before every other pre-release.
_FIRST_PRE_RELEASE: Pieces = ((False, 0, ""),)


class _Point(t.NamedTuple):
    """A version without its variant, in the order of semantic versioning: pre-releases come before their release."""

    numbers: Numbers
    is_release: bool
    pre: Pieces


@dataclasses.dataclass(frozen=True)
class _Condition:
    """One comparison. With `prefix`, it compares the first numbers of a version with the prefix, as in `1.25.x`."""

    operator: str
    point: _Point
    prefix: Numbers | None = None

    @property
    def allows_all_pre_releases(self) -> bool:
        """Return True for a lower bound that ends in `-0`, which lets the range include all pre-releases."""
        return self.point.pre == _FIRST_PRE_RELEASE and (self.operator in (">", ">=") or (self.prefix is not None and self.operator != "!="))

    def holds(self, point: _Point) -> bool:
        if self.prefix is not None:
            has_prefix = (point.numbers + (0,) * len(self.prefix))[: len(self.prefix)] == self.prefix
            return has_prefix == (self.operator != "!=")
        order = (point > self.point) - (point < self.point)
        return {">=": order >= 0, ">": order > 0, "<=": order <= 0, "<": order < 0, "=": order == 0, "!=": order != 0}[self.operator]


@dataclasses.dataclass(frozen=True)
class VersionRange:
    """Conditions that must all be true, and the variant of the tags.

    The ending of a tag is a pre-release (`-rc1`, `b2`), a variant (`-alpine`), or both. A range contains only tags of the variant that it names, or
    tags without a variant if it names none. It contains a pre-release only if it names a pre-release with the same numbers. With `all_pre_releases`
    (a lower bound that ends in `-0`, as in semver) it contains all pre-releases, except those of the release in a `<` comparison.
    """

    conditions: tuple[_Condition, ...]
    variant: Pieces
    named_pre_releases: frozenset[Numbers]
    all_pre_releases: bool = False

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Parse `>=1.2,<2`, `~1.25`, `^1.2`, `1.25.x`, `!=1.3`, `>=1.25-alpine`, `>=1.2.0-0`. A bare `1.25` means `1.25.x`, and `=1.25` exactly that version.

        Raises InvalidOption for any other text.
        """
        comparisons = [comparison for comparison in re.split(r"[\s,]+", _OPERATOR.sub(r"\1", text)) if comparison]
        if not comparisons:
            raise InvalidOption("a range of versions can't be empty")
        conditions: list[_Condition] = []
        variants: dict[Pieces, None] = {}
        pre_releases: set[Numbers] = set()
        for comparison in comparisons:
            parsed, variant = _parse_comparison(comparison)
            conditions += parsed
            pre_releases.update(condition.point.numbers for condition in parsed if not condition.point.is_release)
            if variant:
                variants[variant] = None
        if len(variants) > 1:
            raise InvalidOption(f"the range of versions {sanitise(text, 200)!r} names several variants; a range is about one")
        all_pre_releases = any(condition.allows_all_pre_releases for condition in conditions)
        return cls(tuple(conditions), next(iter(variants), ()), frozenset(pre_releases), all_pre_releases)

    def __contains__(self, version: Version) -> bool:
        point, variant = _split(version)
        if variant != self.variant or (not point.is_release and not self._allows_pre_release(point)):
            return False
        return all(condition.holds(point) for condition in self.conditions)

    def _allows_pre_release(self, point: _Point) -> bool:
        """Return True if the range may contain this pre-release. A user who writes `<2` doesn't want 2.0.0-rc1."""
        if point.numbers in self.named_pre_releases:
            return True
        return self.all_pre_releases and not any(
            condition.operator == "<" and condition.point.numbers == point.numbers for condition in self.conditions
        )


def _parse_comparison(text: str) -> tuple[list[_Condition], Pieces]:
    """Return the conditions of one comparison, and its variant. Raises InvalidOption."""
    match = _OPERATOR.match(text)
    operator = match.group(1) if match is not None else ""
    rest = text[match.end() :] if match is not None else text
    wildcard = _WILDCARD.fullmatch(rest)
    plain = (wildcard[1].rstrip(".") or "0") + (wildcard[2] or "") if wildcard is not None else rest
    # No tag is longer, and Python reads no number of thousands of digits.
    version, numbers = (Version.read(plain), _NUMBERS.match(plain)) if len(plain) <= MAX_TAG else (None, None)
    if version is None or numbers is None or _MISPLACED.search(plain) or _NOT_IN_TAGS.search(rest):
        hint = "; separate comparisons by commas or spaces" if re.search(r"[<>=!~^|&;]", rest) else ""
        raise InvalidOption(f"{sanitise(text, 200)!r} is not a comparison with a version, such as >=1.2, ~1.25 or 1.25.x{hint}")
    point, variant = _split(version)
    parts = tuple(int(number) for number in numbers[1].split("."))
    if wildcard is not None or (operator == "" and point.is_release):
        if operator not in ("", "=", "==", "!="):
            raise InvalidOption(f"{sanitise(text, 200)!r} compares with many versions at once; remove the x")
        return [_Condition(operator, point, () if wildcard is not None and not wildcard[1] else parts)], variant
    if operator in ("~", "^"):
        return [_Condition(">=", point), _Condition("<", _Point(_upper_bound(operator, parts), True, ()))], variant
    return [_Condition({"": "=", "==": "="}.get(operator, operator), point)], variant


def _upper_bound(operator: str, parts: Numbers) -> Numbers:
    """Return the first version after the range of `~` or `^`. `~` keeps two numbers, `^` all up to the first that isn't 0."""
    kept = min(2, len(parts))
    if operator == "^":
        kept = next((count for count, number in enumerate(parts, 1) if number), len(parts))
    return (*parts[: kept - 1], parts[kept - 1] + 1)


def _split(version: Version) -> tuple[_Point, Pieces]:
    """Split a version into the version without its variant, and the variant."""
    pre: list[Piece] = []
    for piece in version.ending:
        is_word = piece[0]
        if not is_word if pre else piece == _FIRST_PRE_RELEASE[0] or (is_word and piece[2].lower() in _PRE_RELEASE_WORDS):
            pre.append(piece)
        else:
            break
    return _Point(version.numbers, not pre, tuple(pre)), version.ending[len(pre) :]
