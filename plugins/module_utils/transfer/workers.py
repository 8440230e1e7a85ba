# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one bounded pool of a run. No thread is started before there are two things to do at once."""

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

# The variable that names a folder for the progress of the run, where somebody watches it. The folder goes with the run.
PROGRESS_VARIABLE = "LONGSHORE_PROGRESS"


class ConnectionSlots:
    """How many connections the transfers of a run have open: one each, and more for large blobs while there are less than LIMIT."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def hold(self) -> t.Iterator[None]:
        """The connection that every transfer has a right to."""
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            self.release()

    def try_acquire(self) -> bool:
        """One more, if it is to be had: then it has to be given back."""
        with self._lock:
            if self._open >= self.limit:
                return False
            self._open += 1
            return True

    def release(self) -> None:
        with self._lock:
            self._open -= 1

    @property
    def over_limit(self) -> bool:
        """Whether transfers began that need the connections that others have beside their own."""
        return self._open > self.limit


class Workers:
    """Runs functions at most LIMIT at once. Alone, a transfer of a large blob may have twice as many connections."""

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self.connections = ConnectionSlots(2 * self._limit if self._limit > 1 else 1)
        self._progress = _progress()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._progress is not None:
            self._progress.close()

    def map(self, function: t.Callable[[_Item], _Result], items: t.Sequence[_Item]) -> list[_Result]:
        """The results in the order of ITEMS. The first exception, in that order, is raised."""
        if len(items) < 2 or self._limit < 2:
            return [function(item) for item in items]
        return list(self._threads().map(function, items))

    def submit(self, function: t.Callable[..., None], *arguments: t.Any) -> Future[None]:
        return self._threads().submit(function, *arguments)

    def expect(self, blobs: t.Collection[Descriptor]) -> None:
        """These are to be moved, as far as is known now."""
        if self._progress is not None:
            self._progress.expect(blobs)

    def meter(self, blobs: t.Collection[Descriptor], what: object) -> t.ContextManager[Meter]:
        """The way of BLOBS that were expected, one after the other, as part of WHAT."""
        return contextlib.nullcontext(Meter()) if self._progress is None else self._progress.meter(blobs, str(what))

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._limit, "longshore")
        return self._pool


def _progress() -> Progress | None:
    folder = os.environ.get(PROGRESS_VARIABLE)
    if not folder:
        return None
    from .progress import Progress

    return Progress(folder)
