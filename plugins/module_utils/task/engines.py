# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engines that a task names. Only modules that work on engines import this, because it leads to all of them."""

from __future__ import annotations

import os
import typing as t

if t.TYPE_CHECKING:
    from ..engine.interfaces import ManagedEngine
    from .task import Task


def open_engine(task: Task, kind: str | None = None, namespace: str | None = None) -> ManagedEngine:
    """Return an engine, by default the one that the option `engine` of TASK names. Raises EngineError if it can't be reached, InvalidOption."""
    from ..engine import discovery

    return discovery.open_engine(discovery.EngineOptions.of_task(task.params, kind or task.params["engine"], namespace), os.environ)


def open_engine_at(task: Task, scheme: str, namespace: str | None) -> ManagedEngine:
    """Return the engine of a location by its scheme and namespace. Raises as `open_engine`."""
    from ..oci.location import ENGINES

    return open_engine(task, ENGINES[scheme], namespace)
