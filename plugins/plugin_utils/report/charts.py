# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plots of a report, made of the answers of the hosts."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ...module_utils.oci.text import format_size
from ...module_utils.places.facts import format_count
from .answers import Image
from .drift import Finding, State
from .places import Place, PlaceName
from .plots import Kind, Line, Plot, plot
from .sharing import Room
from .signature_findings import SignatureFinding
from .signatures import Verdict

# Of an image that doesn't say when it was made, as images from scratch and reproducible builds don't.
NO_DATE = "no date"
STYLES = {state: state.name.lower() for state in State}
# The colours of drift, used again for verdicts.
VERDICT_STYLES = {
    Verdict.SIGNED: STYLES[State.AS_LOCKED],
    Verdict.ALLOWED: STYLES[State.REPACKED],
    Verdict.UNSIGNED: STYLES[State.MISSING],
    Verdict.REFUSED: STYLES[State.OTHER],
    Verdict.NOT_FETCHED: STYLES[State.INCOMPLETE],
    Verdict.UNCHECKED: STYLES[State.EXTRA],
}
NOT_ASKED = "could not be asked"
MOST_SPANS = 12

_ROOM = (
    Kind("own", "needed by one image"),
    Kind("shared", "shared by several, stored once"),
    Kind("unsplit", "at most, sharing unknown"),
    Kind("saved", "saved by sharing"),
)


def drift_plot(places: t.Iterable[Place], findings: t.Mapping[PlaceName, t.Sequence[Finding]]) -> Plot:
    """Return the plot of names by place and state. FINDINGS are those of each place."""
    kinds = [Kind(STYLES[state], state.value) for state in State]
    return plot("Names by host and state", "names", kinds, _place_lines(places, lambda place: _drift_bars(findings[place.name])))


def _place_lines(places: t.Iterable[Place], bars: t.Callable[[Place], tuple[tuple[int, ...], str]]) -> t.Iterator[Line]:
    """Yield a line for each place: BARS returns its values and its total. An engine below another place of its host is shown without the host."""
    above = ""
    for place in places:
        values, total = bars(place) if place.was_asked else ((), "")
        yield Line(str(place.name), values, total, "" if place.was_asked else NOT_ASKED, place.name.engine if place.name.host == above else "")
        above = place.name.host


def _drift_bars(findings: t.Sequence[Finding]) -> tuple[tuple[int, ...], str]:
    counts = collections.Counter(finding.state for finding in findings)
    drifted = sum(counts[state] for state in State if state.is_drift)
    return tuple(counts[state] for state in State), f"{drifted} drifted" if drifted else "no drift"


def signature_plot(places: t.Iterable[Place], findings: t.Iterable[SignatureFinding]) -> Plot:
    """Return the plot of images by place and verdict."""
    kinds = [Kind(VERDICT_STYLES[verdict], verdict.value) for verdict in Verdict]
    counts: dict[PlaceName, collections.Counter[Verdict]] = collections.defaultdict(collections.Counter)
    for finding in findings:
        counts[finding.place][finding.verification.verdict] += 1
    return plot("Names by host and verdict", "names", kinds, _place_lines(places, lambda place: _signature_bars(counts[place.name])))


def _signature_bars(counts: collections.Counter[Verdict]) -> tuple[tuple[int, ...], str]:
    refused = sum(counts[verdict] for verdict in Verdict if verdict.is_refusal)
    return tuple(counts[verdict] for verdict in Verdict), f"{refused} refused"


def disk_plot(places: t.Iterable[Place]) -> Plot:
    """Return the plot of bytes in each place, and of those that sharing saves."""
    return plot("Bytes of images by host", "bytes", _ROOM, _place_lines(places, _disk_bars), format_size)


def _disk_bars(place: Place) -> tuple[tuple[int, ...], str]:
    room = Room.of_place(place)
    return (room.alone, room.shared, room.unsplit, room.saved), format_most(room)


def format_most(room: Room) -> str:
    """Return the size on disk, or its limit if an engine doesn't report how much its images share."""
    return f"up to {format_size(room.most)}" if room.unsplit else format_size(room.disk)


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
        lines.append(Line(NO_DATE, (undated,), format_count(undated, "image")))
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
