# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to remove images from an engine, and to prune it by a retention policy."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..engine.interfaces import ContentEngine, EngineImage, ManagedEngine, PrunableEngine
from ..errors import CorruptArchive, EngineError, EngineRefused, LongshoreError
from ..oci.digest import Digest
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..places.engine.catalog import NamedEngineImage
from ..places.engine.leftovers import is_temporary, remove_leftovers
from ..places.engine.source import EngineReader
from ..places.facts import short_digest
from ..places.filters import Filters, ImageFilter
from ..places.protection import Protection
from ..places.retention import Candidate, Policy
from ..transfer.plan import ImagePlan, Outcome, Plan, RefChange, RefState, Step
from ..transfer.workers import Workers


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

    engine: PrunableEngine
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
            "bytes_freed": sum(image.details().size for image in whole),
        }


@dataclasses.dataclass(frozen=True)
class EnginePrunePlan(EngineRemovalPlan):
    """The plan that prunes an engine. `listed` are all of its images."""

    listed: t.Sequence[EngineImage] = ()

    def facts(self) -> dict[str, t.Any]:
        gone = {removal.image.digest for removal in self.removed if removal.whole}
        kept = [NamedEngineImage(image, None) for image in self.listed if image.digest not in gone]
        return {**super().facts(), "kept_digests": sorted({str(digest) for image in kept for digest in (image.digest, *image.digests)})}


def plan_prune_engine(
    engine: PrunableEngine, policy: Policy, filters: Filters, protection: Protection, host: Platform, now: datetime.datetime
) -> EnginePrunePlan:
    """Plan to remove the images that POLICY removes at the time NOW.

    They pass FILTERS, are not protected, and no container uses them, running or stopped.
    """
    reader = EngineReader(t.cast(ManagedEngine, engine), host)
    listed = reader.images
    images, entries = listed.images, listed.entries
    candidates = _candidates(reader, policy, filters, protection)
    removed = set(policy.select_removable(candidates, now))
    leaving = [entry for entry, candidate in zip(entries, candidates) if candidate in removed]
    removable = [entry for entry in leaving if not entry.image.in_use]
    in_use = [entry.label for entry in leaving if entry.image.in_use]
    removals = plan_removals(removable, images, engine)
    plan = EnginePrunePlan(
        [row for removal in removals for row in removal.rows.values()],
        {"engine": engine.title, "in_use": in_use},
        steps=[RemoveFromEngine(engine, removals)],
        removals=removals,
        listed=images,
    )
    return remove_leftovers(plan, engine, listed.names)


def _candidates(reader: EngineReader, policy: Policy, filters: Filters, protection: Protection) -> list[Candidate]:
    """Return the candidates of the policy, in the order of the engine's entries. Creation times are only read if the policy needs them."""
    entries, engine = reader.images.entries, reader.engine
    known = {digest for entry in entries for digest in entry.digests}
    unknown = [one for one in (*protection.selectors, *filters.compared) if isinstance(one, Digest) and one not in known]
    # An engine that gives images only as an archive would have to export all of them: not for the digests of lock files, which it knows.
    reads_ids = bool(unknown) or isinstance(engine, ContentEngine)

    def image_ids(entry: NamedEngineImage) -> t.Collection[Digest]:
        return reader.image_ids(entry) if reads_ids else ()

    def is_protected(entry: NamedEngineImage) -> bool:
        if entry.image.has_unknown_name or is_temporary(entry.name):
            return True
        try:
            return protection.covers(entry, image_ids, lambda one: one.digests)
        except (CorruptArchive, EngineError):
            return bool(unknown)  # its ID can't be read, so it may be one of those to protect

    image_filter = ImageFilter(
        entries,
        f"{engine.title} at {engine.place}",
        lambda one: one.image.details().created,
        lambda one: one.image.details().labels,
        image_ids,
        lambda one: one.digests,
    )
    tests = image_filter.tests(filters)
    return [
        Candidate(
            name=entry.name,
            digest=entry.digest,
            created=entry.image.details().created if policy.judges_names else None,
            chosen=all(test(entry) for test in tests),
            protected=is_protected(entry),
        )
        for entry in entries
    ]


def plan_removals(removable: t.Sequence[NamedEngineImage], images: t.Sequence[EngineImage], engine: PrunableEngine) -> list[Removal]:
    """Return the removals by image. An image is deleted with its last name unless a remaining image was built on it."""
    names: dict[Digest, list[Reference | None]] = {}
    for entry in removable:
        names.setdefault(entry.digest, []).append(entry.name)
    unnamed = {image.digest for image in images if len(names.get(image.digest, ())) == (len(image.names) or 1)}
    gone = unnamed - _needed([image for image in images if image.digest not in unnamed], images)
    return [
        Removal(image, {name: _row(NamedEngineImage(image, name), engine) for name in names[image.digest]}, image.digest in gone)
        for image in images
        if image.digest in names
    ]


def _needed(staying: t.Sequence[EngineImage], images: t.Sequence[EngineImage]) -> set[Digest]:
    """Return the images that those of STAYING were built on."""
    parents = {image.digest: image.parent for image in images}
    # An unnamed parent stays only because of the images that were built on it.
    all_parents = {image.parent for image in images}
    pending = [image.parent for image in staying if image.names or image.digest not in all_parents]
    needed: set[Digest] = set()
    while pending:
        digest = pending.pop()
        if digest is not None and digest not in needed:
            needed.add(digest)
            pending.append(parents.get(digest))
    return needed


def _row(entry: NamedEngineImage, engine: PrunableEngine) -> ImagePlan:
    image, title = entry.image, engine.title
    label = f"{entry.name} ({short_digest(entry.digest)})" if entry.name is not None else f"the unnamed image {entry.digest}"
    return ImagePlan(
        requested=entry.label,
        changes=(RefChange(f"{entry.label} in {title}", RefState(entry.digest), None),),
        actions=(f"remove {label} from {title}",),
        results={
            "name": str(entry.name) if entry.name is not None else None,
            "digest": str(entry.digest),
            "image_id": str(image.image_id) if image.image_id is not None else None,
            "size": image.details().size,
            "engine": title,
        },
    )
