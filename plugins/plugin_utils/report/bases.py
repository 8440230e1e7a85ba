# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bases of images: whether each registry still has the base under its name, and the rows of the tables about them."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ...module_utils.oci.text import sanitise
from ..host_answers import HostAnswer


@dataclasses.dataclass(frozen=True)
class Base:
    """The base of an image. `is_current` is None if it couldn't be checked, and `problem` says why. The digests are None if they aren't known."""

    name: str
    digest: str | None
    current_digest: str | None
    is_current: bool | None
    problem: str = ""

    @classmethod
    def read(cls, row: HostAnswer) -> Base:
        is_current = row.optional_flag("is_current")
        problem = sanitise(row.optional_text("msg") or "") if is_current is None else ""
        name = sanitise(row.optional_text("name") or "unknown")
        return cls(name, row.optional_digest("digest"), row.optional_digest("current_digest"), is_current, problem)


class _Image(t.Protocol):
    @property
    def name(self) -> str | None: ...

    @property
    def base(self) -> Base | None: ...


_Place = t.TypeVar("_Place")


def group_by_base(images: t.Iterable[tuple[_Place, _Image]], is_current: bool | None) -> dict[tuple[str, Base], list[_Place]]:
    """Return the images whose base is current, outdated (False) or unknown (None): their names and bases, sorted, with the places that have them."""
    groups: dict[tuple[str, Base], list[_Place]] = collections.defaultdict(list)
    for place, image in images:
        if image.base is not None and image.base.is_current is is_current:
            groups[image.name or "", image.base].append(place)
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], item[0][1].name, str(item[0][1].digest))))
