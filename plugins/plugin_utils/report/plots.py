# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The geometry of bar plots. Positions are percentages of the width, so that a plot fits every screen and its text keeps its size."""

from __future__ import annotations

import dataclasses
import typing as t

MAX_TICKS = 4


@dataclasses.dataclass(frozen=True)
class Kind:
    """The bars of one colour: their CSS class, and their label in the legend."""

    style: str
    label: str


@dataclasses.dataclass(frozen=True)
class Bar:
    """One segment of a row, with start and width in percent."""

    kind: Kind
    start: float
    width: float
    value: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: its label, its segments and its total. `note` replaces a bar that can't be drawn, `nested` the label of a row that belongs to the one above."""

    label: str
    bars: tuple[Bar, ...]
    total: str
    note: str = ""
    nested: str = ""


@dataclasses.dataclass(frozen=True)
class Tick:
    place: float
    label: str

    @property
    def anchor(self) -> str:
        """Return the text anchor that keeps the label inside the plot."""
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
    """The input of a row: its values in the order of the plot's kinds. `note` says why there are none, `nested` is its label below the row above."""

    label: str
    values: tuple[int, ...]
    total: str
    note: str = ""
    nested: str = ""


def plot(title: str, axis: str, kinds: t.Sequence[Kind], lines: t.Iterable[Line], format_value: t.Callable[[int], str] = str) -> Plot:
    """Return stacked bars over a common axis from 0. FORMAT_VALUE makes a label of a value. The legend lists the kinds that occur, if there can be several."""
    lines = list(lines)
    widest = max((sum(line.values) for line in lines), default=0)
    steps = tick_values(widest)
    end = steps[-1]
    rows = tuple(Row(line.label, _bars(line.values, kinds, end, format_value), line.total, line.note, line.nested) for line in lines)
    used = {part.kind for row in rows for part in row.bars} if len(kinds) > 1 else set()
    # The values of an axis are round, so a trailing ".0" is dropped.
    ticks = tuple(Tick(_percent(value, end), format_value(value).replace(".0 ", " ")) for value in steps)
    return Plot(title, axis, tuple(kind for kind in kinds if kind in used), ticks, rows)


def tick_values(widest: int) -> list[int]:
    """Return round values from 0 to at least WIDEST, in steps of 1, 2 or 5 times a power of ten."""
    widest = max(widest, 1)
    least = -(-widest // MAX_TICKS)
    power = 10 ** (len(str(least)) - 1)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    return list(range(0, -(-widest // step) * step + 1, step))


def _bars(values: t.Sequence[int], kinds: t.Sequence[Kind], end: int, format_value: t.Callable[[int], str]) -> tuple[Bar, ...]:
    bars = []
    before = 0
    for kind, value in zip(kinds, values):
        if value > 0:
            start = _percent(before, end)
            bars.append(Bar(kind, start, round(_percent(before + value, end) - start, 3), format_value(value)))
        before += value
    return tuple(bars)


def _percent(value: int, end: int) -> float:
    return round(100 * value / end, 3)
