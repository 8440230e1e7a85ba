# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries plans out: blobs first and several at once, then each image's documents and names."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from ..errors import DigestMismatch, DiskFull, LongshoreError
from ..oci.digest import Digest
from ..oci.graph import NamedGraph
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from .interfaces import Chunks, MirroredSource, OrderedSource, RemoteSource, ResumingWriter, Sink, SinkWriter
from .plan import Plan, Transfer
from .workers import Connections, Passage, Workers

if t.TYPE_CHECKING:
    from concurrent.futures import Future

# A smaller blob is fetched again as quickly as the rest of it is.
WORTH_RESUMING = 1024 * 1024


@dataclasses.dataclass
class _Journey:
    """A transfer under way, with the work that it waits for. Transfers to one sink share their blobs."""

    transfer: Transfer
    writer: SinkWriter
    work: list[Future[None]] = dataclasses.field(default_factory=list)
    done: bool = False

    @property
    def label(self) -> Reference | Digest:
        return next(iter(self.transfer.names), self.transfer.graph.root.digest)

    @property
    def arrivals(self) -> list[NamedGraph]:
        transfer = self.transfer
        return [*transfer.companions, NamedGraph(transfer.graph, transfer.names, transfer.selection, transfer.free)]


def execute(plan: Plan, transfers: t.Sequence[Transfer], workers: Workers) -> None:
    """Carries out TRANSFERS of PLAN. Images of a transfer that fails get its error; a full disk, and a plan of images that go together, ends the others too."""
    with contextlib.ExitStack() as stack:
        writers = _open_writers(transfers, stack)
        journeys = [_Journey(transfer, writers[id(transfer.sink)]) for transfer in transfers]
        # Work that is still under way must end before the writers do: they hold the leases that protect it.
        stack.callback(_give_up, journeys)
        _send_off(journeys, workers)
        try:
            for group in [journeys] if plan.together else _groups(journeys):
                _arrive(plan, group)
        except DiskFull as error:
            _give_up(journeys)
            _fail(plan, journeys, error)
        if plan.together and plan.errors:
            _give_up(journeys)
            journeys[0].writer.discard()


def _groups(journeys: t.Sequence[_Journey]) -> t.Iterable[list[_Journey]]:
    """Which journeys end together: those to one whole sink."""
    groups: dict[int, list[_Journey]] = {}
    for journey in journeys:
        groups.setdefault(id(journey.transfer.sink if journey.transfer.whole else journey), []).append(journey)
    return groups.values()


def _open_writers(transfers: t.Sequence[Transfer], stack: contextlib.ExitStack) -> dict[int, SinkWriter]:
    needed: dict[int, tuple[Sink, dict[Digest, None]]] = {}
    for transfer in transfers:
        digests = needed.setdefault(id(transfer.sink), (transfer.sink, {}))[1]
        digests.update((descriptor.digest, None) for descriptor in transfer.graph.content)
    return {key: stack.enter_context(sink.writer(digests)) for key, (sink, digests) in needed.items()}


def _send_off(journeys: t.Sequence[_Journey], workers: Workers) -> None:
    """Hands every lacking blob to the workers, once for each sink; those of a source with an order of its own all together."""
    under_way: dict[tuple[int, Digest], Future[None]] = {}
    in_order: dict[tuple[int, int], tuple[_Journey, OrderedSource, dict[Digest, Descriptor]]] = {}
    lacking = [journey.writer.lacking(journey.transfer.graph, (*journey.transfer.moves, *journey.transfer.linked)) for journey in journeys]
    workers.expect({(id(journey.transfer.sink), blob.digest): blob for journey, lacked in zip(journeys, lacking) for blob in lacked}.values())
    for journey, lacked in zip(journeys, lacking):
        transfer = journey.transfer
        for blob in lacked:
            if isinstance(transfer.source, OrderedSource):
                in_order.setdefault(_way(transfer), (journey, transfer.source, {}))[2].setdefault(blob.digest, blob)
                continue
            key = (id(transfer.sink), blob.digest)
            if key not in under_way:
                # Those that wait were handed over later than what they wait for, so that it is under way when their turn comes.
                before = under_way.get((id(transfer.linked.get(blob)), blob.digest))
                under_way[key] = workers.submit(_move, journey, blob, before, workers)
            journey.work.append(under_way[key])
    for first, source, blobs in in_order.values():
        reading = workers.submit(_move_in_order, first, source, list(blobs.values()), workers)
        for journey in journeys:
            if _way(journey.transfer) == _way(first.transfer):
                journey.work.append(reading)


def _way(transfer: Transfer) -> tuple[int, int]:
    return id(transfer.source), id(transfer.sink)


def _move(journey: _Journey, blob: Descriptor, before: Future[None] | None, workers: Workers) -> None:
    """Brings one blob, after BEFORE, whether that worked or not."""
    if before is not None:
        before.exception()
    try:
        with workers.connections.one(), workers.passage([blob], journey.label) as passage:
            _bring(journey, blob, workers.connections, passage)
    except DigestMismatch as error:
        names = journey.transfer.names
        raise DigestMismatch(f"{names[0]}: {error.message}" if names else error.message, error.status) from error


def _bring(journey: _Journey, blob: Descriptor, connections: Connections, passage: Passage) -> None:
    """Takes in one blob. One that a mirror gave wrongly is had from another place."""
    writer, source = journey.writer, journey.transfer.source
    while True:
        try:
            if blob.size >= WORTH_RESUMING and isinstance(source, RemoteSource) and isinstance(writer, ResumingWriter):
                from .ranged_fetch import fetch

                fetch(blob, source, writer, connections, passage)
            else:
                writer.ingest(blob, passage.content(source.open))
            return
        except DigestMismatch:
            if not isinstance(source, MirroredSource) or not source.distrust(blob):
                raise


def _move_in_order(journey: _Journey, source: OrderedSource, blobs: t.Collection[Descriptor], workers: Workers) -> None:
    for blob, chunks in source.stream(blobs):
        with workers.passage([blob], journey.label) as passage:
            journey.writer.ingest(blob, functools.partial(_given, passage.counted(chunks)))


def _given(chunks: Chunks, _blob: Descriptor) -> Chunks:
    return chunks


def _arrive(plan: Plan, journeys: t.Sequence[_Journey]) -> None:
    """Waits for what JOURNEYS bring and publishes it at once. Raises DiskFull alone: every other error is noted with their images."""
    try:
        for journey in journeys:
            for work in journey.work:
                work.result()
        journeys[0].writer.publish([arrival for journey in journeys for arrival in journey.arrivals])
        for journey in journeys:
            journey.done = True
    except DiskFull:
        raise
    except LongshoreError as error:
        _fail(plan, journeys, error)


def _give_up(journeys: t.Sequence[_Journey]) -> None:
    """Drops what hasn't begun, and waits for what has."""
    pending = [work for journey in journeys for work in journey.work if not work.cancel()]
    for work in pending:
        work.exception()


def _fail(plan: Plan, journeys: t.Sequence[_Journey], error: LongshoreError) -> None:
    """Notes ERROR with the images of JOURNEYS; those that were published before a disk was full stay done."""
    failed = {id(journey.transfer) for journey in journeys if not journey.done}
    for image in plan.images:
        if id(image.transfer) in failed and image.error is None:
            image.error = error
