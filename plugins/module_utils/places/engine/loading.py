# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load images of an archive into an engine: all of them or none."""

from __future__ import annotations

import dataclasses
import typing as t

from ...engine.interfaces import ManagedEngine
from ...errors import InvalidOption
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...oci.referrers import ReferrerPlace
from ...transfer.plan import TransferPlan
from ..archive.source import ArchiveSource
from ..loading import ArchiveToLoad, ImageToLoad
from .images import EngineImages
from .leftovers import remove_leftovers
from .load_all_step import LoadAll
from .load_planner import LoadPlanner
from .load_step import LoadIntoEngine
from .planned_load import FailedLoad, Load, LoadRequest, document_finder
from .platforms import select_for_engine


class EngineLoading:
    """An engine that images of an archive are loaded into, by default for its platform. It holds no referrers, so they stay in the archive."""

    def __init__(self, engine: ManagedEngine) -> None:
        self._engine = engine

    @property
    def place(self) -> str:
        return f"{self._engine.title} at {self._engine.place}"

    def read_document(self, unused_descriptor: Descriptor) -> None:
        return None

    def signatures_of(self, unused_name: Reference | None) -> t.Sequence[ReferrerPlace]:
        return ()

    def plan(self, images: t.Sequence[ImageToLoad], archive: ArchiveToLoad) -> TransferPlan:
        planner = LoadPlanner(EngineImages(self._engine, archive.host), select_for_engine(self._engine, archive.selection))
        loads: list[Load] = []
        for planned in planner.plan([_request(image, archive) for image in images]):
            if isinstance(planned, FailedLoad):
                raise planned.error
            loads += [planned] if isinstance(planned, Load) else []  # an archive is always read, so no image is kept without that
        rows = [planner.row(load) for load in loads]
        rows = [dataclasses.replace(row, results={**row.results, "kept": load.is_kept}) for load, row in zip(loads, rows)]
        steps = [LoadIntoEngine(self._engine, load, row) for load, row in zip(loads, rows)]
        plan = TransferPlan(rows, steps=[LoadAll(planner.images, steps)], all_or_nothing=True)
        return remove_leftovers(plan, self._engine, planner.names)


def _request(image: ImageToLoad, archive: ArchiveToLoad) -> LoadRequest:
    """Return what to load. Raises InvalidOption for an image without a name."""
    if image.name is None:
        raise InvalidOption(f"{archive.archive.path}: {image.archived.digest} has no name, and an engine needs one; give it with rename")
    return LoadRequest(
        requested=image.requested,
        name=image.name,
        label=archive.label(image.archived),
        action=f"load {image.name}",
        image=ArchiveSource(archive.archive, image.archived.root, (image.archived.name,)),
        find_document=document_finder(archive.archive.read_document),
        existing=archive.existing,
        verify=lambda graph: image.verify(graph).verification,
    )
