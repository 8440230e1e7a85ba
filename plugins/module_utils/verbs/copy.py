# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan copies between registries, layouts and archives, without a store."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..errors import InvalidOption
from ..oci.location import Location
from ..oci.platform import Platform, Selection
from ..places.copy_job import CopyJob
from ..places.sources import ImageSources, Places
from ..transfer.plan import ImagePlan, RefState, Step, TransferPlan
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..trust.policy import TrustPolicy

Pair = tuple[Location, Location]


class CopyPlanner(t.Protocol):
    """The planner for one kind of target. `steps` is the work of the plan that isn't a transfer."""

    @property
    def steps(self) -> t.Sequence[Step]: ...

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]: ...


def plan_copy(
    pairs: t.Sequence[Pair],
    *,
    places: Places,
    selection: Selection | None,
    referrers: bool,
    host: Platform,
    workers: Workers,
    trust: TrustPolicy | None = None,
) -> TransferPlan:
    """Plan to copy images, each from one place to another, without a store. Rows are in the order of PAIRS.

    An image that can't be copied, or that TRUST refuses, has its error in its row; the others are copied, except those of the same archive. With
    REFERRERS signatures and other referrers are copied with their image, to places that can hold them. Raises InvalidOption for two images that would
    get one name.
    """
    return _Copier(places, selection, referrers or trust is not None, host, trust).plan(pairs, workers)


@dataclasses.dataclass(frozen=True)
class _Copier:
    """The options of the copies of one run, as `plan_copy` documents them. `selection` is None for all platforms that exist."""

    places: Places
    selection: Selection | None
    referrers: bool
    host: Platform
    trust: TrustPolicy | None = None

    def plan(self, pairs: t.Sequence[Pair], workers: Workers) -> TransferPlan:
        unique = list(dict.fromkeys(pairs))
        sources = ImageSources(self.places, self.host)
        jobs = [CopyJob(str(source), target, self.selection, functools.partial(sources.find, source), self.trust) for source, target in unique]
        rows: dict[CopyJob, ImagePlan] = {}
        planners: list[CopyPlanner] = []
        for kind, make_planner in self._planners(sources).items():
            chosen = [job for job in jobs if _kind(job.target) == kind]
            if chosen:
                planners.append(make_planner())
                rows.update(zip(chosen, planners[-1].plan(chosen, workers)))
        planned = [rows[job] for job in jobs]
        _reject_shared_names(planned)
        steps = [step for planner in planners for step in planner.steps]
        return TransferPlan(planned, steps=steps)

    def _planners(self, sources: ImageSources) -> dict[str, t.Callable[[], CopyPlanner]]:
        """Return the constructors of the planners by kind of target, so that only those that are needed are imported."""

        def to_registries() -> CopyPlanner:
            from ..places.registry.target import RegistryCopyPlanner

            return RegistryCopyPlanner(self.places.destination, self.referrers, self.host)

        def to_layouts() -> CopyPlanner:
            from ..places.store.target import LayoutCopyPlanner

            return LayoutCopyPlanner(sources, self.host, self.referrers)

        def to_archives() -> CopyPlanner:
            from ..places.archive.target import ArchiveCopyPlanner

            return ArchiveCopyPlanner(self.host, self.referrers)

        def to_engines() -> CopyPlanner:
            from ..places.engine.target import EngineCopyPlanner

            return EngineCopyPlanner(sources, self.host)

        return {"registry": to_registries, "layout": to_layouts, "archive": to_archives, "engine": to_engines}


def _reject_shared_names(images: t.Sequence[ImagePlan]) -> None:
    """Raise InvalidOption if two images would get one name: every later run would move it from one to the other."""
    wanted: dict[str, RefState | None] = {}
    for image in images:
        for change in image.changes if image.error is None else ():
            if wanted.setdefault(change.name, change.after) != change.after:
                raise InvalidOption(f"{change.name} would be the name of two images; give them different ones")


def _kind(target: Location) -> str:
    if target.reference is not None:
        return "registry"
    if target.image is not None:
        return "engine"
    return "layout" if target.is_layout else "archive"
