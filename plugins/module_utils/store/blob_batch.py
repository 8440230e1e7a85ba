# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs that are written and verified but have no name yet. Syncing many small files together costs far less than syncing each one by itself."""

from __future__ import annotations

import contextlib
import errno
import threading
import typing as t

from ..errors import InputOutputError, LongshoreError
from ..files import TemporaryFile
from ..oci.digest import Digest

# Each file keeps a descriptor open. A process that may open few files keeps fewer: folders, connections and sources need about 40 descriptors.
MAX_FILES = 64
_OTHER_FILES = 40
# A run that is killed loses at most this many bytes of finished blobs, and the blob that came last.
MAX_BYTES = 16 * 1024 * 1024

PublishBlob = t.Callable[[TemporaryFile, Digest], None]


def limit_files() -> int:
    """Return how many files without a name may be open at once, by the limit of this process."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_FILES if limit == resource.RLIM_INFINITY else min(MAX_FILES, max(1, (limit - _OTHER_FILES) // 4))


class BlobBatch:
    """Collects written files and publishes them together. Several threads may use it at once."""

    def __init__(self) -> None:
        self.errors: dict[Digest, LongshoreError] = {}  # of blobs that could not be published
        self._files: list[tuple[TemporaryFile, Digest]] = []
        self._size = 0
        self._max_files = limit_files()
        self._lock = threading.Lock()
        self._publishing = threading.Lock()  # held while files are published, and acquired before _lock

    def create_file(self, create: t.Callable[[], TemporaryFile], publish_blob: PublishBlob) -> TemporaryFile:
        """Return what CREATE returns. If too many files are open, publish all files first, which closes them, and try once more."""
        try:
            return create()
        except InputOutputError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self.publish(publish_blob)
        return create()

    def add(self, file: TemporaryFile, digest: Digest) -> None:
        """Take over a complete file."""
        file.start_writeback()
        with self._lock:
            self._files.append((file, digest))
            self._size += file.size

    def publish_if_full(self, publish_blob: PublishBlob) -> None:
        """Publish all files, as `publish` does, if there are many."""
        if self._is_full():
            with self._publishing:
                if self._is_full():  # unless another thread has just published them
                    self._publish(publish_blob)

    def _is_full(self) -> bool:
        return len(self._files) >= self._max_files or self._size >= MAX_BYTES

    def publish(self, publish_blob: PublishBlob) -> None:
        """Sync all files, then let PUBLISH_BLOB give them their names. Files that another thread is publishing have their names too when this returns.

        Raises DiskFull, InputOutputError and what PUBLISH_BLOB raises. Then the remaining files are deleted, and `errors` says why.
        """
        with self._publishing:
            self._publish(publish_blob)

    def _publish(self, publish_blob: PublishBlob) -> None:
        files, published = self._take(), 0
        try:
            for file, _digest in files:
                file.sync()
            for file, digest in files:
                publish_blob(file, digest)
                published += 1
        except LongshoreError as error:
            self.errors.update((digest, error) for _file, digest in files[published:])
            raise
        finally:
            _close(files)

    def drop(self) -> None:
        """Delete all files."""
        _close(self._take())

    def _take(self) -> list[tuple[TemporaryFile, Digest]]:
        with self._lock:
            files, self._files, self._size = self._files, [], 0
        return files


def _close(files: t.Iterable[tuple[TemporaryFile, Digest]]) -> None:
    """Close files, and delete those that have no name yet."""
    with contextlib.ExitStack() as stack:
        for file, _digest in files:
            stack.push(file)
