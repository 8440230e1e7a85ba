# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning to prune an engine by a retention policy."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..engine.interfaces import EngineImage, PrunableEngine
from ..errors import EngineError, EngineRefused
from ..oci.digest import Digest
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, Plan, RefChange, RefState
from ..transfer.workers import Workers
from .facts import short_digest
from .filters import Filters, ImageFilter
from .protection import Protection
from .retention import Candidate, Policy


@dataclasses.dataclass(frozen=True)
class NamedEngineImage:
    """An image of an engine under one of its names, or without any."""

    resident: EngineImage
    name: Reference | None

    @property
    def digest(self) -> Digest:
        return self.resident.digest

    @property
    def label(self) -> str:
        return str(self.name or self.digest)

    @property
    def known_by(self) -> tuple[Digest, ...]:
        """Its ID, and the digests of an index or a manifest."""
        return (*self.resident.digests, *([self.resident.image_id] if self.resident.image_id is not None else []))


@dataclasses.dataclass
class Removal:
    """An image that loses names, each with its row in the results. It is `whole` when it goes with them."""

    resident: EngineImage
    rows: dict[Reference | None, ImagePlan]
    whole: bool

    @property
    def words(self) -> list[str]:
        """By which the engine is told of it."""
        names = [self.resident.names[name] for name in self.rows if name is not None]
        return [*names, *(self.resident.further if len(names) == len(self.resident.names) else ())]

    @property
    def error(self) -> object:
        return next((row.error for row in self.rows.values() if row.error is not None), None)

    def fail(self, error: EngineError) -> None:
        for row in self.rows.values():
            row.error = error


class EnginePrunePlan(Plan):
    """The removal of images, one after the other: an engine that refuses one has the others removed. `spared` are images that only their use keeps."""

    def __init__(self, engine: PrunableEngine, removals: t.Sequence[Removal], spared: t.Sequence[str]) -> None:
        super().__init__([row for removal in removals for row in removal.rows.values()], results={"engine": engine.title, "in_use": list(spared)})
        self._engine = engine
        self._removals = removals

    def facts(self) -> dict[str, t.Any]:
        done = [removal for removal in self._removals if removal.error is None]
        whole = [removal.resident for removal in done if removal.whole]
        return {
            **super().facts(),
            "untagged": [str(name) for removal in done for name in removal.rows if name is not None],
            "deleted": [str(resident.digest) for resident in whole],
            "bytes_freed": sum(resident.details().size for resident in whole),
        }

    def apply(self, unused_workers: Workers) -> None:
        broken: EngineError | None = None
        for removal in self._removals:
            if broken is not None:
                removal.fail(broken)
                continue
            try:
                for word in removal.words:
                    self._engine.remove(word)
            except EngineRefused as error:
                label = ", ".join(row.requested for row in removal.rows.values())
                removal.fail(EngineError(f"{label} could not be removed: {error.message}"))
            except EngineError as error:
                broken = error
                removal.fail(error)


def plan_prune_engine(
    engine: PrunableEngine, policy: Policy, filters: Filters, protection: Protection, host: Platform, now: datetime.datetime
) -> EnginePrunePlan:
    """What goes under POLICY at the time NOW: images that pass FILTERS, aren't protected, and that no container uses, running or not."""
    # Engines list them in any order, and not always in the same.
    residents = sorted(engine.list_prunable_images(host), key=lambda one: (sorted(map(str, one.names)) or ["~"], str(one.digest)))
    below = {resident.parent for resident in residents}
    # What has no name and lies below others belongs to them.
    counted = [resident for resident in residents if resident.names or resident.digest not in below]
    tenancies = [NamedEngineImage(resident, name) for resident in counted for name in sorted(resident.names, key=str) or (None,)]
    candidates = _candidates(tenancies, policy, filters, protection, engine)
    let_go = set(policy.let_go(candidates, now))
    leaving = [tenancy for tenancy, candidate in zip(tenancies, candidates) if candidate in let_go]
    going = [tenancy for tenancy in leaving if not tenancy.resident.in_use]
    spared = [tenancy.label for tenancy in leaving if tenancy.resident.in_use]
    return EnginePrunePlan(engine, _removals(going, residents, engine), spared)


def _candidates(
    tenancies: t.Sequence[NamedEngineImage], policy: Policy, filters: Filters, protection: Protection, engine: PrunableEngine
) -> list[Candidate]:
    """Each as the policy sees it, in their order. Ages are only asked for where they count."""
    choosing = ImageFilter(
        tenancies,
        f"{engine.title} at {engine.place}",
        lambda one: one.resident.details().created,
        lambda one: one.resident.details().labels,
        lambda one: one.known_by,
    )
    tests = choosing.tests(filters)
    return [
        Candidate(
            name=tenancy.name,
            digest=tenancy.digest,
            created=tenancy.resident.details().created if policy.judges_names else None,
            chosen=all(test(tenancy) for test in tests),
            protected=tenancy.resident.foreign or protection.covers(tenancy, lambda one: one.known_by),
        )
        for tenancy in tenancies
    ]


def _removals(going: t.Sequence[NamedEngineImage], residents: t.Sequence[EngineImage], engine: PrunableEngine) -> list[Removal]:
    """The images that lose names; one goes with its last name unless one that stays was built on it."""
    names: dict[Digest, list[Reference | None]] = {}
    for tenancy in going:
        names.setdefault(tenancy.digest, []).append(tenancy.name)
    nameless = {resident.digest for resident in residents if len(names.get(resident.digest, ())) == (len(resident.names) or 1)}
    gone = nameless - _needed([resident for resident in residents if resident.digest not in nameless], residents)
    return [
        Removal(resident, {name: _row(NamedEngineImage(resident, name), engine) for name in names[resident.digest]}, resident.digest in gone)
        for resident in residents
        if resident.digest in names
    ]


def _needed(staying: t.Sequence[EngineImage], residents: t.Sequence[EngineImage]) -> set[Digest]:
    """The images that those of STAYING were built on."""
    parents = {resident.digest: resident.parent for resident in residents}
    # What has no name and lies below others stays only for their sake.
    below = {resident.parent for resident in residents}
    ahead = [resident.parent for resident in staying if resident.names or resident.digest not in below]
    needed: set[Digest] = set()
    while ahead:
        digest = ahead.pop()
        if digest is not None and digest not in needed:
            needed.add(digest)
            ahead.append(parents.get(digest))
    return needed


def _row(tenancy: NamedEngineImage, engine: PrunableEngine) -> ImagePlan:
    resident, title = tenancy.resident, engine.title
    told = f"{tenancy.name} ({short_digest(tenancy.digest)})" if tenancy.name is not None else f"the unnamed image {tenancy.digest}"
    return ImagePlan(
        requested=tenancy.label,
        changes=(RefChange(f"{tenancy.label} in {title}", RefState(tenancy.digest), None),),
        actions=(f"remove {told} from {title}",),
        results={
            "name": str(tenancy.name) if tenancy.name is not None else None,
            "digest": str(tenancy.digest),
            "image_id": str(resident.image_id) if resident.image_id is not None else None,
            "size": resident.details().size,
            "engine": title,
        },
    )
