# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The geometry of plots."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.plugin_utils.report.charts import spans
from ansible_collections.longshore.images.plugins.plugin_utils.report.plots import MAX_TICKS, Kind, Line, plot, tick_values

ONE, TWO = Kind("one", "the first"), Kind("two", "the second")


@pytest.mark.parametrize(
    ("widest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (5, [0, 2, 4, 6]),
        (16, [0, 5, 10, 15, 20]),
        (20, [0, 5, 10, 15, 20]),
        (1_930_000_000, [0, 500_000_000, 1_000_000_000, 1_500_000_000, 2_000_000_000]),
    ],
)
def test_an_axis_has_few_round_values(widest: int, ticks: list[int]) -> None:
    assert tick_values(widest) == ticks


@given(st.integers(0, 10**18))
@example(10**16 + 1)
def test_an_axis_reaches_the_widest_value_and_not_much_further(widest: int) -> None:
    ticks = tick_values(widest)
    assert len(ticks) <= MAX_TICKS + 1
    assert ticks[-2] < max(widest, 1) <= ticks[-1]
    assert len({later - earlier for earlier, later in zip(ticks, ticks[1:])}) == 1


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=5))
def test_bars_touch_each_other_and_stay_within_the_plot(values: list[tuple[int, int]]) -> None:
    shown = plot("title", "axis", [ONE, TWO], [Line(str(number), pair, "") for number, pair in enumerate(values)])
    assert len(shown.rows) == len(values)
    for row in shown.rows:
        end = 0.0
        for part in row.bars:
            assert part.start == pytest.approx(end, abs=0.01)
            end = part.start + part.width
        assert end <= 100.001


def test_a_bar_is_as_long_as_its_value_by_the_axis() -> None:
    shown = plot("title", "axis", [ONE, TWO], [Line("host", (5, 10), "15 in all"), Line("other", (20, 0), "")])
    assert [(tick.place, tick.label) for tick in shown.ticks] == [(0, "0"), (25, "5"), (50, "10"), (75, "15"), (100, "20")]
    assert [(part.kind, part.start, part.width, part.value) for part in shown.rows[0].bars] == [(ONE, 0, 25, "5"), (TWO, 25, 50, "10")]
    assert [(part.kind, part.start, part.width) for part in shown.rows[1].bars] == [(ONE, 0, 100)]
    assert shown.rows[0].total == "15 in all"


def test_the_legend_lists_the_colours_in_the_plot() -> None:
    assert plot("title", "axis", [ONE, TWO], [Line("host", (0, 3), "")]).legend == (TWO,)
    assert plot("title", "axis", [ONE], [Line("host", (3,), "")]).legend == ()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], []),
        (["2026-01-31"], [("2026-01", 1)]),
        (["2025-12-01", "2026-02-01", "2026-02-28"], [("2026-02", 2), ("2026-01", 0), ("2025-12", 1)]),
        (["2024-12-31", "2026-01-01"], [("2026 Q1", 1), ("2025 Q4", 0), ("2025 Q3", 0), ("2025 Q2", 0), ("2025 Q1", 0), ("2024 Q4", 1)]),
        (["1990-01-01", "9999-12-31", "9999-01-01"], [("9999", 2), ("1990", 1)]),
    ],
)
def test_days_are_counted_by_month_by_quarter_or_by_year(days: list[str], expected: list[tuple[str, int]]) -> None:
    assert spans([datetime.date.fromisoformat(day) for day in days]) == expected
