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
from .workers import ConnectionSlots, Meter, Workers

if t.TYPE_CHECKING:
    from concurrent.futures import Future

# A smaller blob is fetched again as quickly as the rest of it is.
MIN_RESUMABLE = 1024 * 1024


@dataclasses.dataclass
class _Job:
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
        return [*transfer.referrers, NamedGraph(transfer.graph, transfer.names, transfer.selection, transfer.free)]


def execute(plan: Plan, transfers: t.Sequence[Transfer], workers: Workers) -> None:
    """Carries out TRANSFERS of PLAN. Images of a transfer that fails get its error; a full disk, and a plan of images that go together, ends the others too."""
    with contextlib.ExitStack() as stack:
        writers = _open_writers(transfers, stack)
        journeys = [_Job(transfer, writers[id(transfer.sink)]) for transfer in transfers]
        # Work that is still under way must end before the writers do: they hold the leases that protect it.
        stack.callback(_give_up, journeys)
        _send_off(journeys, workers)
        try:
            for group in [journeys] if plan.all_or_nothing else _groups(journeys):
                _arrive(plan, group)
        except DiskFull as error:
            _give_up(journeys)
            _fail(plan, journeys, error)
        if plan.all_or_nothing and plan.errors:
            _give_up(journeys)
            journeys[0].writer.discard()


def _groups(journeys: t.Sequence[_Job]) -> t.Iterable[list[_Job]]:
    """Which journeys end together: those to one whole sink."""
    groups: dict[int, list[_Job]] = {}
    for journey in journeys:
        groups.setdefault(id(journey.transfer.sink if journey.transfer.whole else journey), []).append(journey)
    return groups.values()


def _open_writers(transfers: t.Sequence[Transfer], stack: contextlib.ExitStack) -> dict[int, SinkWriter]:
    needed: dict[int, tuple[Sink, dict[Digest, None]]] = {}
    for transfer in transfers:
        digests = needed.setdefault(id(transfer.sink), (transfer.sink, {}))[1]
        digests.update((descriptor.digest, None) for descriptor in transfer.graph.content)
    return {key: stack.enter_context(sink.open_writer(digests)) for key, (sink, digests) in needed.items()}


def _send_off(journeys: t.Sequence[_Job], workers: Workers) -> None:
    """Hands every lacking blob to the workers, once for each sink; those of a source with an order of its own all together."""
    under_way: dict[tuple[int, Digest], Future[None]] = {}
    in_order: dict[tuple[int, int], tuple[_Job, OrderedSource, dict[Digest, Descriptor]]] = {}
    lacking = [journey.writer.find_missing_blobs(journey.transfer.graph, (*journey.transfer.moves, *journey.transfer.linked)) for journey in journeys]
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


def _move(journey: _Job, blob: Descriptor, before: Future[None] | None, workers: Workers) -> None:
    """Brings one blob, after BEFORE, whether that worked or not."""
    if before is not None:
        before.exception()
    try:
        with workers.connections.hold(), workers.meter([blob], journey.label) as passage:
            _bring(journey, blob, workers.connections, passage)
    except DigestMismatch as error:
        names = journey.transfer.names
        raise DigestMismatch(f"{names[0]}: {error.message}" if names else error.message, error.status) from error


def _bring(journey: _Job, blob: Descriptor, connections: ConnectionSlots, passage: Meter) -> None:
    """Takes in one blob. One that a mirror gave wrongly is had from another place."""
    writer, source = journey.writer, journey.transfer.source
    while True:
        try:
            if blob.size >= MIN_RESUMABLE and isinstance(source, RemoteSource) and isinstance(writer, ResumingWriter):
                from .ranged_fetch import fetch

                fetch(blob, source, writer, connections, passage)
            else:
                writer.put_blob(blob, passage.count_content(source.read_blob))
            return
        except DigestMismatch:
            if not isinstance(source, MirroredSource) or not source.report_bad_blob(blob):
                raise


def _move_in_order(journey: _Job, source: OrderedSource, blobs: t.Collection[Descriptor], workers: Workers) -> None:
    for blob, chunks in source.read_in_order(blobs):
        with workers.meter([blob], journey.label) as passage:
            journey.writer.put_blob(blob, functools.partial(_given, passage.count(chunks)))


def _given(chunks: Chunks, _blob: Descriptor) -> Chunks:
    return chunks


def _arrive(plan: Plan, journeys: t.Sequence[_Job]) -> None:
    """Waits for what JOURNEYS bring and publishes it at once. Raises DiskFull alone: every other error is noted with their images."""
    try:
        for journey in journeys:
            for work in journey.work:
                work.result()
        journeys[0].writer.publish_images([arrival for journey in journeys for arrival in journey.arrivals])
        for journey in journeys:
            journey.done = True
    except DiskFull:
        raise
    except LongshoreError as error:
        _fail(plan, journeys, error)


def _give_up(journeys: t.Sequence[_Job]) -> None:
    """Drops what hasn't begun, and waits for what has."""
    pending = [work for journey in journeys for work in journey.work if not work.cancel()]
    for work in pending:
        work.exception()


def _fail(plan: Plan, journeys: t.Sequence[_Job], error: LongshoreError) -> None:
    """Notes ERROR with the images of JOURNEYS; those that were published before a disk was full stay done."""
    failed = {id(journey.transfer) for journey in journeys if not journey.done}
    for image in plan.images:
        if id(image.transfer) in failed and image.error is None:
            image.error = error
