# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a report about images, drift and disk usage: rows of text in a fixed order."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t

from ...module_utils.oci.digest import Digest
from ...module_utils.oci.text import format_size
from ...module_utils.places.facts import short_digest
from .answers import Identity, Image
from .bases import group_by_base
from .charts import NO_DATE, STYLES, format_most
from .drift import Finding, State, differing
from .places import Place, PlaceName, format_places
from .sharing import Room

UNNAMED = "unnamed"
UNKNOWN = "unknown"
# Sorts before every image.
_NOTHING = Identity("")
_NOWHERE = PlaceName("")


@dataclasses.dataclass(frozen=True)
class Named:
    """A digest or an image ID, shortened and in full."""

    short: str
    full: str

    @classmethod
    def of(cls, identity: Identity | None) -> Named | None:
        if identity is None:
            return None
        prefix = "ID " if identity.is_id else ""
        return cls(f"{prefix}{short_digest(Digest.parse(identity.digest))}", f"{prefix}{identity.digest}")


@dataclasses.dataclass(frozen=True)
class DriftRow:
    """The places in which a locked name has the same state and the same digest. `hosts` lists them by host."""

    name: str
    style: str
    state: str
    locked: Named | None
    found: Named | None
    hosts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ExtraRow:
    name: str
    hosts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class DifferenceRow:
    name: str
    digest: Named | None
    hosts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class BaseRow:
    """An image and its base. `recorded` is the base that it was made on, `current` what its registry has now under the name of the base."""

    name: str
    base: str
    recorded: Named | None
    current: Named | None
    problem: str
    hosts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class DiskRow:
    label: str
    problem: str
    images: int
    apart: str
    disk: str
    saved: str
    share: str


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """An image in one place, or in all places that have it. `own` are the bytes that only this image needs in one place."""

    name: str
    version: str
    digest: Named | None
    platforms: str
    made: str
    size: str
    own: str
    hosts: tuple[str, ...]
    state: str
    style: str


def drift_rows(findings: t.Iterable[Finding]) -> list[DriftRow]:
    """Return the names that differ from the lock file, in order. Names that are not in the lock file are in `extra_rows`."""
    hosts: dict[Finding, list[PlaceName]] = collections.defaultdict(list)
    for finding in findings:
        if finding.state not in (State.AS_LOCKED, State.EXTRA):
            hosts[dataclasses.replace(finding, place=_NOWHERE)].append(finding.place)
    return [
        DriftRow(same.name, STYLES[same.state], same.state.value, Named.of(same.locked), Named.of(same.found), format_places(on))
        for same, on in sorted(hosts.items(), key=lambda item: (item[0].name, item[0].state.value, item[0].found or _NOTHING))
    ]


def extra_rows(findings: t.Iterable[Finding]) -> list[ExtraRow]:
    hosts: dict[str, list[PlaceName]] = collections.defaultdict(list)
    for finding in findings:
        if finding.state is State.EXTRA:
            hosts[finding.name].append(finding.place)
    return [ExtraRow(name, format_places(on)) for name, on in sorted(hosts.items())]


def difference_rows(places: t.Iterable[Place]) -> list[DifferenceRow]:
    return [DifferenceRow(name, Named.of(identity), format_places(on)) for name, found in differing(places).items() for identity, on in found.items()]


def base_rows(places: t.Iterable[Place], *, is_current: bool | None) -> list[BaseRow]:
    """Return the images whose base is current, outdated (False) or couldn't be checked (None)."""
    images = ((place.name, image) for place in places for image in place.images)
    return [
        BaseRow(name or UNNAMED, base.name, _named(base.digest), _named(base.current_digest), base.problem, format_places(on))
        for (name, base), on in group_by_base(images, is_current).items()
    ]


def _named(digest: str | None) -> Named | None:
    return Named.of(Identity(digest)) if digest is not None else None


def disk_rows(places: t.Iterable[Place]) -> list[DiskRow]:
    return [_disk_row(place) for place in places]


def _disk_row(place: Place) -> DiskRow:
    room = Room.of_place(place)
    images, apart = len(place.by_identity), format_size(room.apart + room.unsplit)
    if room.unsplit:
        return DiskRow(str(place.name), place.problem, images, apart, format_most(room), UNKNOWN, UNKNOWN)
    share = f"{100 * room.saved / room.apart:.0f} %" if room.apart else "0 %"
    return DiskRow(str(place.name), place.problem, images, apart, format_most(room), format_size(room.saved), share)


def fleet_rows(places: t.Iterable[Place]) -> list[ImageRow]:
    """Return each image of the fleet once for each of its names, with the places that have it under that name."""
    on: dict[tuple[str, Identity], list[PlaceName]] = collections.defaultdict(list)
    examples: dict[tuple[str, Identity], Image] = {}
    for place in places:
        for image in place.images:
            key = (image.name or "", image.identity)
            on[key].append(place.name)
            # Places may have different platforms of an index: the largest one is shown. Engines that only describe images report other sizes.
            if key not in examples or (bool(image.content), image.size) > (bool(examples[key].content), examples[key].size):
                examples[key] = image
    # Images without a name come last.
    return [_image_row(examples[key], format_places(on[key])) for key in sorted(on, key=lambda key: (key[0] == "", key))]


def place_rows(place: Place, findings: t.Iterable[Finding]) -> list[ImageRow]:
    """Return the images of one place, and the locked names that it is missing. FINDINGS are their states."""
    own = Room.of_place(place).own
    states = {finding.name: finding.state for finding in findings}
    present = [_image_row(image, (str(place.name),), own[image.identity], states.get(image.name or "")) for image in place.images]
    missing = [_missing_row(name, str(place.name)) for name, state in states.items() if state is State.MISSING]
    return sorted(present + missing, key=lambda row: (row.name == UNNAMED, row.name, row.digest.full if row.digest is not None else ""))


def _missing_row(name: str, host: str) -> ImageRow:
    return ImageRow(name, "", None, "", "", "", "", (host,), State.MISSING.value, STYLES[State.MISSING])


def _image_row(image: Image, hosts: tuple[str, ...], own: int = 0, state: State | None = None) -> ImageRow:
    return ImageRow(
        name=image.name or UNNAMED,
        version=image.version,
        digest=Named.of(image.identity),
        platforms=", ".join(image.platforms) or (UNKNOWN if image.is_complete else State.INCOMPLETE.value),
        made=_format_day(image.created),
        size=format_size(image.size),
        own=format_size(own) if image.content or not image.size else UNKNOWN,
        hosts=hosts,
        state=state.value if state is not None else "",
        style=STYLES[state] if state is not None else "",
    )


def _format_day(day: datetime.date | None) -> str:
    return day.isoformat() if day is not None else NO_DATE
