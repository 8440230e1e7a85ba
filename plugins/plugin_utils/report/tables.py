# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a report: rows of text in a fixed order."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t

from ...module_utils.oci.digest import Digest
from ...module_utils.verbs.facts import format_size, short_digest
from .answers import Host, Image
from .charts import STYLES
from .drift import Finding, State, differing
from .sharing import Room

UNNAMED = "unnamed"


@dataclasses.dataclass(frozen=True)
class Named:
    """A digest, shortened and in full."""

    short: str
    full: str

    @classmethod
    def of(cls, digest: str | None) -> Named | None:
        return cls(short_digest(Digest.parse(digest)), digest) if digest is not None else None


@dataclasses.dataclass(frozen=True)
class DriftRow:
    """The hosts on which a locked name has the same state and the same digest."""

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
class DiskRow:
    host: str
    problem: str
    images: int
    apart: str
    disk: str
    saved: str
    share: str


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """An image on one host, or on all hosts that have it. `own` are the bytes that only this image needs on one host."""

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
    hosts: dict[Finding, list[str]] = collections.defaultdict(list)
    for finding in findings:
        if finding.state not in (State.RIGHT, State.EXTRA):
            hosts[dataclasses.replace(finding, host="")].append(finding.host)
    return [
        DriftRow(same.name, STYLES[same.state], same.state.value, Named.of(same.locked), Named.of(same.found), tuple(on))
        for same, on in sorted(hosts.items(), key=lambda item: (item[0].name, item[0].state.value, item[0].found or ""))
    ]


def extra_rows(findings: t.Iterable[Finding]) -> list[ExtraRow]:
    hosts: dict[str, list[str]] = collections.defaultdict(list)
    for finding in findings:
        if finding.state is State.EXTRA:
            hosts[finding.name].append(finding.host)
    return [ExtraRow(name, tuple(on)) for name, on in sorted(hosts.items())]


def difference_rows(hosts: t.Iterable[Host]) -> list[DifferenceRow]:
    return [DifferenceRow(name, Named.of(digest), tuple(on)) for name, digests in differing(hosts).items() for digest, on in digests.items()]


def disk_rows(hosts: t.Iterable[Host]) -> list[DiskRow]:
    return [_disk_row(host) for host in hosts]


def _disk_row(host: Host) -> DiskRow:
    room = Room.of_host(host)
    share = f"{100 * room.saved / room.apart:.0f} %" if room.apart else "0 %"
    return DiskRow(host.name, host.problem, len(host.by_digest), format_size(room.apart), format_size(room.disk), format_size(room.saved), share)


def fleet_rows(hosts: t.Iterable[Host]) -> list[ImageRow]:
    """Return each image of the fleet once for each of its names, with the hosts that have it under that name."""
    on: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    examples: dict[tuple[str, str], Image] = {}
    for host in hosts:
        for image in host.images:
            key = (image.name or "", image.digest)
            on[key].append(host.name)
            # Hosts may have different platforms of an index: the largest one is shown.
            if key not in examples or image.size > examples[key].size:
                examples[key] = image
    # Images without a name come last.
    return [_image_row(examples[key], tuple(on[key])) for key in sorted(on, key=lambda key: (key[0] == "", key))]


def host_rows(host: Host, findings: t.Iterable[Finding]) -> list[ImageRow]:
    """Return the images of one host, and the locked names that it is missing. FINDINGS are their states."""
    own = Room.of_host(host).own
    states = {finding.name: finding.state for finding in findings}
    present = [_image_row(image, (host.name,), own[image.digest], states.get(image.name or "")) for image in host.images]
    missing = [_missing_row(name, host.name) for name, state in states.items() if state is State.MISSING]
    return sorted(present + missing, key=lambda row: (row.name == UNNAMED, row.name, row.digest.full if row.digest is not None else ""))


def _missing_row(name: str, host: str) -> ImageRow:
    return ImageRow(name, "", None, "", "", "", "", (host,), State.MISSING.value, STYLES[State.MISSING])


def _image_row(image: Image, hosts: tuple[str, ...], own: int = 0, state: State | None = None) -> ImageRow:
    return ImageRow(
        name=image.name or UNNAMED,
        version=image.version,
        digest=Named.of(image.digest),
        platforms=", ".join(image.platforms) or ("unknown" if image.is_whole else State.BROKEN.value),
        made=_format_day(image.created),
        size=format_size(image.size),
        own=format_size(own),
        hosts=hosts,
        state=state.value if state is not None else "",
        style=STYLES[state] if state is not None else "",
    )


def _format_day(day: datetime.date | None) -> str:
    return day.isoformat() if day is not None else "unknown"
