# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTML page of a report. It depends only on the answers and the lock file: the same input gives the same bytes."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...module_utils.oci.lockfile import LockFile
from ...module_utils.verbs.facts import format_count, format_size
from . import charts, tables
from .answers import Answer, Host, Image, read_hosts
from .drift import Finding, findings
from .plots import Plot
from .registries import RegistrySection, read_registries
from .sharing import Room

TEMPLATES = Path(__file__).with_name("templates")


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
class HostSection:
    host: Host
    summary: str
    rows: list[tables.ImageRow]


@dataclasses.dataclass(frozen=True)
class Page:
    title: str
    tiles: list[Tile]
    not_asked: list[Host]
    drift: Drift | None
    differences: list[tables.DifferenceRow]
    disk: Plot
    disk_rows: list[tables.DiskRow]
    platforms: Plot
    ages: Plot
    images: list[tables.ImageRow]
    hosts: list[HostSection]
    registries: list[RegistrySection]


def render(answers: t.Mapping[str, Answer], title: str, lock: LockFile | None, registries: t.Mapping[str, Answer] | None = None) -> str:
    """Return the page as HTML. All values are escaped, so that text from hosts can be neither markup nor a template."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(page=compose(read_hosts(answers), title, lock, read_registries(registries or {})))


def compose(hosts: t.Sequence[Host], title: str, lock: LockFile | None, registries: list[RegistrySection]) -> Page:
    found = {host.name: findings(host, lock) if lock is not None else [] for host in hosts}
    every = [finding for host in hosts for finding in found[host.name]]
    asked = [host for host in hosts if host.was_asked]
    images = _unique_images(asked)
    return Page(
        title=title,
        tiles=_tiles(hosts, images, every if lock is not None else None),
        not_asked=[host for host in hosts if not host.was_asked],
        drift=Drift(charts.drift_plot(hosts, found), tables.drift_rows(every), tables.extra_rows(every)) if lock is not None else None,
        differences=tables.difference_rows(asked),
        disk=charts.disk_plot(hosts),
        disk_rows=tables.disk_rows(hosts),
        platforms=charts.platform_plot(images),
        ages=charts.age_plot(images),
        images=tables.fleet_rows(asked),
        hosts=[HostSection(host, _summary(host), tables.host_rows(host, found[host.name])) for host in asked],
        registries=registries,
    )


def _unique_images(hosts: t.Iterable[Host]) -> list[Image]:
    """Return each image of the fleet once, from the host with most of its platforms."""
    by_digest: dict[str, Image] = {}
    for host in hosts:
        for image in host.images:
            if image.digest not in by_digest or len(image.platforms) > len(by_digest[image.digest].platforms):
                by_digest[image.digest] = image
    return list(by_digest.values())


def _tiles(hosts: t.Sequence[Host], images: t.Sequence[Image], found: t.Sequence[Finding] | None) -> list[Tile]:
    asked = [host for host in hosts if host.was_asked]
    rooms = [Room.of_host(host) for host in asked]
    tiles = [
        Tile(f"{len(asked)} of {len(hosts)}", "hosts answered", len(asked) < len(hosts)),
        Tile(str(len(images)), "different image" if len(images) == 1 else "different images"),
        Tile(format_size(sum(room.disk for room in rooms)), "on disk, all hosts together"),
        Tile(format_size(sum(room.saved for room in rooms)), "saved by sharing"),
    ]
    if found is not None:
        drifted = [finding for finding in found if finding.state.is_drift]
        on = len({finding.host for finding in drifted})
        label = "drift from the lock file" if len(drifted) == 1 else "drifts from the lock file"
        tiles.insert(1, Tile(str(len(drifted)), f"{label}, on {format_count(on, 'host')}" if drifted else label, bool(drifted)))
    return tiles


def _summary(host: Host) -> str:
    return f"{format_count(len(host.by_digest), 'image')}, {format_size(Room.of_host(host).disk)} in {host.store}"
