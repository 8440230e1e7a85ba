# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetching one blob over a network that may fail: on from where an earlier run ended, and a large one in several pieces at once."""

from __future__ import annotations

import collections
import contextlib
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..oci.manifest import Descriptor
from .interfaces import PartialBlob, RemoteSource, ResumingWriter
from .meter import Meter
from .workers import ConnectionSlots

MIB = 1024 * 1024
LARGE = 64 * MIB
PIECE = 16 * MIB
# So much of a piece is lost at most when a run is killed.
NOTED = 4 * MIB
MOST_PIECES = 1024
MOST_CONNECTIONS = 8
# How often the bytes that came are hashed, in seconds.
HASHED_EVERY = 0.1

Piece = tuple[int, int]
Pieces = t.Generator[bytes, None, None]


def fetch(blob: Descriptor, source: RemoteSource, writer: ResumingWriter, connections: ConnectionSlots, meter: Meter) -> None:
    """Takes in one blob, verified. What has come when the network fails stays with the writer. PASSAGE counts what comes."""

    def fill(partial: PartialBlob) -> None:
        meter.expect(sum(stop - start for start, stop in partial.missing_ranges()))
        if blob.size >= LARGE and connections.limit > 1:
            _in_pieces(blob, source, partial, connections, meter)
        else:
            _from_front(partial, source.read_blob(blob, _front(partial)), meter)

    writer.put_blob_resumably(blob, fill, meter.count_content(source.read_blob))


def _front(partial: PartialBlob) -> int:
    partial.start_appending()
    return partial.front


def _from_front(partial: PartialBlob, chunks: t.Iterable[bytes | bytearray | memoryview], meter: Meter) -> None:
    for chunk in chunks:
        partial.append(chunk)
        meter.add(len(chunk))


def _in_pieces(blob: Descriptor, source: RemoteSource, partial: PartialBlob, connections: ConnectionSlots, meter: Meter) -> None:
    """Several pieces at once if the first answer shows that the source honours ranges; else the whole blob, of which that answer is the beginning."""
    todo = cut(partial.missing_ranges(), blob.size)
    if not todo:
        return
    whole, chunks = source.read_range(blob, *todo[0])
    if whole:
        _from_front(partial, _beyond(_front(partial), chunks), meter)
        return
    partial.start_ranges()
    if not _RangeDownloader(blob, source, partial, connections, meter, todo).work(chunks):
        _from_front(partial, source.read_blob(blob, _front(partial)), meter)


def cut(gaps: t.Iterable[Piece], size: int) -> list[Piece]:
    """The pieces to fetch of a blob of SIZE bytes, of which GAPS lack: from front to back, all but the last of a gap equally long."""
    length = max(PIECE, -(-size // MOST_PIECES))
    return [(begin, min(begin + length, stop)) for start, stop in gaps for begin in range(start, stop, length)]


def _beyond(offset: int, chunks: Pieces) -> Pieces:
    """What CHUNKS hold beyond OFFSET."""
    for chunk in chunks:
        if offset < len(chunk):
            yield chunk[offset:]
        offset = max(0, offset - len(chunk))


class _NoRanges(Exception):
    """A source that honoured ranges at first doesn't any more."""


class _RangeDownloader:
    """Fetches the pieces of a blob, several at once, while the thread that began it hashes what has come."""

    def __init__(
        self, blob: Descriptor, source: RemoteSource, partial: PartialBlob, connections: ConnectionSlots, meter: Meter, todo: t.Iterable[Piece]
    ) -> None:
        self._blob = blob
        self._source = source
        self._partial = partial
        self._connections = connections
        self._passage = meter
        self._todo = collections.deque(todo)
        self._changed = threading.Condition()
        self._working = 0
        self._error: BaseException | None = None

    def work(self, first: Pieces) -> bool:
        """Fetches everything, FIRST being the answer for the first piece. Returns whether the source honoured ranges to the end."""
        with ThreadPoolExecutor(MOST_CONNECTIONS, "longshore-piece") as pool:
            try:
                self._start(pool, self._todo.popleft(), first)
                while self._goes_on():
                    self._ask_for_more_hands(pool)
                    self._partial.hash_more()
            except BaseException as error:
                self._give_up(error)
                raise
        if isinstance(self._error, _NoRanges):
            return False
        if self._error is not None:
            raise self._error
        return True

    def _start(self, pool: ThreadPoolExecutor, piece: Piece, chunks: Pieces | None) -> None:
        """The first thread works over the transfer's own connection; each other one over one that it gives back."""
        with self._changed:
            self._working += 1
        pool.submit(self._fetch, piece, chunks)

    def _goes_on(self) -> bool:
        with self._changed:
            if self._working:
                self._changed.wait(HASHED_EVERY)
            return self._working > 0

    def _ask_for_more_hands(self, pool: ThreadPoolExecutor) -> None:
        while self._todo and self._error is None and self._working < MOST_CONNECTIONS and self._connections.try_acquire():
            piece = self._next()
            if piece is None:
                self._connections.release()
                return
            self._start(pool, piece, None)

    def _next(self) -> Piece | None:
        with self._changed:
            return self._todo.popleft() if self._todo and self._error is None else None

    def _fetch(self, piece: Piece | None, chunks: Pieces | None) -> None:
        """One thread's work: piece after piece, until there is none or other transfers need the connection."""
        borrowed = chunks is None
        try:
            while piece is not None:
                self._take_in(piece[0], chunks or self._open(piece))
                chunks = None
                piece = None if borrowed and self._connections.over_limit else self._next()
        except BaseException as error:  # noqa: BLE001 - it is raised again by the thread that waits for this one
            self._give_up(error)
        finally:
            if borrowed:
                self._connections.release()
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _open(self, piece: Piece) -> Pieces:
        whole, chunks = self._source.read_range(self._blob, *piece)
        if whole:
            chunks.close()
            raise _NoRanges
        return chunks

    def _take_in(self, start: int, chunks: Pieces) -> None:
        position = noted = start
        with contextlib.closing(chunks):
            try:
                for chunk in chunks:
                    if self._error is not None:
                        return
                    self._partial.write_at(position, chunk)
                    position += len(chunk)
                    self._passage.add(len(chunk))
                    if position - noted >= NOTED:
                        self._partial.record_range(noted, position)
                        noted = position
            finally:
                if position > noted:
                    self._partial.record_range(noted, position)

    def _give_up(self, error: BaseException) -> None:
        """The first error is the one that counts."""
        with self._changed:
            self._error = self._error or error
