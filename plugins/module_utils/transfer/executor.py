# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry out transfers: blobs first and several at once, then each image's documents and names."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import typing as t

from ..errors import DiskFull, LongshoreError
from ..oci.digest import Digest, DigestMismatch
from ..oci.graph import NamedGraph
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from .interfaces import Chunks, Content, DescribedSource, LocalSink, MirroredSource, OrderedSource, RemoteSource, ResumingWriter, Sink, SinkWriter
from .meter import Meter
from .transfer import Transfer
from .workers import ConnectionSlots, Workers

if t.TYPE_CHECKING:
    from concurrent.futures import Future

# Fetching a smaller blob again costs no more than resuming it.
MIN_RESUMABLE = 1024 * 1024

Errors = dict[Transfer, LongshoreError]


@dataclasses.dataclass
class _Job:
    """A running transfer, with the futures that it waits for. Transfers to one sink share their blobs."""

    transfer: Transfer
    writer: SinkWriter
    futures: list[Future[None]] = dataclasses.field(default_factory=list)
    published: bool = False

    @functools.cached_property
    def resumable(self) -> tuple[RemoteSource, ResumingWriter] | None:
        """The source and the writer if downloads between them can be resumed, else None. Cached because checking a protocol is slow."""
        source, writer = self.transfer.source, self.writer
        return (source, writer) if isinstance(source, RemoteSource) and isinstance(writer, ResumingWriter) else None

    @property
    def label(self) -> Reference | Digest:
        return next(iter(self.transfer.names), self.transfer.graph.root.digest)

    @property
    def is_stored(self) -> bool:
        """Whether all blobs are at the sink."""
        return all(future.done() and future.exception() is None for future in self.futures)

    @property
    def images(self) -> list[NamedGraph]:
        transfer = self.transfer
        return [*transfer.referrers, NamedGraph(transfer.graph, transfer.names, transfer.selection, transfer.free)]


def execute(transfers: t.Sequence[Transfer], workers: Workers, *, all_or_nothing: bool = False) -> Errors:
    """Carry out TRANSFERS and return the errors of those that failed; the others are done.

    A full disk stops every transfer that is not published yet. With ALL_OR_NOTHING any error does, and the blobs that this run stored are deleted again.
    """
    errors: Errors = {}
    full: DiskFull | None = None
    unstored = 0
    with contextlib.ExitStack() as stack:
        writers = _open_writers(transfers, stack)
        jobs = [_Job(transfer, writers[id(transfer.sink)]) for transfer in transfers]
        # Running work must end before the writers do: they hold the leases that protect it.
        stack.callback(_cancel, jobs)
        _submit_blobs(jobs, workers)
        try:
            for group in [jobs] if all_or_nothing else _group_jobs(jobs):
                publish = _publish if all_or_nothing or group[0].transfer.whole else _publish_independently
                errors.update(publish(group))
        except DiskFull as error:
            _cancel(jobs)
            full, sink = error, group[0].transfer.sink
        if all_or_nothing and (errors or full is not None):
            _cancel(jobs)
            jobs[0].writer.discard()
        if full is not None:
            unstored = _count_unstored_bytes([job for job in jobs if job.transfer.sink is sink])
    if full is not None:
        # The writers are closed, so the free space is that of the next run.
        described = full.at(sink.path, unstored) if isinstance(sink, LocalSink) else full
        # Images that were published before the disk was full stay.
        errors.update({job.transfer: described for job in jobs if not job.published and job.transfer not in errors})
    return errors


def _count_unstored_bytes(jobs: t.Sequence[_Job]) -> int:
    """Return the size of the blobs that JOBS, which have ended, have not stored, each once."""
    return sum({blob.digest: blob.size for job in jobs for blob in _find_missing_blobs(job)}.values())


