# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a module that writes a file with the owner and the mode that its options name."""

from __future__ import annotations

import typing as t

from ..transfer.plan import Plan
from .arguments import Arguments
from .file_options import check_file_options, set_file_options
from .run import FileAttributes, run
from .task import Task

_TaskT = t.TypeVar("_TaskT", bound=Task)
_ATTRIBUTES = FileAttributes(check_file_options, set_file_options)


def run_with_file(arguments: Arguments, plan: t.Callable[[_TaskT], Plan], task_class: type[_TaskT]) -> t.NoReturn:
    """Run a module that writes the file at its option `path`. No exception leaves it."""
    run(arguments, plan, task_class, _ATTRIBUTES)
