# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan copies to engines. Images are streamed into an engine one by one, without the layers that it has."""

from __future__ import annotations

import functools
import typing as t

from ...errors import InvalidOption, LongshoreError
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Step
from ...transfer.workers import Workers
from ..copy_job import CopyJob
from ..registry.source import RegistrySource, find_at_registry
from ..sources import ImageSources
from .load_planner import LoadPlanner
from .load_step import LoadIntoEngine
from .planned_load import FailedLoad, Load, LoadRequest, PlannedLoad, document_finder
from .platforms import select_for_engine

if t.TYPE_CHECKING:
    from .images import EngineImages


class EngineCopyPlanner:
    """Plan all copies of a run whose targets are engines."""

    def __init__(self, sources: ImageSources, host: Platform) -> None:
        self._sources = sources
        self._host = host
        self.steps: list[Step] = []

    def plan(self, jobs: t.Sequence[CopyJob], unused_workers: Workers) -> list[ImagePlan]:
        """Return a row for each job. Raises EngineError if an engine can't be reached."""
        rows: dict[CopyJob, ImagePlan] = {}
        for place in dict.fromkeys((job.target.scheme, job.target.namespace) for job in jobs):
            group = [job for job in jobs if (job.target.scheme, job.target.namespace) == place]
            rows.update(self._plan_engine(self._sources.engine(group[0].target).images, group))
        return [rows[job] for job in jobs]

    def _plan_engine(self, images: EngineImages, jobs: t.Sequence[CopyJob]) -> dict[CopyJob, ImagePlan]:
        try:
            selection = select_for_engine(images.engine, jobs[0].selection)
        except InvalidOption as error:
            # The other places of the task may hold several platforms.
            return {job: job.fail(error) for job in jobs}
        planner = LoadPlanner(images, selection)
        requests = [_request(job) for job in jobs]
        loads = planner.plan(requests)
        planned: dict[CopyJob, ImagePlan] = {}
        for load in loads:
            row = planner.row(load)
            if isinstance(load, Load):
                self.steps.append(LoadIntoEngine(images.engine, load, row, failure="could not be copied"))
            planned.update((job, row) for job, request in zip(jobs, requests) if _is_for(load, request))
        return planned


def _is_for(load: PlannedLoad, request: LoadRequest | FailedLoad) -> bool:
    """Return whether LOAD is the outcome of REQUEST, or of an equal request for the same name."""
    if isinstance(request, FailedLoad) or load.request is None:
        return load is request
    return load.request is request or (not isinstance(load, FailedLoad) and load.request.name == request.name)


def _request(job: CopyJob) -> LoadRequest | FailedLoad:
    """Return what to load. It has an error for an image that doesn't exist or is damaged."""
    name = t.cast(Reference, job.target.image)
    try:
        image = job.image_source
    except LongshoreError as error:
        return FailedLoad(str(name), error, results=_results(job))
    find = document_finder(image.read_document)
    if isinstance(image, RegistrySource):
        find = functools.partial(find_at_registry, image.source)
    return LoadRequest(
        requested=str(name),
        name=name,
        label=job.source,
        action=f"copy {job.source}",
        image=image,
        find_document=find,
        results=_results(job),
        skip_if_digest_present=isinstance(image, RegistrySource),
        verify=job.verify if job.trust is not None else None,
    )


def _results(job: CopyJob) -> dict[str, t.Any]:
    return {**job.labels, "endpoint": None, "previous_digest": None, "referrers": []}
