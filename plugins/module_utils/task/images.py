# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of the place that a task names. Only modules that work on several places import this, because it leads to all of them."""

from __future__ import annotations

import typing as t

from .engines import open_engine

if t.TYPE_CHECKING:
    from ..archive.reader import Archive
    from ..engine.interfaces import ManagedEngine
    from ..places.catalog import ImageCatalog
    from ..store.store import Store
    from .task import Task

_T = t.TypeVar("_T")


def open_catalog(task: Task) -> ImageCatalog[t.Any]:
    """Return the images of the engine that TASK names, else of the store. Raises StoreDamaged, EngineError."""
    if task.params["engine"] is None:
        from ..places.store.catalog import StoreCatalog

        return StoreCatalog(task.store, task.host)
    from ..places.engine.catalog import EngineCatalog

    return EngineCatalog(open_engine(task), task.host)


def open_image_place(task: Task, store: t.Callable[[Store], _T], archive: t.Callable[[Archive], _T], engine: t.Callable[[ManagedEngine], _T]) -> _T:
    """Open the archive that TASK names, else the engine that it names, else the store. Return what the function for it returns.

    Raises what opening these raises.
    """
    if task.params["archive"] is not None:
        from ..archive.reader import open_archive

        return archive(open_archive(task.params["archive"]))
    return store(task.store) if task.params["engine"] is None else engine(open_engine(task))
