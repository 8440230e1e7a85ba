# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold new blobs of a store that are written before their digests are known, so that a run that surely stores them reads their sources only once."""

from __future__ import annotations

import itertools
import threading
import typing as t

from ..oci.digest import Digest
from ..streams import Chunks

if t.TYPE_CHECKING:
    from .staging_writer import StagingWriter
    from .store import Store
    from .writer import Writer


class Staging:
    """The blobs that a run writes while it is planned, and the sink that publishes them.

    They are temporary files under the lease of the run, like every blob without a name: a run that fails deletes them, and the next writer deletes those of
    a killed run.
    """

    def __init__(self, store: Store) -> None:
        """Write nothing yet."""
        self._store = store
        self._writer: StagingWriter | None = None
        self._lock = threading.Lock()

    def put_blob(self, chunks: Chunks) -> tuple[Digest, int]:
        """Write a blob to a temporary file, and return its digest and size. Nothing is written if CHUNKS fail at once.

        Raises what CHUNKS raise, and the errors of creating a Writer and of writing.
        """
        chunks = iter(chunks)
        first = next(chunks, b"")
        with self._lock:
            if self._writer is None:
                # The import is local because a run that finds the image unchanged writes nothing.
                from .staging_writer import StagingWriter

                self._store.check_writable()
                self._writer = StagingWriter(self._store)
        return self._writer.stage_blob(itertools.chain((first,), chunks))

    @property
    def path(self) -> str:
        """Return the folder of the store."""
        return self._store.path

    def open_writer(self, needed: t.Iterable[Digest]) -> Writer:
        """Return the writer that publishes the staged blobs. It holds a lease on NEEDED."""
        if self._writer is None:
            return self._store.open_writer(needed)
        self._writer.extend_lease(needed)
        writer, self._writer = self._writer, None
        return writer

    def check_writable(self) -> None:
        """Raise InputOutputError if this user can't write to the store or create it."""
        self._store.check_writable()

    def close(self) -> None:
        """Delete the staged blobs, unless a writer was opened for them."""
        if self._writer is not None:
            self._writer.__exit__()