def _group_jobs(jobs: t.Sequence[_Job]) -> t.Iterator[list[_Job]]:
    """Yield the jobs that are published together, after the first of them has moved its blobs.

    Those are the jobs of a sink that is published as a whole, and neighbours whose blobs are all stored by then: writing the index of a store once for
    each of a thousand tags takes longer than moving their images.
    """
    groups: dict[int, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(id(job.transfer.sink if job.transfer.whole else job), []).append(job)
    waiting = collections.deque(groups.values())
    while waiting:
        group = waiting.popleft()
        first = group[0]
        for future in first.futures:
            future.exception()
        joinable = first.writer.publishes_together and first.is_stored
        while joinable and waiting and waiting[0][0].writer is first.writer and waiting[0][0].is_stored:
            group += waiting.popleft()
        yield group


def _open_writers(transfers: t.Sequence[Transfer], stack: contextlib.ExitStack) -> dict[int, SinkWriter]:
    needed: dict[int, tuple[Sink, dict[Digest, None]]] = {}
    for transfer in transfers:
        digests = needed.setdefault(id(transfer.sink), (transfer.sink, {}))[1]
        digests.update((descriptor.digest, None) for graph in transfer.graphs for descriptor in graph.content)
    return {key: stack.enter_context(sink.open_writer(digests)) for key, (sink, digests) in needed.items()}


def _submit_blobs(jobs: t.Sequence[_Job], workers: Workers) -> None:
    """Submit every missing blob once per sink. Blobs of a source that can only be read in order are submitted as one task."""
    missing = [_find_missing_blobs(job) for job in jobs]
    workers.expect({(id(job.transfer.sink), blob.digest): blob for job, blobs in zip(jobs, missing) for blob in blobs}.values())
    submitted = _submit_in_order(jobs, missing, workers)
    for job, blobs in zip(jobs, missing):
        transfer = job.transfer
        for blob in blobs:
            key = (id(transfer.sink), blob.digest)
            if key not in submitted:
                # The blob that it waits for was submitted first, so that one runs before a thread waits for it.
                previous = submitted.get((id(transfer.linked.get(blob)), blob.digest))
                submitted[key] = workers.submit(_move, job, blob, previous, workers)
            job.futures.append(submitted[key])


def _find_missing_blobs(job: _Job) -> t.Collection[Descriptor]:
    """Return the blobs of an image and of its referrers that must be moved, each once."""
    planned = (*job.transfer.moves, *job.transfer.linked)
    missing = (blob for graph in job.transfer.graphs for blob in job.writer.find_missing_blobs(graph, planned))
    return {blob.digest: blob for blob in missing}.values()


def _submit_in_order(
    jobs: t.Sequence[_Job], missing: t.Sequence[t.Collection[Descriptor]], workers: Workers
) -> dict[tuple[int, Digest], Future[None]]:
    """Submit the blobs of sources that can only be read in order, except those that may be mounted. Return the task of each blob of each sink."""
    groups: dict[tuple[int, int], tuple[_Job, OrderedSource, dict[Digest, Descriptor]]] = {}
    grouped: set[tuple[int, Digest]] = set()
    for job, blobs in zip(jobs, missing):
        source, sink = job.transfer.source, id(job.transfer.sink)
        for blob in blobs if isinstance(source, OrderedSource) else ():
            if blob not in job.transfer.linked and (sink, blob.digest) not in grouped:
                grouped.add((sink, blob.digest))
                groups.setdefault((id(source), sink), (job, t.cast(OrderedSource, source), {}))[2][blob.digest] = blob
    submitted: dict[tuple[int, Digest], Future[None]] = {}
    for (_source, sink), (first, ordered, wanted) in groups.items():
        future = workers.submit(_move_in_order, first, ordered, list(wanted.values()), workers)
        submitted.update(((sink, digest), future) for digest in wanted)
    return submitted


def _move(job: _Job, blob: Descriptor, previous: Future[None] | None, workers: Workers) -> None:
    """Move one blob after PREVIOUS has ended, with or without an error."""
    if previous is not None:
        previous.exception()
    with _describing_wrong_bytes(job), workers.connections.hold(), workers.meter([blob], job.label) as meter:
        _copy(job, blob, workers.connections, meter)


def _copy(job: _Job, blob: Descriptor, connections: ConnectionSlots, meter: Meter) -> None:
    """Copy one blob. If a mirror sent wrong bytes, another source is tried."""
    writer, source = job.writer, job.transfer.source
    while True:
        try:
            if blob.size >= MIN_RESUMABLE and job.resumable is not None:
                from .ranged_fetch import fetch

                fetch(blob, *job.resumable, connections, meter)
            else:
                writer.put_blob(blob, meter.count_content(source.read_blob))
            return
        except DigestMismatch:
            if not isinstance(source, MirroredSource) or not source.report_bad_blob(blob):
                raise


def _move_in_order(job: _Job, source: OrderedSource, blobs: t.Collection[Descriptor], workers: Workers) -> None:
    with _describing_wrong_bytes(job):
        for blob, chunks in source.read_in_order(blobs):
            with workers.meter([blob], job.label) as meter:
                job.writer.put_blob(blob, _InOrderContent(meter.count(chunks), job.transfer.source.read_blob))


@contextlib.contextmanager
def _describing_wrong_bytes(job: _Job) -> t.Iterator[None]:
    """Add to a DigestMismatch where the wrong bytes came from: the place in the source if that is known, else the image."""
    try:
        yield
    except DigestMismatch as error:
        source = job.transfer.source
        name = f"{job.transfer.names[0]}: " if job.transfer.names else ""
        place = f"{source.describe_blob(error.digest)}: " if isinstance(source, DescribedSource) else name
        raise DigestMismatch(f"{place}{error.message}", error.status, error.registry_errors, digest=error.digest) from error


class _InOrderContent:
    """The content of a blob that is read in order. A writer that needs it again, such as an upload that broke off, gets it from READ_AGAIN."""

    def __init__(self, chunks: Chunks, read_again: Content) -> None:
        self._chunks: Chunks | None = chunks
        self._read_again = read_again

    def __call__(self, blob: Descriptor) -> Chunks:
        chunks, self._chunks = self._chunks, None
        return chunks if chunks is not None else self._read_again(blob)


def _publish(jobs: t.Sequence[_Job]) -> Errors:
    """Wait for the blobs of JOBS and publish their images at once. Raises DiskFull; every other error is returned for each of the transfers."""
    try:
        for job in jobs:
            for future in job.futures:
                future.result()
        jobs[0].writer.publish_images([image for job in jobs for image in job.images])
    except DiskFull:
        raise
    except LongshoreError as error:
        return {job.transfer: error for job in jobs}
    for job in jobs:
        job.published = True
    return {}


def _publish_independently(jobs: t.Sequence[_Job]) -> Errors:
    """Publish the images of JOBS at once or, if that fails, one by one, so that an error belongs to one image. Raises DiskFull."""
    errors = _publish(jobs)
    if not errors or len(jobs) == 1:
        return errors
    return {transfer: error for job in jobs for transfer, error in _publish([job]).items()}


def _cancel(jobs: t.Sequence[_Job]) -> None:
    """Cancel the tasks that have not started, and wait for the others."""
    running = [future for job in jobs for future in job.futures if not future.cancel()]
    for future in running:
        future.exception()
