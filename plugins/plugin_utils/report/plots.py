# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The geometry of plots: rows of bars. Places are percentages of a plot's width, so that it fits every screen while its text keeps its size."""

from __future__ import annotations

import dataclasses
import typing as t

MOST_TICKS = 4


@dataclasses.dataclass(frozen=True)
class Kind:
    """What bars of one colour stand for: the class that colours them, and the words of the legend."""

    style: str
    label: str


@dataclasses.dataclass(frozen=True)
class Bar:
    """A part of a row's bar, in percent."""

    kind: Kind
    start: float
    width: float
    value: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One bar with what stands before and behind it. `note` stands in place of a bar that can't be drawn."""

    label: str
    bars: tuple[Bar, ...]
    total: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Tick:
    place: float
    label: str

    @property
    def anchor(self) -> str:
        """Where the text has to begin, so that it stays within the plot."""
        return "start" if self.place == 0 else "end" if self.place > 95 else "middle"


@dataclasses.dataclass(frozen=True)
class Plot:
    title: str
    axis: str
    legend: tuple[Kind, ...]
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class Line:
    """What a row shows: its values in the order of the plot's kinds. `note` says why there are none."""

    label: str
    values: tuple[int, ...]
    total: str
    note: str = ""


def plot(title: str, axis: str, kinds: t.Sequence[Kind], lines: t.Iterable[Line], words: t.Callable[[int], str] = str) -> Plot:
    """Stacked bars over one common axis from 0. WORDS says a value to people. The legend tells the kinds that are to be seen, if there might be several."""
    lines = list(lines)
    widest = max((sum(line.values) for line in lines), default=0)
    steps = tick_values(widest)
    end = steps[-1]
    rows = tuple(Row(line.label, _bars(line.values, kinds, end, words), line.total, line.note) for line in lines)
    used = {part.kind for row in rows for part in row.bars} if len(kinds) > 1 else set()
    # The values of an axis are round: noughts behind the point say nothing.
    ticks = tuple(Tick(_percent(value, end), words(value).replace(".0 ", " ")) for value in steps)
    return Plot(title, axis, tuple(kind for kind in kinds if kind in used), ticks, rows)


def tick_values(widest: int) -> list[int]:
    """Round values from 0 to WIDEST or the next one above: 1, 2 or 5 with noughts, never parts of a whole."""
    widest = max(widest, 1)
    least = -(-widest // MOST_TICKS)
    power = 10 ** (len(str(least)) - 1)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    return list(range(0, -(-widest // step) * step + 1, step))


def _bars(values: t.Sequence[int], kinds: t.Sequence[Kind], end: int, words: t.Callable[[int], str]) -> tuple[Bar, ...]:
    bars = []
    before = 0
    for kind, value in zip(kinds, values):
        if value > 0:
            start = _percent(before, end)
            bars.append(Bar(kind, start, round(_percent(before + value, end) - start, 3), words(value)))
        before += value
    return tuple(bars)


def _percent(value: int, end: int) -> float:
    return round(100 * value / end, 3)
