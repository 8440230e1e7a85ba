# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random sequences of runs: the same few in every test run, and new ones for some minutes with the option --random-minutes."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

OPTION = "--random-minutes"
_ALLOWED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example)


def run_machine(machine: type[RuleBasedStateMachine], config: pytest.Config, sequences: int, steps: int) -> None:
    """Run random SEQUENCES of at most STEPS rules of a state machine.

    A sequence that fails is printed as the lines of a program. It isn't shortened: that takes minutes, and runs side by side end differently each time.
    """
    minutes = float(config.getoption(OPTION))
    quick = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=not minutes,
        suppress_health_check=_ALLOWED,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
    )
    end = time.monotonic() + 60 * minutes
    run_state_machine_as_test(machine, settings=quick)
    while time.monotonic() < end:
        run_state_machine_as_test(machine, settings=quick)
