# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bounded worker pool of a run. No thread is started while there is only one task."""

from __future__ import annotations

import contextlib
import os
import threading
import typing as t

from .meter import Meter

if t.TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from ..oci.manifest import Descriptor
    from .progress import Progress

_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")

# The controller's side sets this variable to a folder for the progress of the run, if it shows the progress. The run deletes the folder when it ends.
# It is internal: users set LONGSHORE_PROGRESS, on the controller.
PROGRESS_VARIABLE = "LONGSHORE_PROGRESS_FOLDER"


class ConnectionSlots:
    """The connection slots of a run. Each transfer holds one; a large blob acquires more while fewer than LIMIT are in use."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._in_use = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def hold(self) -> t.Iterator[None]:
        """Hold the slot that every transfer gets, even above the limit."""
        with self._lock:
            self._in_use += 1
        try:
            yield
        finally:
            self.release()

    def try_acquire(self) -> bool:
        """Try to acquire an additional slot. If this returns True, the caller must release it."""
        with self._lock:
            if self._in_use >= self.limit:
                return False
            self._in_use += 1
            return True

    def release(self) -> None:
        with self._lock:
            self._in_use -= 1

    @property
    def over_limit(self) -> bool:
        """Return whether new transfers need the additional slots that others hold."""
        return self._in_use > self.limit


class Workers:
    """Run functions, at most LIMIT at once. A single large blob may use twice as many connections."""

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self.connections = ConnectionSlots(2 * self._limit if self._limit > 1 else 1)
        self._progress = _open_progress()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._progress is not None:
            self._progress.close()

    def map(self, function: t.Callable[[_Item], _Result], items: t.Sequence[_Item]) -> list[_Result]:
        """Return the results in the order of ITEMS. Raises the first exception in that order."""
        if len(items) < 2 or self._limit < 2:
            return [function(item) for item in items]
        return list(self._get_pool().map(function, items))

    def submit(self, function: t.Callable[..., None], *arguments: t.Any) -> Future[None]:
        return self._get_pool().submit(function, *arguments)

    def expect(self, blobs: t.Collection[Descriptor]) -> None:
        """Add BLOBS to the progress: they are planned to be moved."""
        if self._progress is not None:
            self._progress.expect(blobs)

    def meter(self, blobs: t.Collection[Descriptor], label: object) -> t.ContextManager[Meter]:
        """Return the meter for BLOBS, which were expected before and are moved one after the other. LABEL is shown with the progress."""
        return contextlib.nullcontext(Meter()) if self._progress is None else self._progress.meter(blobs, str(label))

    def _get_pool(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._limit, "longshore")
        return self._pool


def _open_progress() -> Progress | None:
    folder = os.environ.get(PROGRESS_VARIABLE)
    if not folder:
        return None
    from .progress import Progress

    return Progress(folder)
