# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ranges of versions, as users write them to choose among tags."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption
from .text import sanitise
from .versions import Piece, Version

_BEFORE_RELEASE = frozenset(("a", "alpha", "b", "beta", "c", "cr", "dev", "m", "milestone", "nightly", "pre", "preview", "rc", "snapshot"))
_OPERATOR = re.compile(r"(>=|<=|==|!=|[><=~^])\s*")
_WILDCARD = re.compile(r"[vV]?((?:[0-9]{1,18}\.)*)[xX*](?:\.[xX*])*([-_].+)?")
_MISPLACED = re.compile(r"\.[xX*.]")
_NUMBERS = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)")
# A version in a comparison is written with the characters of a tag; another one would be the beginning of a second comparison.
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.*-]")

Numbers = tuple[int, ...]
Pieces = tuple[Piece, ...]

# The ending `-0`, which comes before every other step towards a release.
_FIRST_STEP: Pieces = ((False, 0, ""),)


class _Point(t.NamedTuple):
    """A version without its variant, in the order of semantic versioning: what leads to a release comes before it."""

    numbers: Numbers
    is_release: bool
    pre: Pieces


@dataclasses.dataclass(frozen=True)
class _Condition:
    """One comparison. Where `under` is given, it is about those numbers and all versions that begin with them."""

    operator: str
    point: _Point
    under: Numbers | None = None

    @property
    def opens_steps(self) -> bool:
        """Whether it names `-0` as the place from where on steps towards releases count."""
        return self.point.pre == _FIRST_STEP and (self.operator in (">", ">=") or (self.under is not None and self.operator != "!="))

    def holds(self, point: _Point) -> bool:
        if self.under is not None:
            begins = (point.numbers + (0,) * len(self.under))[: len(self.under)] == self.under
            return begins == (self.operator != "!=")
        order = (point > self.point) - (point < self.point)
        return {">=": order >= 0, ">": order > 0, "<=": order <= 0, "<": order < 0, "=": order == 0, "!=": order != 0}[self.operator]


@dataclasses.dataclass(frozen=True)
class VersionRange:
    """Conditions that must all hold, and the variant that they are about.

    What follows the numbers of a tag is either a step towards a release (`-rc1`, `b2`), or a variant of it (`-alpine`). A range holds tags of the variant
    that it names itself, plain ones when it names none; and steps towards a release only where it names one with the same numbers. With `every_step`
    (a lower bound that ends in `-0`, as in semver) it holds the steps towards all releases, except those towards a release that it is `<` of.
    """

    conditions: tuple[_Condition, ...]
    variant: Pieces
    named_steps: frozenset[Numbers]
    every_step: bool = False

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Reads `>=1.2,<2`, `~1.25`, `^1.2`, `1.25.x`, `!=1.3`, `>=1.25-alpine`, `>=1.2.0-0`. Raises InvalidOption for anything else."""
        words = [word for word in re.split(r"[\s,]+", _OPERATOR.sub(r"\1", text)) if word]
        if not words:
            raise InvalidOption("a range of versions can't be empty")
        conditions: list[_Condition] = []
        variants: dict[Pieces, None] = {}
        steps: set[Numbers] = set()
        for word in words:
            read, variant = _read_comparison(word)
            conditions += read
            steps.update(condition.point.numbers for condition in read if not condition.point.is_release)
            if variant:
                variants[variant] = None
        if len(variants) > 1:
            raise InvalidOption(f"the range of versions {sanitise(text, 200)!r} names several variants; a range is about one")
        every_step = any(condition.opens_steps for condition in conditions)
        return cls(tuple(conditions), next(iter(variants), ()), frozenset(steps), every_step)

    def __contains__(self, version: Version) -> bool:
        point, variant = _split(version)
        if variant != self.variant or (not point.is_release and not self._allows_step(point)):
            return False
        return all(condition.holds(point) for condition in self.conditions)

    def _allows_step(self, point: _Point) -> bool:
        """Return whether the range is about this step towards a release: nobody who asks for `<2` wants 2.0.0-rc1."""
        if point.numbers in self.named_steps:
            return True
        return self.every_step and not any(condition.operator == "<" and condition.point.numbers == point.numbers for condition in self.conditions)


def _read_comparison(word: str) -> tuple[list[_Condition], Pieces]:
    """The conditions that one comparison stands for, and the variant that it names."""
    match = _OPERATOR.match(word)
    operator = match.group(1) if match is not None else ""
    rest = word[match.end() :] if match is not None else word
    wildcard = _WILDCARD.fullmatch(rest)
    plain = (wildcard[1].rstrip(".") or "0") + (wildcard[2] or "") if wildcard is not None else rest
    version, numbers = Version.read(plain), _NUMBERS.match(plain)
    if version is None or numbers is None or _MISPLACED.search(plain) or _NOT_IN_TAGS.search(rest):
        hint = "; separate comparisons by commas or spaces" if re.search(r"[<>=!~^|&;]", rest) else ""
        raise InvalidOption(f"{sanitise(word, 200)!r} is no comparison with a version, such as >=1.2, ~1.25 or 1.25.x{hint}")
    point, variant = _split(version)
    parts = tuple(int(number) for number in numbers[1].split("."))
    if wildcard is not None or (operator == "" and point.is_release):
        if operator not in ("", "=", "==", "!="):
            raise InvalidOption(f"{sanitise(word, 200)!r} compares with many versions at once; leave out the x")
        return [_Condition(operator, point, () if wildcard is not None and not wildcard[1] else parts)], variant
    if operator in ("~", "^"):
        return [_Condition(">=", point), _Condition("<", _Point(_end_of(operator, parts), True, ()))], variant
    return [_Condition({"": "=", "==": "="}.get(operator, operator), point)], variant


def _end_of(operator: str, parts: Numbers) -> Numbers:
    """The first numbers after those that `~` or `^` allow: `~` keeps two of them, `^` all up to the first that isn't 0."""
    kept = min(2, len(parts))
    if operator == "^":
        kept = next((place for place, number in enumerate(parts, 1) if number), len(parts))
    return (*parts[: kept - 1], parts[kept - 1] + 1)


def _split(version: Version) -> tuple[_Point, Pieces]:
    """A version without its variant, and the variant."""
    pre: list[Piece] = []
    for piece in version.ending:
        is_word = piece[0]
        if not is_word if pre else piece == _FIRST_STEP[0] or (is_word and piece[2].lower() in _BEFORE_RELEASE):
            pre.append(piece)
        else:
            break
    return _Point(version.numbers, not pre, tuple(pre)), version.ending[len(pre) :]
