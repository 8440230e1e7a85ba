# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what a removal does in an engine: which names go, which images with them, and which a container still needs."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...engine.interfaces import EngineImage, ManagedEngine, without_parts
from ...errors import EngineError, EngineRefused, InUse, LongshoreError
from ...oci.digest import Digest
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Outcome, Plan, Step
from ...transfer.workers import Workers
from ..catalog import Catalog, refused_row, removal_row
from .images import EngineImages, NamedEngineImage
from .leftovers import remove_leftovers


@dataclasses.dataclass(frozen=True)
class Removal:
    """The removal of names of one image, each with its row in the results. If `whole`, the image is deleted with them.

    If it `spares_containers`, a container uses the image, which stays for it without a name.
    """

    image: EngineImage
    rows: t.Mapping[Reference | None, ImagePlan]
    whole: bool
    spares_containers: bool = False

    @property
    def engine_names(self) -> list[str]:
        """The names and IDs to pass to the engine."""
        names = [self.image.names[name] for name in self.rows if name is not None]
        return [*names, *(self.image.other_names if len(names) == len(self.image.names) and not self.spares_containers else ())]

    def failures(self, error: LongshoreError) -> dict[ImagePlan, LongshoreError]:
        return dict.fromkeys(self.rows.values(), error)


@dataclasses.dataclass(frozen=True)
class RemoveFromEngine(Step):
    """Remove images one after the other. If the engine refuses one, the others are removed; if the connection breaks, the rest fails with the same error."""

    engine: ManagedEngine
    removals: t.Sequence[Removal]

    def apply(self, unused_workers: Workers) -> Outcome:
        failures: dict[ImagePlan, LongshoreError] = {}
        broken: EngineError | None = None
        for removal in self.removals:
            try:
                if broken is not None:
                    raise broken
                for engine_name in removal.engine_names:
                    (self.engine.untag if removal.spares_containers else self.engine.remove)(engine_name)
            except EngineRefused as error:
                label = ", ".join(row.requested for row in removal.rows.values())
                failures.update(removal.failures(EngineError(f"{label} could not be removed: {error.message}")))
            except EngineError as error:
                broken = error
                failures.update(removal.failures(error))
        return Outcome(failures)


@dataclasses.dataclass(frozen=True)
class EngineRemovalPlan(Plan):
    """The plan that removes images from an engine."""

    removals: t.Sequence[Removal] = ()

    @property
    def removed(self) -> list[Removal]:
        """The removals that did not fail; before they are applied, all of them."""
        return [removal for removal in self.removals if not any(self.error_of(row) for row in removal.rows.values())]

    def facts(self) -> dict[str, t.Any]:
        removed = self.removed
        whole = [removal.image for removal in removed if removal.whole]
        return {
            **super().facts(),
            "untagged": [str(name) for removal in removed for name in removal.rows if name is not None],
            "deleted": [str(image.digest) for image in whole],
            "bytes_freed": sum(image.details.size for image in whole),
        }


@dataclasses.dataclass(frozen=True)
class EnginePrunePlan(EngineRemovalPlan):
    """The plan that prunes an engine. `listed` are all of its images."""

    listed: t.Sequence[EngineImage] = ()

    def facts(self) -> dict[str, t.Any]:
        gone = {removal.image.digest for removal in self.removed if removal.whole}
        kept = [NamedEngineImage(image, None) for image in self.listed if image.digest not in gone]
        return {**super().facts(), "kept_digests": sorted({str(digest) for image in kept for digest in (image.digest, *image.digests)})}


def plan_removal(
    catalog: Catalog[NamedEngineImage], listed: EngineImages, chosen: t.Sequence[NamedEngineImage | ImagePlan], *, force: bool
) -> EngineRemovalPlan:
    """Plan to remove the images of CHOSEN.

    If the last name of an image that a container uses would be removed, its row has the error InUse. With FORCE, its names are removed. The container keeps
    the image or, in containerd, its files; if it can't keep either, the error stays.
    """
    engine = listed.engine
    make_row = functools.partial(removal_row, catalog)
    entries = dict.fromkeys(one for one in chosen if not isinstance(one, ImagePlan))
    refused = [entry for entry in entries if _is_last_use(entry, entries) and not (force and _can_be_forced(engine) and entry.name is not None)]
    removals = [
        _with_rows(catalog, listed, removal) for removal in _plan_removals(listed, [entry for entry in entries if entry not in refused], make_row)
    ]
    rows = {NamedEngineImage(removal.image, name): row for removal in removals for name, row in removal.rows.items()}
    rows.update((entry, _refuse(catalog, listed, entry)) for entry in refused)
    plan = EngineRemovalPlan(
        [one if isinstance(one, ImagePlan) else rows[one] for one in chosen],
        catalog.common_facts,
        steps=[RemoveFromEngine(engine, removals)] if removals else [],
        removals=removals,
    )
    names = {entry.name for entry in entries}
    return remove_leftovers(plan, engine, (name for name in listed.names if name not in names))


