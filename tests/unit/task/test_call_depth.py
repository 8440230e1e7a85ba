# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No depth of calls makes a run slow: CPython 3.11 to 3.14 may allocate memory at each call that is exactly as deep as a chunk of its stack."""

from __future__ import annotations

import resource
import typing as t

from ansible_collections.longshore.images.plugins.module_utils.task.run import _call

CALLS = 200
DEPTHS = 250


def test_calls_at_every_depth_of_a_run_need_no_new_memory() -> None:
    faults = _call(lambda: _count_page_faults(DEPTHS))
    assert max(faults) < CALLS / 2


def _count_page_faults(depth: int) -> list[int]:
    """Return the page faults of CALLS calls, for each depth of calls from here to DEPTH."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _number in range(CALLS):
        _do_nothing()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return [faults, *(_count_page_faults(depth - 1) if depth else [])]


def _do_nothing(*unused: t.Any) -> None:
    pass
