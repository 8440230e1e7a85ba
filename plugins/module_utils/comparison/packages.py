# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the packages of two images."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .layers import ADDED, CHANGED, REMOVED

# A package without its version: its type, its name and its architecture, which is empty if it has none.
Name = tuple[str, str, str]
MAX_SUMMARISED = 20


@dataclasses.dataclass(frozen=True, order=True)
class PackageChange:
    """A package that only one of the images has, or that they have in different versions. `before` or `after` is None if that image doesn't have it."""

    type: str
    name: str
    architecture: str
    before: str | None
    after: str | None

    @property
    def change(self) -> str:
        return ADDED if self.before is None else REMOVED if self.after is None else CHANGED

    def row(self) -> dict[str, t.Any]:
        return {"change": self.change, **dataclasses.asdict(self), "architecture": self.architecture or None}

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"{self.name} {self.before or self.after} {self.change}"
        return f"{self.name} {self.before} -> {self.after}"


def compare_packages(before: t.Iterable[tuple[Name, str]], after: t.Iterable[tuple[Name, str]]) -> list[PackageChange]:
    """Return the packages that are not the same, sorted by type and name. Both sides are packages with their versions.

    An image can have several versions of one package, as npm does. One version in place of one other is a change, more are added and removed.
    """
    old, new = _group(before), _group(after)
    changes: list[PackageChange] = []
    for name in sorted({*old, *new}):
        gone, come = sorted(old[name] - new[name]), sorted(new[name] - old[name])
        if len(gone) == len(come) == 1:
            changes.append(PackageChange(*name, gone[0], come[0]))
        else:
            changes += [PackageChange(*name, version, None) for version in gone]
            changes += [PackageChange(*name, None, version) for version in come]
    return changes


def _group(packages: t.Iterable[tuple[Name, str]]) -> collections.defaultdict[Name, set[str]]:
    versions: collections.defaultdict[Name, set[str]] = collections.defaultdict(set)
    for name, version in packages:
        versions[name].add(version)
    return versions


def summarise_packages(changes: t.Sequence[PackageChange]) -> str:
    """Return CHANGES as one text, such as `nginx 1.27.2 -> 1.27.3, openssl 3.0.15 -> 3.0.16`. It is empty without changes."""
    more = len(changes) - MAX_SUMMARISED
    return ", ".join(map(str, changes[:MAX_SUMMARISED])) + (f" and {more} more" if more > 0 else "")
