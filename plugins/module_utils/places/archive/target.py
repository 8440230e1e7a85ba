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
from ...oci.referrers import FoundReferrers
from ...transfer.plan import ImagePlan, RefChange, RefState, Step
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..copy_job import CopyJob, inspect_jobs
from ..facts import describe_transfer, image_facts, short_digest
from ..referrer_plan import unique_blobs
from .saved_image import saved_image, saved_referrers

_Image = tuple[Graph, FoundReferrers]


class ArchiveCopyPlanner:
    """Plan all copies of a run whose targets are archives."""

    steps: t.Sequence[Step] = ()

    def __init__(self, host: Platform, referrers: bool = False) -> None:
        self._host = host
        self._referrers = referrers

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        """Return a row for each job. If one image of an archive can't be read, no image is copied to that archive."""
        images = dict(zip(jobs, inspect_jobs(self._read_image, jobs, workers)))
        rows: dict[CopyJob, ImagePlan] = {}
        for path in dict.fromkeys(job.target.path for job in jobs):
            group = [job for job in jobs if job.target.path == path]
            try:
                rows.update(self._plan_archive(path, group, [_image_or_raise(images[job]) for job in group]))
            except LongshoreError as error:
                rows.update({job: job.fail(error) for job in group})
        return [rows[job] for job in jobs]

    def _read_image(self, job: CopyJob) -> _Image:
        graph = job.graph()
        job.image_source.check_blobs(graph)
        # A docker-archive can't hold referrers.
        if not self._referrers or job.target.scheme == DOCKER:
            return graph, FoundReferrers()
        return graph, job.find_referrers(graph)

    def _plan_archive(self, path: str, jobs: t.Sequence[CopyJob], images: t.Sequence[_Image]) -> dict[CopyJob, ImagePlan]:
        if len({job.target.scheme for job in jobs}) > 1:
            raise InvalidOption(f"{path} can't have two archive formats; copy to two files")
        form = jobs[0].target.scheme
        saved = [saved_image(graph, _names(job), form, job.selection, self._host) for job, (graph, _found) in zip(jobs, images)]
        copied = [(image.graph, found) for image, (_graph, found) in zip(saved, images)]
        for job, image in zip(jobs, saved):
            if form == DOCKER and image.runnable is None:
                raise UnsupportedFormat(f"{job.source} has no image that a docker-archive can store; copy it to oci-archive:{path}")
        saved += [referrer for job, (_graph, found) in zip(jobs, images) for referrer in saved_referrers(job.name, found)]
        target = FileOutput(path, build_tar(build_archive_files(saved, form, (), {})), None, existing_mode(path))
        reason = target.difference()
        sink = ArchiveSink(target)
        stored = {piece.digest for piece in target.pieces if isinstance(piece, Descriptor)}
        return {job: self._plan_image(job, image, sink, stored, reason) for job, image in zip(jobs, copied)}

    def _plan_image(self, job: CopyJob, image: _Image, sink: ArchiveSink, stored: t.Collection[Digest], reason: str | None) -> ImagePlan:
        graph, found = image
        path = sink.target.path
        label = str(job.name or graph.root.digest)
        state = RefState(graph.root.digest, tuple(graph.platforms))
        blobs = tuple(blob for blob in unique_blobs((graph, *(referrer.graph for referrer in found.referrers))) if blob.digest in stored)
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
            results={
                **job.facts,
                "previous_digest": None,
                "endpoint": None,
                "referrers": [referrer.facts(changed=reason is not None) for referrer in found.referrers],
            },
            warnings=tuple(found.warnings),
        )


def _names(job: CopyJob) -> tuple[t.Any, ...]:
    return (job.name,) if job.name is not None else ()


def _image_or_raise(result: _Image | LongshoreError) -> _Image:
    if isinstance(result, LongshoreError):
        raise result
    return result
