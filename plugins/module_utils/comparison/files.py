# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the files of two images."""

from __future__ import annotations

import heapq
import itertools
import operator
import typing as t

from ..oci.text import replace_surrogates
from .layers import ADDED, CHANGED, REMOVED

Parts = tuple[str, ...]


class FileValue(t.NamedTuple):
    """All that is compared of a file, a folder, a link or a device. Times are not: they differ in every build. `attributes` are extended attributes."""

    kind: str
    mode: int
    owner: int
    group: int
    size: int = 0
    digest: t.Optional[str] = None  # noqa: UP045 - the annotations of named tuples are evaluated on Python 3.9
    target: t.Optional[str] = None  # noqa: UP045
    attributes: tuple[tuple[str, str], ...] = ()

    def row(self) -> dict[str, t.Any]:
        return {
            "kind": self.kind,
            "size": self.size,
            "mode": f"{self.mode:04o}",
            "owner": self.owner,
            "group": self.group,
            "digest": self.digest,
            "target": replace_surrogates(self.target) if self.target is not None else None,
            "attributes": sorted({replace_surrogates(key) for key, _value in self.attributes}),
        }


class FileChange(t.NamedTuple):
    """A path at which the images have not the same. `before` or `after` is None if that image has nothing there."""

    path: Parts
    before: t.Optional[FileValue]  # noqa: UP045 - the annotations of named tuples are evaluated on Python 3.9
    after: t.Optional[FileValue]  # noqa: UP045

    @property
    def change(self) -> str:
        return ADDED if self.before is None else REMOVED if self.after is None else CHANGED

    def row(self) -> dict[str, t.Any]:
        return {
            "change": self.change,
            "path": "/" + replace_surrogates("/".join(self.path)),
            "before": self.before.row() if self.before is not None else None,
            "after": self.after.row() if self.after is not None else None,
        }


def compare_files(before: t.Iterable[tuple[Parts, FileValue]], after: t.Iterable[tuple[Parts, FileValue]]) -> t.Iterator[FileChange]:
    """Yield the paths at which the images have not the same. Both sides are sorted by path, and so is the result."""
    merged = heapq.merge(_mark(before, 0), _mark(after, 1))  # a path and a side occur once, so that values are never compared here
    for path, found in itertools.groupby(merged, key=operator.itemgetter(0)):
        values: list[FileValue | None] = [None, None]
        for _path, side, value in found:
            values[side] = value
        if values[0] != values[1]:
            yield FileChange(path, *values)


def _mark(entries: t.Iterable[tuple[Parts, FileValue]], side: int) -> t.Iterator[tuple[Parts, int, FileValue]]:
    for path, value in entries:
        yield path, side, value


class FileChanges:
    """The changes of files that are shown: all are counted, and the first ones are kept."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.counts = {ADDED: 0, REMOVED: 0, CHANGED: 0}
        self.left_out = 0

    def keep(self, changes: t.Iterable[FileChange]) -> list[FileChange]:
        """Count CHANGES, and return those that are within the limit of all calls together."""
        kept = []
        for change in changes:
            self.counts[change.change] += 1
            if self._left:
                self._left -= 1
                kept.append(change)
            else:
                self.left_out += 1
        return kept