def plan_pruning(catalog: Catalog[NamedEngineImage], listed: EngineImages, leaving: t.Sequence[NamedEngineImage]) -> EnginePrunePlan:
    """Plan to remove those of the images LEAVING that no container uses, running or stopped."""
    removals = _plan_removals(listed, [entry for entry in leaving if not entry.image.in_use], functools.partial(_pruning_row, catalog))
    plan = EnginePrunePlan(
        [row for removal in removals for row in removal.rows.values()],
        {**catalog.common_facts, "in_use": [entry.label for entry in leaving if entry.image.in_use]},
        steps=[RemoveFromEngine(listed.engine, removals)],
        removals=removals,
        listed=listed.images,
    )
    return remove_leftovers(plan, listed.engine, listed.names)


def _plan_removals(
    listed: EngineImages, removable: t.Sequence[NamedEngineImage], make_row: t.Callable[[NamedEngineImage], ImagePlan]
) -> list[Removal]:
    """Return the removals by image. An image is deleted with its last name unless a remaining image was built on it."""
    images = listed.images
    names: dict[Digest, list[Reference | None]] = {}
    for entry in removable:
        names.setdefault(entry.digest, []).append(entry.name)
    unnamed = {image.digest for image in images if len(names.get(image.digest, ())) == (len(image.names) or 1)}
    gone = unnamed - _needed([image for image in images if image.digest not in unnamed], images)
    return [
        Removal(image, {name: make_row(NamedEngineImage(image, name)) for name in names[image.digest]}, image.digest in gone)
        for image in images
        if image.digest in names
    ]


def _pruning_row(catalog: Catalog[NamedEngineImage], entry: NamedEngineImage) -> ImagePlan:
    """Return the row of an image that is pruned. Its digest is what the engine identifies the image by, as in `deleted`."""
    row = removal_row(catalog, entry, state=entry.engine_state)
    return dataclasses.replace(row, results={**row.results, "digest": str(entry.digest)})


def _needed(staying: t.Sequence[EngineImage], images: t.Sequence[EngineImage]) -> set[Digest]:
    """Return the images that those of STAYING were built on."""
    parents = {image.digest: image.parent for image in images}
    # An unnamed parent stays only because of the images that were built on it.
    counted = {image.digest for image in without_parts(images)}
    pending = [image.parent for image in staying if image.digest in counted]
    needed: set[Digest] = set()
    while pending:
        digest = pending.pop()
        if digest is not None and digest not in needed:
            needed.add(digest)
            pending.append(parents.get(digest))
    return needed


def _is_last_use(entry: NamedEngineImage, chosen: t.Collection[NamedEngineImage]) -> bool:
    """Return whether a container uses the image of ENTRY, and no other name of it stays."""
    leaving = {other.name for other in chosen if other.digest == entry.digest}
    return entry.image.in_use and set(entry.image.names) <= leaving


def _can_be_forced(engine: ManagedEngine) -> bool:
    """Return whether an image can lose its last name although a container uses it."""
    return engine.keeps_used_images or not engine.containers_need_images


def _with_rows(catalog: Catalog[NamedEngineImage], listed: EngineImages, removal: Removal) -> Removal:
    image, engine = removal.image, listed.engine
    is_used = image.in_use
    # Kubernetes also names each image of containerd by its ID, and these names stay for its containers.
    stays = is_used and (engine.keeps_used_images or bool(image.other_names) or len(removal.rows) < len(image.names))
    note = ""
    if is_used and len(removal.rows) == len(image.names):
        note = "; the image stays for the container that uses it" if stays else "; the container that uses it keeps its files"
    rows = {name: removal_row(catalog, NamedEngineImage(image, name), note) for name in removal.rows}
    return dataclasses.replace(removal, rows=rows, whole=removal.whole and not stays, spares_containers=is_used)


def _refuse(catalog: Catalog[NamedEngineImage], listed: EngineImages, entry: NamedEngineImage) -> ImagePlan:
    engine = listed.engine
    why, advice = "", ""
    if entry.name is not None and _can_be_forced(engine):
        advice = ", or remove only the name with force"
    elif entry.name is not None:
        why = ", and this image store can't keep an image for a container without a name, even with force"
        advice = ", or keep another name of the image"
    error = InUse(f"{entry.label} is used by a container of {catalog.place}{why}; remove the container first{advice}")
    return refused_row(removal_row(catalog, entry), error)
