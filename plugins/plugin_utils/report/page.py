# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTML page of a report. It depends only on the answers and the lock file: the same input gives the same bytes."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import typing as t
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...module_utils.oci.lockfile import LockFile
from ...module_utils.oci.text import format_size
from ...module_utils.places.facts import format_count
from ..report import charts, signature_tables, tables
from .answers import Answer, Identity, Image
from .drift import Finding, findings
from .packages import PackagesRow, packages_rows
from .places import Place, read_places
from .plots import Plot
from .registries import RegistrySection, read_registries
from .sharing import Room
from .signature_findings import signature_findings
from .signatures import Verdict

TEMPLATES = Path(__file__).with_name("templates")
MOST_ROWS_AT_ONCE = 2000
SCRIPT = TEMPLATES / "script.js"


@dataclasses.dataclass(frozen=True)
class Tile:
    """A summary number at the top of the page."""

    value: str
    label: str
    is_bad: bool = False


@dataclasses.dataclass(frozen=True)
class Drift:
    plot: Plot
    rows: list[tables.DriftRow]
    extras: list[tables.ExtraRow]


@dataclasses.dataclass(frozen=True)
class Signatures:
    """The verdicts of a policy. Without a policy, `plot` is None and `attached` and `bare` say which images carry signatures."""

    plot: Plot | None
    refused: list[signature_tables.VerdictRow]
    not_fetched: list[signature_tables.VerdictRow]
    unchecked: list[signature_tables.VerdictRow]
    signed: list[signature_tables.VerdictRow]
    allowed: list[signature_tables.VerdictRow]
    attached: list[signature_tables.AttachedRow]
    bare: list[signature_tables.AttachedRow]

    @property
    def is_checked(self) -> bool:
        return self.plot is not None


@dataclasses.dataclass(frozen=True)
class Bases:
    """The images whose base the registry has replaced, those whose base is unknown, and the number of those on a base that is current."""

    outdated: list[tables.BaseRow]
    unknown: list[tables.BaseRow]
    current: int


@dataclasses.dataclass(frozen=True)
class PlaceSection:
    place: Place
    summary: str
    rows: list[tables.ImageRow]


@dataclasses.dataclass(frozen=True)
class Page:
    title: str
    has_engines: bool
    tiles: list[Tile]
    not_asked: list[Place]
    drift: Drift | None
    differences: list[tables.DifferenceRow]
    signatures: Signatures
    bases: Bases | None
    disk: Plot
    disk_rows: list[tables.DiskRow]
    platforms: Plot
    ages: Plot
    images: list[tables.ImageRow]
    packages: list[PackagesRow] | None
    places: list[PlaceSection]
    registries: list[RegistrySection]

    @property
    def is_large(self) -> bool:
        """Return whether a browser needs so long for the tables of all hosts that the script makes each when it is opened."""
        return sum(len(section.rows) for section in self.places) > MOST_ROWS_AT_ONCE


