# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writer of a store for blobs that are written before their digests are known."""

from __future__ import annotations

import contextlib
import typing as t

from ..files import TemporaryFile
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from ..streams import Chunks
from .blob_batch import limit_files
from .writer import BLOB_MODE, Content, Writer

if t.TYPE_CHECKING:
    from .store import Store


class StagingWriter(Writer):
    """A writer that also stages blobs: it writes and hashes them, and publishes those that `put_blob` is called for."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, ())
        self._staged: dict[Digest, TemporaryFile] = {}

    def __exit__(self, *unused: object) -> None:
        for file in self._staged.values():
            file.__exit__()
        super().__exit__()

    def stage_blob(self, chunks: Chunks) -> tuple[Digest, int]:
        """Write a blob to a temporary file, which stays open, and return its digest and size. Beyond `limit_files`, only hash it."""
        if len(self._staged) >= limit_files():
            return hash_stream(chunks)
        with self._detecting_full_disk(), contextlib.ExitStack() as stack:
            file = stack.enter_context(self._private_file(BLOB_MODE))
            digest, size = hash_stream(_write_through(chunks, file))
            if digest not in self._staged:
                self._staged[digest] = file
                stack.pop_all()
        return digest, size

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Store one blob as Writer does. A staged blob was hashed while it was written, and isn't read again."""
        file = self._staged.pop(descriptor.digest, None)
        if file is None:
            super().put_blob(descriptor, content)
            return
        with self._detecting_full_disk():
            self._batch.add(file, descriptor.digest)
            self._batch.publish_if_full(self._publish_blob)

    def extend_lease(self, needed: t.Iterable[Digest]) -> None:
        """Make the lease list NEEDED. Raises LockTimeout, DiskFull, InputOutputError."""
        with self._locked():
            self._lease.list_digests(needed)


def _write_through(chunks: Chunks, file: TemporaryFile) -> t.Iterator[bytes | bytearray | memoryview]:
    """Yield CHUNKS after writing each of them to FILE."""
    for chunk in chunks:
        file.write(chunk)
        yield chunk
