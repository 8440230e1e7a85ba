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
from ..engine.interfaces import EngineImage, ManagedEngine
from ..errors import InvalidOption, LongshoreError, NameTaken
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..oci.referrers import LayoutReferrers
from ..places.archive.catalog import ArchiveCatalog, NamedArchiveImage
from ..places.archive.source import ArchiveSource
from ..places.engine.images import EngineImages
from ..places.engine.leftovers import remove_leftovers
from ..places.engine.load_step import LoadIntoEngine
from ..places.engine.loader import EngineLoader
from ..places.engine.loads import FailedLoad, Load, LoadRequest, document_finder
from ..places.engine.outgoing_image import OutgoingImage
from ..places.engine.platforms import select_for_engine
from ..places.engine.restore_names import keep_images, restore_names
from ..places.verification import Verification, check_names
from ..transfer.plan import ImagePlan, Outcome, Step, TransferPlan
from ..transfer.workers import Workers
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
    plan = TransferPlan(rows, steps=[_LoadAll(engine, steps, options.host)], all_or_nothing=True)
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


@dataclasses.dataclass(frozen=True)
class _LoadAll(Step):
    """Load images one after the other, because an engine loads one archive at a time.

    If one fails, the names that were already set are restored: they point at their earlier images, or are removed.
    """

    engine: ManagedEngine
    steps: t.Sequence[LoadIntoEngine]
    host: Platform

    def blobs(self) -> tuple[t.Sequence[Descriptor], t.Sequence[Descriptor]]:
        return [blob for step in self.steps for blob in step.blobs()[0]], [blob for step in self.steps for blob in step.blobs()[1]]

    def rows(self) -> t.Sequence[ImagePlan]:
        return [row for step in self.steps for row in step.rows()]

    def apply(self, workers: Workers) -> Outcome:
        moved: list[Descriptor] = []
        done: list[Reference] = []
        pending = [step.load.outgoing for step in self.steps if step.load.is_pending]
        present = EngineImages(self.engine, self.host).images if len(pending) > 1 else []
        unnamed = _find_unnamed(present, pending)
        # The last name is never set back: it either moves or stays.
        moving = {outgoing.name for outgoing in pending[:-1]}
        before = {name: image for image in present for name in image.names if name in moving}
        with keep_images(self.engine, before, self.engine.load_keeps_replaced) as images:
            for step in self.steps:
                outcome = step.apply(workers)
                if outcome.failures:
                    error: LongshoreError = next(iter(outcome.failures.values()))
                    restore_names(self.engine, done, images, unnamed, error)
                    return Outcome(dict.fromkeys(self.rows(), error))
                if step.load.is_pending:
                    done.append(step.load.request.name)
                moved += outcome.moved or ()
        return Outcome(moved=moved)


def _find_unnamed(present: t.Sequence[EngineImage], pending: t.Sequence[OutgoingImage]) -> dict[Reference, Digest]:
    """Return the new names of those PENDING images that the engine has already, without a name."""
    digests = {digest: image.digest for image in present if not image.names for digest in (image.digest, *image.digests)}
    return {outgoing.name: digests[key] for outgoing in pending for key in (outgoing.image_id, outgoing.digest) if key in digests}
