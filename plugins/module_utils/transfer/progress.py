# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run has moved so far, in a small file for whoever watches it. It exists only in runs that are watched."""

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

# Seconds between two writings.
PAUSE = 0.1
FILE = "progress"
_MAX_WHAT = 300


class Progress:
    """Counts bytes on their way, and replaces the file in FOLDER at most ten times a second, and when nothing is left to come.

    A file that can't be written is nobody's trouble but the watcher's.
    """

    def __init__(self, folder: str, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._path = os.path.join(folder, FILE)
        self._clock = clock
        self._lock = threading.Lock()
        self._next_writing = clock()
        self._what = ""
        self._bytes = self._all_bytes = self._blobs = self._all_blobs = 0

    def expect(self, blobs: t.Collection[Descriptor]) -> None:
        self.note(to_come=sum(blob.size for blob in blobs), blobs_to_come=len(blobs))

    @contextlib.contextmanager
    def meter(self, blobs: t.Collection[Descriptor], what: str) -> t.Iterator[Meter]:
        with self._lock:
            self._what = what[:_MAX_WHAT]
        meter = CountingMeter(self, sum(blob.size for blob in blobs))
        yield meter
        meter.expect(0)
        self.note(blobs=len(blobs))

    def note(self, moved: int = 0, to_come: int = 0, blobs: int = 0, blobs_to_come: int = 0) -> None:
        """So much more was moved, and so much more or less is to come than was expected."""
        with self._lock:
            self._bytes += moved
            self._all_bytes += to_come
            self._blobs += blobs
            self._all_blobs += blobs_to_come
            now = self._clock()
            if now >= self._next_writing or (self._bytes == self._all_bytes and to_come <= 0):
                self._next_writing = now + PAUSE
                self._write()

    def close(self) -> None:
        """Leaves nothing behind, for a watcher that may be gone."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)

    def _write(self) -> None:
        state = {"bytes": self._bytes, "all_bytes": self._all_bytes, "blobs": self._blobs, "all_blobs": self._all_blobs, "what": self._what}
        with contextlib.suppress(OSError):
            with open(f"{self._path}.new", "wb", opener=_private) as file:
                file.write(json.dumps(state).encode())
            os.replace(f"{self._path}.new", self._path)


class CountingMeter(Meter):
    """Bytes on their way. What an earlier run left, or the target has otherwise, isn't moved; what is tried again is moved twice."""

    def __init__(self, progress: Progress, size: int) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._to_come = size

    def expect(self, to_come: int) -> None:
        with self._lock:
            more, self._to_come = to_come - self._to_come, to_come
        self._progress.note(to_come=more)

    def add(self, count: int) -> None:
        with self._lock:
            more, self._to_come = max(0, count - self._to_come), max(0, self._to_come - count)
        self._progress.note(count, more)

    def count(self, chunks: t.Iterable[_Chunk]) -> t.Iterator[_Chunk]:
        for chunk in chunks:
            yield chunk
            self.add(len(chunk))

    def count_content(self, content: Content) -> Content:
        def opened(descriptor: Descriptor) -> Chunks:
            self.expect(descriptor.size)
            return self.count(content(descriptor))

        return opened


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