def render(
    answers: t.Mapping[str, Answer],
    title: str,
    lock: LockFile | None,
    registries: t.Mapping[str, Answer] | None = None,
    engines: t.Mapping[str, t.Sequence[Answer]] | None = None,
    packages: t.Mapping[str, t.Sequence[Answer]] | None = None,
) -> str:
    """Return the page as HTML. All values are escaped, so that text from hosts can be neither markup nor a template."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = compose(read_places(answers, engines or {}), title, lock, read_registries(registries or {}), packages)
    # Without the comments about the licence, which name an address: the page needs no network, and everybody can see that.
    script = SCRIPT.read_text(encoding="utf-8").partition("\n\n")[2]
    # The policy of the page allows this script alone, so nothing that a host sends could run.
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(page=page, script=script, script_hash=script_hash)


def compose(
    places: t.Sequence[Place],
    title: str,
    lock: LockFile | None,
    registries: list[RegistrySection],
    packages: t.Mapping[str, t.Sequence[Answer]] | None = None,
) -> Page:
    found = {place.name: findings(place, lock) if lock is not None else [] for place in places}
    every = [finding for place in places for finding in found[place.name]]
    asked = [place for place in places if place.was_asked]
    images = _unique_images(asked)
    signatures, bases = _signatures(places), _bases(asked)
    return Page(
        title=title,
        has_engines=any(place.is_engine for place in places),
        tiles=_tiles(places, images, every if lock is not None else None, signatures, bases),
        not_asked=[place for place in places if not place.was_asked],
        drift=Drift(charts.drift_plot(places, found), tables.drift_rows(every), tables.extra_rows(every)) if lock is not None else None,
        differences=tables.difference_rows(asked),
        signatures=signatures,
        bases=bases,
        disk=charts.disk_plot(places),
        disk_rows=tables.disk_rows(places),
        platforms=charts.platform_plot(images),
        ages=charts.age_plot(images),
        images=tables.fleet_rows(asked),
        packages=packages_rows(asked, packages) if packages else None,
        places=[PlaceSection(place, _summary(place), tables.place_rows(place, found[place.name])) for place in asked],
        registries=registries,
    )


def _signatures(places: t.Sequence[Place]) -> Signatures:
    found = signature_findings(places)
    # Without a policy, no image has a verdict.
    is_checked = any(finding.image.verification is not None for finding in found)
    attached = signature_tables.attached_rows(found) if not is_checked else []

    def rows(*verdicts: Verdict) -> list[signature_tables.VerdictRow]:
        return signature_tables.verdict_rows(found, *verdicts) if is_checked else []

    return Signatures(
        plot=charts.signature_plot(places, found) if is_checked else None,
        refused=rows(Verdict.UNSIGNED, Verdict.REFUSED),
        not_fetched=rows(Verdict.NOT_FETCHED),
        unchecked=rows(Verdict.UNCHECKED),
        signed=rows(Verdict.SIGNED),
        allowed=rows(Verdict.ALLOWED),
        attached=[row for row in attached if row.attached],
        bare=[row for row in attached if not row.attached],
    )


def _bases(places: t.Sequence[Place]) -> Bases | None:
    """Return what the hosts say about bases, None if they weren't asked."""
    if not any(image.has_checked_base for place in places for image in place.images):
        return None
    return Bases(
        tables.base_rows(places, is_current=False), tables.base_rows(places, is_current=None), len(tables.base_rows(places, is_current=True))
    )


def _unique_images(places: t.Iterable[Place]) -> list[Image]:
    """Return each image of the fleet once, from the place with most of its platforms."""
    unique: dict[Identity, Image] = {}
    for place in places:
        for image in place.images:
            if image.identity not in unique or len(image.platforms) > len(unique[image.identity].platforms):
                unique[image.identity] = image
    return list(unique.values())


def _tiles(
    places: t.Sequence[Place], images: t.Sequence[Image], found: t.Sequence[Finding] | None, signatures: Signatures, bases: Bases | None
) -> list[Tile]:
    rooms = [Room.of_place(place) for place in places if place.was_asked]
    at_most = " at most" if any(room.unsplit for room in rooms) else ""
    hosts, engines = {place.name.host for place in places}, [place for place in places if place.is_engine]
    return [
        _answered_tile({place.name.host for place in places if place.was_asked}, hosts, "hosts"),
        *([_answered_tile([engine for engine in engines if engine.was_asked], engines, "engines")] if engines else []),
        *([_drift_tile(found)] if found is not None else []),
        *([_refused_tile(signatures.refused)] if signatures.is_checked else []),
        *([_outdated_tile(bases.outdated)] if bases is not None else []),
        Tile(str(len(images)), "different image" if len(images) == 1 else "different images"),
        Tile(format_size(sum(room.most for room in rooms)), f"on disk{at_most}, all hosts together"),
        Tile(format_size(sum(room.saved for room in rooms)), "saved by sharing"),
    ]


def _answered_tile(answered: t.Sized, every: t.Sized, noun: str) -> Tile:
    return Tile(f"{len(answered)} of {len(every)}", f"{noun} answered", len(answered) < len(every))


def _drift_tile(found: t.Sequence[Finding]) -> Tile:
    drifted = [finding for finding in found if finding.state.is_drift]
    on = len({finding.place.host for finding in drifted})
    label = "drift from the lock file" if len(drifted) == 1 else "drifts from the lock file"
    return Tile(str(len(drifted)), f"{label}, on {format_count(on, 'host')}" if drifted else label, bool(drifted))


def _refused_tile(rows: t.Sequence[signature_tables.VerdictRow]) -> Tile:
    refused = len({(row.name, row.digest) for row in rows})
    return Tile(str(refused), "image that the policy refuses" if refused == 1 else "images that the policy refuses", bool(refused))


def _outdated_tile(rows: t.Sequence[tables.BaseRow]) -> Tile:
    outdated = len({row.name for row in rows})
    return Tile(str(outdated), "image on a base that was replaced" if outdated == 1 else "images on a base that was replaced", bool(outdated))


def _summary(place: Place) -> str:
    room = Room.of_place(place)
    where = f"in {place.store}" if place.store else "in the engine"
    return f"{format_count(len(place.by_identity), 'image')}, {charts.format_most(room)} {where}"
