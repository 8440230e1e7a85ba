# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress file: the module writes how many bytes it has moved, and the controller reads that file. Only runs with progress output have one."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import typing as t

from ..oci.manifest import Descriptor
from .interfaces import Chunks, Content
from .meter import Meter

_Chunk = t.TypeVar("_Chunk", bound=t.Union[bytes, bytearray, memoryview])

# Seconds between two updates of the file.
PAUSE = 0.1
FILE = "progress"
_MAX_LABEL = 300


class Progress:
    """Count moved bytes, and replace the file in FOLDER at most ten times a second and when nothing remains.

    Errors of writing the file are ignored: they must not fail the transfer.
    """

    def __init__(self, folder: str, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._path = os.path.join(folder, FILE)
        self._clock = clock
        self._lock = threading.Lock()
        self._next_update = clock()
        self._label = ""
        self._bytes = self._all_bytes = self._blobs = self._all_blobs = 0

    def expect(self, blobs: t.Collection[Descriptor]) -> None:
        self.note(more=sum(blob.size for blob in blobs), more_blobs=len(blobs))

    @contextlib.contextmanager
    def meter(self, blobs: t.Collection[Descriptor], label: str) -> t.Iterator[Meter]:
        with self._lock:
            self._label = label[:_MAX_LABEL]
        meter = CountingMeter(self, sum(blob.size for blob in blobs))
        yield meter
        meter.expect(0)
        self.note(blobs=len(blobs))

    def note(self, moved: int = 0, more: int = 0, blobs: int = 0, more_blobs: int = 0) -> None:
        """Add MOVED bytes and BLOBS to those that were moved, and MORE, which may be negative, to those that are expected."""
        with self._lock:
            self._bytes += moved
            self._all_bytes += more
            self._blobs += blobs
            self._all_blobs += more_blobs
            now = self._clock()
            if now >= self._next_update or (self._bytes == self._all_bytes and more <= 0):
                self._next_update = now + PAUSE
                self._write()

    def close(self) -> None:
        """Delete the file and its folder: the process that reads them may be gone."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)

    def _write(self) -> None:
        state = {"bytes": self._bytes, "all_bytes": self._all_bytes, "blobs": self._blobs, "all_blobs": self._all_blobs, "what": self._label}
        with contextlib.suppress(OSError):
            with open(f"{self._path}.new", "wb", opener=_open_private) as file:
                file.write(json.dumps(state).encode())
            os.replace(f"{self._path}.new", self._path)


class CountingMeter(Meter):
    """Count the bytes of some blobs. Bytes that an earlier run left or the target has already are not counted; bytes that are fetched again count twice."""

    def __init__(self, progress: Progress, size: int) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._remaining = size

    def expect(self, remaining: int) -> None:
        with self._lock:
            more, self._remaining = remaining - self._remaining, remaining
        self._progress.note(more=more)

    def add(self, count: int) -> None:
        with self._lock:
            more, self._remaining = max(0, count - self._remaining), max(0, self._remaining - count)
        self._progress.note(count, more)

    def count(self, chunks: t.Iterable[_Chunk]) -> t.Iterator[_Chunk]:
        for chunk in chunks:
            yield chunk
            self.add(len(chunk))

    def count_content(self, content: Content) -> Content:
        def counted_content(descriptor: Descriptor) -> Chunks:
            self.expect(descriptor.size)
            return self.count(content(descriptor))

        return counted_content


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
