# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the programs of engines."""

from __future__ import annotations

import math
import typing as t

from ..errors import EngineError, EngineRefused
from ..programs import Chunks, Finished, ProgramFailed, run_program, stream_program
from .answers import MAX_LIST


def run_engine_program(command: t.Sequence[str], title: str, timeout: float, standard_input: Chunks = (), seconds: float = math.inf) -> Finished:
    """Run a program as run_program does. Raises EngineError, with TITLE as the name of the engine, if it fails."""
    try:
        return run_program(command, timeout, MAX_LIST, standard_input, seconds)
    except ProgramFailed as error:
        raise EngineError(f"{title}: the program {command[0]} {error}") from error


def stream_engine_program(command: t.Sequence[str], title: str, timeout: float) -> t.Iterator[bytes]:
    """Yield the output of a program as stream_program does. Raises EngineError, with TITLE as the name of the engine; EngineRefused for an error status."""
    try:
        done = yield from stream_program(command, timeout)
    except ProgramFailed as error:
        raise EngineError(f"{title}: the program {command[0]} {error}") from error
    if done.status != 0:
        raise EngineRefused(f"{title} refused the request: {done.failure_text}")
