# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan copies to archives. All images that one task copies to one file make one archive, which is replaced as a whole or stays unchanged."""

from __future__ import annotations

import typing as t

from ...archive.format import DOCKER, build_archive_files, build_tar
from ...archive.output import FileOutput
from ...archive.sink import ArchiveSink
from ...atomic_files import existing_mode
from ...errors import InvalidOption, LongshoreError, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.platform import Platform
from ...transfer.plan import ImagePlan, RefChange, RefState, Step
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..facts import describe_transfer, image_facts, short_digest
from ..save import saved_image
from .job import CopyJob, inspect_jobs


class ArchiveCopyPlanner:
    """Plan all copies of a run whose targets are archives."""

    steps: t.Sequence[Step] = ()

    def __init__(self, host: Platform) -> None:
        self._host = host

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        """Return a row for each job. If one image of an archive can't be read, no image is copied to that archive."""
        graphs = dict(zip(jobs, inspect_jobs(self._read_graph, jobs, workers)))
        rows: dict[CopyJob, ImagePlan] = {}
        for path in dict.fromkeys(job.target.path for job in jobs):
            group = [job for job in jobs if job.target.path == path]
            try:
                rows.update(self._plan_archive(path, group, [_graph_or_raise(graphs[job]) for job in group]))
            except LongshoreError as error:
                rows.update({job: job.fail(error) for job in group})
        return [rows[job] for job in jobs]

    def _read_graph(self, job: CopyJob) -> Graph:
        graph = job.graph()
        job.image_source.check_blobs(graph)
        return graph

    def _plan_archive(self, path: str, jobs: t.Sequence[CopyJob], graphs: t.Sequence[Graph]) -> dict[CopyJob, ImagePlan]:
        if len({job.target.scheme for job in jobs}) > 1:
            raise InvalidOption(f"{path} can't have two archive formats; copy to two files")
        form = jobs[0].target.scheme
        saved = [saved_image(graph, _names(job), job.selection, self._host) for job, graph in zip(jobs, graphs)]
        for job, image in zip(jobs, saved):
            if form == DOCKER and image.runnable is None:
                raise UnsupportedFormat(f"{job.source} has no image that a docker-archive can store; copy it to oci-archive:{path}")
        target = FileOutput(path, build_tar(build_archive_files(saved, form, (), {})), None, existing_mode(path))
        reason = target.difference()
        sink = ArchiveSink(target)
        stored = {piece.digest for piece in target.pieces if isinstance(piece, Descriptor)}
        return {job: self._plan_image(job, graph, sink, stored, reason) for job, graph in zip(jobs, graphs)}

    def _plan_image(self, job: CopyJob, graph: Graph, sink: ArchiveSink, stored: t.Collection[Digest], reason: str | None) -> ImagePlan:
        path = sink.target.path
        label = str(job.name or graph.root.digest)
        state = RefState(graph.root.digest, tuple(graph.platforms))
        blobs = tuple(blob for blob in graph.blobs if blob.digest in stored)
        moves = blobs if reason is not None else ()
        action = f"copy {job.source} to {label} in {path} ({short_digest(graph.root.digest)}), since {reason}: {describe_transfer(moves)}"
        return ImagePlan(
            requested=label,
            image=image_facts(str(job.name) if job.name is not None else None, graph, job.selection, self._host),
            changes=(RefChange(f"{label} in {path}", state if reason is None else None, state),),
            actions=(action,) if reason is not None else (),
            transfer=Transfer(
                job.image_source.source,
                sink,
                graph,
                _names(job),
                selection=None,
                moves=moves,
                reused=blobs if reason is None else (),
                pending=reason is not None,
                whole=True,
            ),
            results={**job.facts, "previous_digest": None, "endpoint": None, "referrers": []},
        )


def _names(job: CopyJob) -> tuple[t.Any, ...]:
    return (job.name,) if job.name is not None else ()


def _graph_or_raise(result: Graph | LongshoreError) -> Graph:
    if isinstance(result, LongshoreError):
        raise result
    return result
