# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs through which engines are asked."""

from __future__ import annotations

import math
import typing as t

from ..errors import EngineError
from ..programs import Chunks, Finished, ProgramFailed, run_program
from .answers import MAX_LIST


def run_engine_program(words: t.Sequence[str], title: str, timeout: float, given: Chunks = (), seconds: float = math.inf) -> Finished:
    """As run_program, for an engine that messages call TITLE. Raises EngineError."""
    try:
        return run_program(words, timeout, MAX_LIST, given, seconds)
    except ProgramFailed as fault:
        raise EngineError(f"{title}: the program {words[0]} {fault}") from fault
