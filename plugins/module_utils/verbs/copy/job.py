# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One image to be copied, as the planners for all kinds of targets see it."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...errors import LongshoreError
from ...oci.graph import Graph
from ...oci.location import Location
from ...oci.platform import Selection
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan
from ...transfer.workers import Workers
from ..platforms import select_complete, select_platforms
from .sources import ImageSource, ImageSources

_Seen = t.TypeVar("_Seen")


@dataclasses.dataclass(frozen=True)
class CopyJob:
    """Where an image is, and where it goes. It is read no further than asked for."""

    source: Location
    target: Location
    selection: Selection | None
    sources: ImageSources = dataclasses.field(repr=False, compare=False)

    @functools.cached_property
    def image_source(self) -> ImageSource:
        """Raises ImageNotFound, InvalidOption, and what opening an archive raises."""
        return self.sources.find(self.source)

    @property
    def name(self) -> Reference | None:
        """What it is called where it goes: as the target says, else as it is called where it is."""
        if self.target.reference is not None:
            return self.target.reference.name
        return self.target.full_name or self.image_source.name

    @property
    def takes_all(self) -> bool:
        return self.selection is None or self.selection.everything

    @property
    def facts(self) -> dict[str, t.Any]:
        return {"source": str(self.source), "destination": str(self.target)}

    def graph(self) -> Graph:
        """The part of it that is wanted. Raises PlatformMissing where a platform isn't there, and for a target that takes only whole indexes."""
        part = select_complete if self.target.reference is not None else select_platforms
        return part(self.image_source.root(), str(self.source), self.image_source.read_document, self.selection)

    def failed(self, error: LongshoreError) -> ImagePlan:
        return ImagePlan(str(self.target), error=error, results=self.facts)


def inspect_jobs(look: t.Callable[[CopyJob], _Seen], jobs: t.Sequence[CopyJob], workers: Workers) -> list[_Seen | LongshoreError]:
    """What LOOK finds out of each job, several at once; the error where it fails."""

    def attempt(job: CopyJob) -> _Seen | LongshoreError:
        try:
            return look(job)
        except LongshoreError as error:
            return error

    return workers.map(attempt, jobs)
