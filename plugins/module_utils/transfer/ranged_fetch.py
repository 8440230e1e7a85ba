# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetch one blob over a network that may fail: resume where an earlier run stopped, and fetch several ranges of a large blob at once."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..oci.manifest import Descriptor
from .interfaces import PartialBlob, RemoteSource, ResumingWriter
from .meter import Meter
from .workers import ConnectionSlots

MIB = 1024 * 1024
MIN_PARALLEL = 64 * MIB
MIN_RANGE = 16 * MIB
# A run that is killed loses at most this many bytes of a range.
RECORD_EVERY = 4 * MIB
MAX_RANGES = 1024
MAX_CONNECTIONS = 8
# Seconds between two times that ranges are hashed and their speed is measured; also the seconds of waiting that show the speed of one response.
INTERVAL = 0.1
# Bytes a second. While the connections of a blob are faster than this on average, the network isn't the limit, and more connections only cost time.
FAST = 100_000_000

Range = tuple[int, int]
Chunks = t.Generator[t.Union[bytes, memoryview], None, None]


def fetch(blob: Descriptor, source: RemoteSource, writer: ResumingWriter, connections: ConnectionSlots, meter: Meter) -> None:
    """Fetch, verify and store one blob. If the network fails the writer keeps the received bytes. METER counts them."""
    writer.put_blob_resumably(blob, lambda partial: _Fetch(blob, source, partial, connections, meter).run(), meter.count_content(source.read_blob))


