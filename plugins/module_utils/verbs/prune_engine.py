# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning to prune an engine by a retention policy."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..engine.interfaces import EngineImage, PrunableEngine
from ..errors import EngineError, EngineRefused, LongshoreError
from ..oci.digest import Digest
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, Outcome, Plan, RefChange, RefState, Step
from ..transfer.workers import Workers
from .facts import short_digest
from .filters import Filters, ImageFilter
from .protection import Protection
from .retention import Candidate, Policy


@dataclasses.dataclass(frozen=True)
class NamedEngineImage:
    """An image of an engine under one of its names, or without any."""

    image: EngineImage
    name: Reference | None

    @property
    def digest(self) -> Digest:
        return self.image.digest

    @property
    def label(self) -> str:
        return str(self.name or self.digest)

    @property
    def known_by(self) -> tuple[Digest, ...]:
        """Its ID, and the digests of an index or a manifest."""
        return (*self.image.digests, *([self.image.image_id] if self.image.image_id is not None else []))


@dataclasses.dataclass(frozen=True)
class Removal:
    """An image that loses names, each with its row in the results. `whole`: the image goes with them."""

    image: EngineImage
    rows: t.Mapping[Reference | None, ImagePlan]
    whole: bool

    @property
    def words(self) -> list[str]:
        """The names and IDs to pass to the engine."""
        names = [self.image.names[name] for name in self.rows if name is not None]
        return [*names, *(self.image.other_names if len(names) == len(self.image.names) else ())]

    def failures(self, error: LongshoreError) -> dict[ImagePlan, LongshoreError]:
        return dict.fromkeys(self.rows.values(), error)


@dataclasses.dataclass(frozen=True)
class _RemoveFromEngine(Step):
    """Remove images one after the other. If the engine refuses one the others are removed; if it breaks off, the rest fails with the same error."""

    engine: PrunableEngine
    removals: t.Sequence[Removal]

    def apply(self, unused_workers: Workers) -> Outcome:
        failures: dict[ImagePlan, LongshoreError] = {}
        broken: EngineError | None = None
        for removal in self.removals:
            try:
                if broken is not None:
                    raise broken
                for word in removal.words:
                    self.engine.remove(word)
            except EngineRefused as error:
                label = ", ".join(row.requested for row in removal.rows.values())
                failures.update(removal.failures(EngineError(f"{label} could not be removed: {error.message}")))
            except EngineError as error:
                broken = error
                failures.update(removal.failures(error))
        return Outcome(failures)


@dataclasses.dataclass(frozen=True)
class EnginePrunePlan(Plan):
    """The removal of images from an engine."""

    removals: t.Sequence[Removal] = ()

    def facts(self) -> dict[str, t.Any]:
        done = [removal for removal in self.removals if not any(self.error_of(row) for row in removal.rows.values())]
        whole = [removal.image for removal in done if removal.whole]
        return {
            **super().facts(),
            "untagged": [str(name) for removal in done for name in removal.rows if name is not None],
            "deleted": [str(image.digest) for image in whole],
            "bytes_freed": sum(image.details().size for image in whole),
        }


def plan_prune_engine(
    engine: PrunableEngine, policy: Policy, filters: Filters, protection: Protection, host: Platform, now: datetime.datetime
) -> EnginePrunePlan:
    """What goes under POLICY at the time NOW: images that pass FILTERS, aren't protected, and that no container uses, running or not."""
    # Engines list them in any order, and not always in the same.
    images = sorted(engine.list_prunable_images(host), key=lambda one: (sorted(map(str, one.names)) or ["~"], str(one.digest)))
    below = {image.parent for image in images}
    # What has no name and lies below others belongs to them.
    counted = [image for image in images if image.names or image.digest not in below]
    entries = [NamedEngineImage(image, name) for image in counted for name in sorted(image.names, key=str) or (None,)]
    candidates = _candidates(entries, policy, filters, protection, engine)
    let_go = set(policy.let_go(candidates, now))
    leaving = [entry for entry, candidate in zip(entries, candidates) if candidate in let_go]
    going = [entry for entry in leaving if not entry.image.in_use]
    spared = [entry.label for entry in leaving if entry.image.in_use]
    removals = _removals(going, images, engine)
    return EnginePrunePlan(
        [row for removal in removals for row in removal.rows.values()],
        {"engine": engine.title, "in_use": spared},
        steps=[_RemoveFromEngine(engine, removals)],
        removals=removals,
    )


def _candidates(
    entries: t.Sequence[NamedEngineImage], policy: Policy, filters: Filters, protection: Protection, engine: PrunableEngine
) -> list[Candidate]:
    """Each as the policy sees it, in their order. Ages are only asked for where they count."""
    choosing = ImageFilter(
        entries,
        f"{engine.title} at {engine.place}",
        lambda one: one.image.details().created,
        lambda one: one.image.details().labels,
        lambda one: one.known_by,
    )
    tests = choosing.tests(filters)
    return [
        Candidate(
            name=entry.name,
            digest=entry.digest,
            created=entry.image.details().created if policy.judges_names else None,
            chosen=all(test(entry) for test in tests),
            protected=entry.image.has_unknown_name or protection.covers(entry, lambda one: one.known_by),
        )
        for entry in entries
    ]


def _removals(going: t.Sequence[NamedEngineImage], images: t.Sequence[EngineImage], engine: PrunableEngine) -> list[Removal]:
    """The images that lose names; one goes with its last name unless one that stays was built on it."""
    names: dict[Digest, list[Reference | None]] = {}
    for entry in going:
        names.setdefault(entry.digest, []).append(entry.name)
    nameless = {image.digest for image in images if len(names.get(image.digest, ())) == (len(image.names) or 1)}
    gone = nameless - _needed([image for image in images if image.digest not in nameless], images)
    return [
        Removal(image, {name: _row(NamedEngineImage(image, name), engine) for name in names[image.digest]}, image.digest in gone)
        for image in images
        if image.digest in names
    ]


def _needed(staying: t.Sequence[EngineImage], images: t.Sequence[EngineImage]) -> set[Digest]:
    """The images that those of STAYING were built on."""
    parents = {image.digest: image.parent for image in images}
    # What has no name and lies below others stays only for their sake.
    below = {image.parent for image in images}
    ahead = [image.parent for image in staying if image.names or image.digest not in below]
    needed: set[Digest] = set()
    while ahead:
        digest = ahead.pop()
        if digest is not None and digest not in needed:
            needed.add(digest)
            ahead.append(parents.get(digest))
    return needed


def _row(entry: NamedEngineImage, engine: PrunableEngine) -> ImagePlan:
    image, title = entry.image, engine.title
    told = f"{entry.name} ({short_digest(entry.digest)})" if entry.name is not None else f"the unnamed image {entry.digest}"
    return ImagePlan(
        requested=entry.label,
        changes=(RefChange(f"{entry.label} in {title}", RefState(entry.digest), None),),
        actions=(f"remove {told} from {title}",),
        results={
            "name": str(entry.name) if entry.name is not None else None,
            "digest": str(entry.digest),
            "image_id": str(image.image_id) if image.image_id is not None else None,
            "size": image.details().size,
            "engine": title,
        },
    )
