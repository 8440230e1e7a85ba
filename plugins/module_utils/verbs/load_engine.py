# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to load images of an archive into an engine: all of them or none."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..archive.reader import Archive
from ..archive.referrers import referrers_in_archive
from ..engine.interfaces import ManagedEngine
from ..errors import InvalidOption, NameTaken
from ..oci.graph import Graph
from ..oci.reference import Reference
from ..oci.referrers import LayoutReferrers
from ..places.archive.catalog import ArchiveCatalog, NamedArchiveImage
from ..places.archive.source import ArchiveSource
from ..places.engine.leftovers import remove_leftovers
from ..places.engine.load_all import LoadAll
from ..places.engine.load_step import LoadIntoEngine
from ..places.engine.loader import EngineLoader
from ..places.engine.loads import FailedLoad, Load, LoadRequest, document_finder
from ..places.engine.platforms import select_for_engine
from ..places.verification import Verification, check_names
from ..transfer.plan import TransferPlan
from .load import FAIL, KEEP, LoadOptions, choose_images, rename_images

if t.TYPE_CHECKING:
    from ..trust.policy import TrustPolicy


def plan_load_engine(engine: ManagedEngine, archive: Archive, options: LoadOptions) -> TransferPlan:
    """Plan to load images of ARCHIVE into ENGINE, by default for the engine's platform: all of them or none.

    An engine holds no referrers, so they stay in the archive. Images are verified with the signatures there. Raises ImageNotFound for a name that the
    archive doesn't hold, InvalidOption for an image without a name, CorruptArchive, PlatformMissing, NameTaken, TrustRefusal.
    """
    place = referrers_in_archive(archive)
    loader = EngineLoader(engine, select_for_engine(engine, options.selection), options.host)
    requests = [
        LoadRequest(
            requested=str(name),
            name=name,
            label=f"{archive.path}: {candidate.label}",
            action=f"load {name}",
            image=ArchiveSource(archive, candidate.root, (candidate.name,)),
            find_document=document_finder(archive.read_document),
            keep_existing=options.existing == KEEP,
            verify=functools.partial(_verify, options.trust, place, candidate, name) if options.trust is not None else None,
        )
        for candidate, name in _choose_names(archive, options, place)
    ]
    loads: list[Load] = []
    for planned in loader.plan(requests):
        if isinstance(planned, FailedLoad):
            raise planned.error
        loads += [planned] if isinstance(planned, Load) else []  # an archive is always read, so no image is kept without that
    rows = [loader.row(load) for load in loads]
    for load, row in zip(loads, rows):
        if options.existing == FAIL and load.is_taken:
            raise NameTaken(
                f"{row.requested} is in {engine.title} at {engine.place} already, for another image; set existing to overwrite to move it, "
                "or to keep to leave it"
            )
    rows = [dataclasses.replace(row, results={**row.results, "kept": load.is_kept}) for load, row in zip(loads, rows)]
    steps = [LoadIntoEngine(engine, load, row) for load, row in zip(loads, rows)]
    plan = TransferPlan(rows, steps=[LoadAll(engine, steps, options.host)], all_or_nothing=True)
    return remove_leftovers(plan, engine, loader.names)


def _verify(trust: TrustPolicy, place: LayoutReferrers, candidate: NamedArchiveImage, new_name: Reference, graph: Graph) -> Verification:
    return check_names(trust, (candidate.name,), new_name, graph, lambda name: [place.of_name(name)])


def _choose_names(archive: Archive, options: LoadOptions, place: LayoutReferrers) -> list[tuple[NamedArchiveImage, Reference]]:
    """Return the images to load, each with its new name. Raises ImageNotFound, and InvalidOption for an image without a name."""
    catalog = ArchiveCatalog(archive)
    wanted = choose_images(catalog, options.names, place)
    chosen: list[tuple[NamedArchiveImage, Reference]] = []
    for candidate, name in rename_images(catalog, options.renames, wanted).items():
        if name is None:
            raise InvalidOption(f"{archive.path}: {candidate.digest} has no name, and an engine needs one; give it with rename")
        chosen.append((candidate, name))
    return chosen
