# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a verb that is not about images: what it changes are files or entries of files."""

from __future__ import annotations

import dataclasses
import typing as t

from ..transfer.plan import Plan

State = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class StatePlan(Plan):
    """A plan without images. `states` has everything that it is about before and after, by path or name, as a diff may show it."""

    has_rows = False

    states: tuple[State, State] = ({}, {})

    def diff(self) -> dict[str, dict[str, t.Any]]:
        before, after = self.states
        return {"before": dict(before), "after": dict(after)}