def split_ranges(gaps: t.Iterable[Range], size: int) -> list[Range]:
    """Split the GAPS of a blob of SIZE bytes into ranges to fetch, from front to back. All ranges of a gap but the last have the same length."""
    length = max(MIN_RANGE, -(-size // MAX_RANGES))
    return [(begin, min(begin + length, stop)) for start, stop in gaps for begin in range(start, stop, length)]


@dataclasses.dataclass(frozen=True)
class _Fetch:
    """Fetches the missing bytes of one blob: in two responses while these are fast, otherwise as ranges over several connections."""

    blob: Descriptor
    source: RemoteSource
    partial: PartialBlob
    connections: ConnectionSlots
    meter: Meter

    def run(self) -> None:
        gaps = self.partial.missing_ranges()
        self.meter.expect(sum(stop - start for start, stop in gaps))
        if not gaps:
            return
        if self.blob.size < MIN_PARALLEL or self.connections.limit < 2:
            self._append_rest()
            return
        # This response shows whether the source supports ranges. It ends soon, so that nothing of it is lost if the rest is split.
        start, stop = split_ranges(gaps, self.blob.size)[0]
        whole, chunks = self.source.read_range(self.blob, start, stop)
        if whole:
            self._append(_skip(self._prepare_appending(), chunks))
        elif len(gaps) > 1:
            self._fetch_ranges(chunks, stop)
        else:
            self._prepare_appending()
            self._append_or_split(chunks, stop)

    def _prepare_appending(self) -> int:
        """Return the offset at which appending starts."""
        self.partial.start_appending()
        return self.partial.front

    def _append(self, chunks: t.Iterable[bytes | bytearray | memoryview]) -> None:
        for chunk in chunks:
            self.partial.append(chunk)
            self.meter.add(len(chunk))

    def _append_rest(self) -> None:
        self._append(self.source.read_blob(self.blob, self._prepare_appending()))

    def _append_or_split(self, chunks: Chunks, stop: int) -> None:
        """Append CHUNKS, which end at STOP, and then the rest of the blob. If one of the two responses is slow, fetch what is missing then as ranges.

        Bytes that are appended are hashed from memory; most bytes of ranges are read again from the file.
        """
        if not self._append_while_fast(chunks):
            self._fetch_ranges(chunks, stop)
        elif stop < self.blob.size:
            whole, rest = self.source.read_range(self.blob, stop, self.blob.size)
            if whole:
                self._append(_skip(stop, rest))
            elif not self._append_while_fast(rest):
                rest.close()
                self._fetch_ranges(rest, self.partial.front)

    def _append_while_fast(self, chunks: Chunks) -> bool:
        """Append CHUNKS to their end and return True, or return False as soon as they arrive slowly. Only the time of waiting for them counts."""
        received, waited = 0, 0.0
        while True:
            began = time.monotonic()
            chunk = next(chunks, None)
            waited += time.monotonic() - began
            if chunk is None:
                return True
            self._append((chunk,))
            received += len(chunk)
            if waited >= INTERVAL:
                if received < FAST * waited:
                    return False
                received, waited = 0, 0.0

    def _fetch_ranges(self, chunks: Chunks, stop: int) -> None:
        """Fetch all that is missing; CHUNKS are the missing bytes before STOP. If ranges are ignored suddenly, append the rest."""
        self.partial.start_ranges()
        gaps = [(max(start, stop), end) for start, end in self.partial.missing_ranges() if end > stop]
        ranges = split_ranges(gaps, self.blob.size)
        if not _RangeDownloader(self, ranges).download((self.partial.front, stop), chunks):
            self._append_rest()


def _skip(offset: int, chunks: Chunks) -> Chunks:
    """Yield the bytes of CHUNKS after the first OFFSET bytes."""
    for chunk in chunks:
        if offset < len(chunk):
            yield chunk[offset:]
        offset = max(0, offset - len(chunk))


class _NoRanges(Exception):
    """Raised if a source that supported ranges at first sends the whole blob."""


class _RangeDownloader:
    """Fetch ranges of a blob, several at once, while the calling thread hashes the received bytes."""

    def __init__(self, job: _Fetch, ranges: t.Iterable[Range]) -> None:
        self._blob = job.blob
        self._source = job.source
        self._partial = job.partial
        self._connections = job.connections
        self._meter = job.meter
        self._ranges = collections.deque(ranges)
        self._changed = threading.Condition()
        self._running = 0
        self._received = 0
        self._measured = (0, time.monotonic())
        self._error: BaseException | None = None

    def download(self, first: Range, chunks: Chunks) -> bool:
        """Fetch all ranges. CHUNKS are the bytes of the FIRST one, which has begun. Return False if the source stopped supporting ranges."""
        with ThreadPoolExecutor(MAX_CONNECTIONS, "longshore-range") as pool:
            try:
                self._start(pool, first, chunks)
                self._start_more(pool)
                while self._is_running():
                    if self._is_slow():
                        self._start_more(pool)
                    self._partial.hash_more()
            except BaseException as error:
                self._record_error(error)
                raise
        if isinstance(self._error, _NoRanges):
            return False
        if self._error is not None:
            raise self._error
        return True

    def _start(self, pool: ThreadPoolExecutor, span: Range, chunks: Chunks | None) -> None:
        """Start one thread. The first uses the connection slot of the transfer; each other one uses an additional slot and releases it."""
        with self._changed:
            self._running += 1
        pool.submit(self._fetch, span, chunks)

    def _is_running(self) -> bool:
        """Wait a moment and return whether a thread is still running."""
        with self._changed:
            if self._running:
                self._changed.wait(INTERVAL)
            return self._running > 0

    def _is_slow(self) -> bool:
        """Return whether the connections received less than FAST, on average, since the last call."""
        (received, measured_at), self._measured = self._measured, (self._received, time.monotonic())
        return self._measured[0] - received < FAST * self._running * (self._measured[1] - measured_at)

    def _start_more(self, pool: ThreadPoolExecutor) -> None:
        """Start another thread for each free connection slot while ranges remain."""
        while self._ranges and self._error is None and self._running < MAX_CONNECTIONS and self._connections.try_acquire():
            span = self._take_range()
            if span is None:
                self._connections.release()
                return
            self._start(pool, span, None)

    def _take_range(self) -> Range | None:
        with self._changed:
            return self._ranges.popleft() if self._ranges and self._error is None else None

    def _fetch(self, span: Range | None, chunks: Chunks | None) -> None:
        """Fetch one range after the other until none remains or another transfer needs the connection slot. Runs in a thread."""
        is_additional = chunks is None
        try:
            while span is not None:
                self._write(span[0], chunks or self._open(span))
                chunks = None
                span = None if is_additional and self._connections.over_limit else self._take_range()
        except BaseException as error:  # noqa: BLE001 - the thread that waits for this one raises it again
            self._record_error(error)
        finally:
            if is_additional:
                self._connections.release()
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _open(self, span: Range) -> Chunks:
        whole, chunks = self._source.read_range(self._blob, *span)
        if whole:
            chunks.close()
            raise _NoRanges
        return chunks

    def _write(self, start: int, chunks: Chunks) -> None:
        """Write CHUNKS at the offset START, and record them in steps."""
        position = recorded = start
        with contextlib.closing(chunks):
            try:
                for chunk in chunks:
                    if self._error is not None:
                        return
                    self._partial.write_at(position, chunk)
                    position += len(chunk)
                    with self._changed:
                        self._received += len(chunk)
                    self._meter.add(len(chunk))
                    if position - recorded >= RECORD_EVERY:
                        self._partial.record_range(recorded, position)
                        recorded = position
            finally:
                if position > recorded:
                    self._partial.record_range(recorded, position)

    def _record_error(self, error: BaseException) -> None:
        """Record ERROR, which stops all threads. Only the first error is kept."""
        with self._changed:
            self._error = self._error or error
