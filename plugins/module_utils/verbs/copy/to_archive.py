# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning copies to archives: all that one task copies to one file is one archive, which is written whole or stays as it was."""

from __future__ import annotations

import typing as t

from ...archive.format import DOCKER, archive_files, tar_pieces
from ...archive.output import FileTarget
from ...archive.sink import ArchiveSink
from ...atomic_files import kept_mode
from ...errors import InvalidOption, LongshoreError, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.platform import Platform
from ...transfer.plan import ImagePlan, RefChange, RefState, Transfer
from ...transfer.workers import Workers
from ..facts import image_facts, moving, short
from ..save import saved_image
from .job import Job, look_at


class ArchiveCopies:
    """All copies of a run that go to archives."""

    def __init__(self, host: Platform) -> None:
        self._host = host

    def plan(self, jobs: t.Sequence[Job], workers: Workers) -> list[ImagePlan]:
        """A row for each job. Where one of an archive's images can't be had, none of them is copied there."""
        seen = dict(zip(jobs, look_at(self._look, jobs, workers)))
        rows: dict[Job, ImagePlan] = {}
        for path in dict.fromkeys(job.target.path for job in jobs):
            together = [job for job in jobs if job.target.path == path]
            try:
                rows.update(self._archive(path, together, [_graph_or_raise(seen[job]) for job in together]))
            except LongshoreError as error:
                rows.update({job: job.failed(error) for job in together})
        return [rows[job] for job in jobs]

    def _look(self, job: Job) -> Graph:
        graph = job.graph()
        job.origin.check(graph)
        return graph

    def _archive(self, path: str, jobs: t.Sequence[Job], graphs: t.Sequence[Graph]) -> dict[Job, ImagePlan]:
        if len({job.target.scheme for job in jobs}) > 1:
            raise InvalidOption(f"{path} can't be an archive of two formats; copy to two files")
        form = jobs[0].target.scheme
        saved = [saved_image(graph, _names(job), job.selection, self._host) for job, graph in zip(jobs, graphs)]
        for job, image in zip(jobs, saved):
            if form == DOCKER and image.runnable is None:
                raise UnsupportedFormat(f"{job.source} holds nothing that a docker archive can hold; copy it to oci-archive:{path}")
        target = FileTarget(path, tar_pieces(archive_files(saved, form, (), {})), None, kept_mode(path))
        reason = target.difference()
        sink = ArchiveSink(target)
        kept = {piece.digest for piece in target.pieces if isinstance(piece, Descriptor)}
        return {job: self._planned(job, graph, sink, kept, reason) for job, graph in zip(jobs, graphs)}

    def _planned(self, job: Job, graph: Graph, sink: ArchiveSink, kept: t.Collection[Digest], reason: str | None) -> ImagePlan:
        path = sink.target.path
        label = str(job.name or graph.root.digest)
        state = RefState(graph.root.digest, tuple(graph.platforms))
        blobs = tuple(blob for blob in graph.blobs if blob.digest in kept)
        moves = blobs if reason is not None else ()
        plan = ImagePlan(
            asked=label,
            image=image_facts(str(job.name) if job.name is not None else None, graph, job.selection, self._host),
            changes=(RefChange(f"{label} in {path}", state if reason is None else None, state),),
            own={**job.facts, "previous_digest": None, "endpoint": None, "referrers": []},
        )
        if reason is not None:
            plan.actions = (f"copy {job.source} to {label} in {path} ({short(graph.root.digest)}), since {reason}: {moving(moves)}",)
        reused = blobs if reason is None else ()
        plan.transfer = Transfer(job.origin.source, sink, graph, _names(job), None, moves, reused, reason is not None, whole=True)
        return plan


def _names(job: Job) -> tuple[t.Any, ...]:
    return (job.name,) if job.name is not None else ()


def _graph_or_raise(seen: Graph | LongshoreError) -> Graph:
    if isinstance(seen, LongshoreError):
        raise seen
    return seen
