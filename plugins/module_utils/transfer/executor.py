# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries plans out: blobs first and several at once, then each image's documents and names."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..errors import DiskFull, LongshoreError
from ..oci.digest import Digest
from ..oci.manifest import Descriptor
from .places import Sink, SinkWriter
from .plan import Plan, Transfer
from .workers import Workers

if t.TYPE_CHECKING:
    from concurrent.futures import Future


@dataclasses.dataclass
class _Journey:
    """A transfer under way, with the blobs that it waits for. Transfers to one sink share their blobs."""

    transfer: Transfer
    writer: SinkWriter
    blobs: list[Future[None]] = dataclasses.field(default_factory=list)


def execute(plan: Plan, transfers: t.Sequence[Transfer], workers: Workers) -> None:
    """Carries out TRANSFERS of PLAN. Images of a transfer that fails get its error; a full disk ends the others as well."""
    with contextlib.ExitStack() as stack:
        writers = _open_writers(transfers, stack)
        journeys = [_Journey(transfer, writers[id(transfer.sink)]) for transfer in transfers]
        _send_off(journeys, workers)
        for journey in journeys:
            try:
                _arrive(journey)
            except LongshoreError as error:
                _fail(plan, journey, error)
                if isinstance(error, DiskFull):
                    _cancel(journeys)


def _open_writers(transfers: t.Sequence[Transfer], stack: contextlib.ExitStack) -> dict[int, SinkWriter]:
    needed: dict[int, tuple[Sink, dict[Digest, None]]] = {}
    for transfer in transfers:
        digests = needed.setdefault(id(transfer.sink), (transfer.sink, {}))[1]
        digests.update((descriptor.digest, None) for descriptor in transfer.graph.content)
    return {key: stack.enter_context(sink.writer(digests)) for key, (sink, digests) in needed.items()}


def _send_off(journeys: t.Sequence[_Journey], workers: Workers) -> None:
    """Hands every lacking blob to the workers, once for each sink."""
    under_way: dict[tuple[int, Digest], Future[None]] = {}
    for journey in journeys:
        transfer = journey.transfer
        for blob in journey.writer.lacking(transfer.graph, transfer.moves):
            key = (id(transfer.sink), blob.digest)
            if key not in under_way:
                under_way[key] = workers.submit(_move, journey, blob)
            journey.blobs.append(under_way[key])


def _move(journey: _Journey, blob: Descriptor) -> None:
    journey.writer.ingest(blob, journey.transfer.source.open)


def _arrive(journey: _Journey) -> None:
    for blob in journey.blobs:
        blob.result()
    journey.writer.publish(journey.transfer.graph, journey.transfer.names, journey.transfer.selection)


def _fail(plan: Plan, journey: _Journey, error: LongshoreError) -> None:
    for image in plan.images:
        if image.transfer is journey.transfer:
            image.error = error


def _cancel(journeys: t.Sequence[_Journey]) -> None:
    for journey in journeys:
        for blob in journey.blobs:
            blob.cancel()
