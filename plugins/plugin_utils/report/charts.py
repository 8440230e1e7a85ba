# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plots of a report, made of the answers of the hosts."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ...module_utils.verbs.facts import format_count, format_size
from .answers import Host, Image
from .drift import Finding, State
from .plots import Kind, Line, Plot, plot
from .sharing import Room

STYLES = {state: state.name.lower() for state in State}
NOT_ASKED = "could not be asked"
MOST_SPANS = 12

_ROOM = (
    Kind("own", "needed by one image"),
    Kind("shared", "shared by several, stored once"),
    Kind("saved", "saved by sharing"),
)


def drift_plot(hosts: t.Iterable[Host], findings: t.Mapping[str, t.Sequence[Finding]]) -> Plot:
    """Return the plot of names by host and state. FINDINGS are those of each host."""
    kinds = [Kind(STYLES[state], state.value) for state in State]
    return plot("Names by host and state", "names", kinds, (_drift_line(host, findings[host.name]) for host in hosts))


def _drift_line(host: Host, findings: t.Sequence[Finding]) -> Line:
    if not host.was_asked:
        return Line(host.name, (), "", NOT_ASKED)
    counts = collections.Counter(finding.state for finding in findings)
    drifted = sum(counts[state] for state in State if state.is_drift)
    return Line(host.name, tuple(counts[state] for state in State), f"{drifted} drifted" if drifted else "no drift")


def disk_plot(hosts: t.Iterable[Host]) -> Plot:
    """Return the plot of bytes on each host, and of those that sharing saves."""
    return plot("Bytes of images by host", "bytes", _ROOM, map(_disk_line, hosts), format_size)


def _disk_line(host: Host) -> Line:
    if not host.was_asked:
        return Line(host.name, (), "", NOT_ASKED)
    room = Room.of_host(host)
    return Line(host.name, (room.alone, room.shared, room.saved), format_size(room.disk))


def platform_plot(images: t.Iterable[Image]) -> Plot:
    """Return the plot of different images by platform."""
    counts = collections.Counter(platform for image in images for platform in image.platforms or ("none",))
    lines = [
        Line(platform, (count,), format_count(count, "image")) for platform, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return plot("Images by platform", "images", [Kind("plain", "images")], lines)


def age_plot(images: t.Iterable[Image]) -> Plot:
    """Return the plot of different images by creation time, newest first."""
    days = [image.created for image in images]
    dated = [day for day in days if day is not None]
    lines = [Line(label, (count,), format_count(count, "image")) for label, count in spans(dated)]
    undated = len(days) - len(dated)
    if undated:
        lines.append(Line("unknown", (undated,), format_count(undated, "image")))
    return plot("Images by the time they were made", "images", [Kind("plain", "images")], lines)


def spans(days: t.Sequence[datetime.date]) -> list[tuple[str, int]]:
    """Return months, quarters or years, newest first, each with its number of DAYS. Years without a day are left out, since days may be far apart."""
    if not days:
        return []
    for months in (1, 3):
        counts = collections.Counter((day.year * 12 + day.month - 1) // months for day in days)
        if max(counts) - min(counts) < MOST_SPANS:
            return [(_format_span(span, months), counts[span]) for span in range(max(counts), min(counts) - 1, -1)]
    years = collections.Counter(day.year for day in days)
    return [(str(year), years[year]) for year in sorted(years, reverse=True)]


def _format_span(span: int, months: int) -> str:
    year, part = divmod(span, 12 // months)
    return f"{year}-{part + 1:02}" if months == 1 else f"{year} Q{part + 1}"
