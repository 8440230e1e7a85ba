# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan new names for an image of an engine."""

from __future__ import annotations

import dataclasses
import typing as t

from ..engine.interfaces import ManagedEngine
from ..errors import EngineError
from ..oci.digest import Digest
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..places.engine.catalog import EngineImages, NamedEngineImage
from ..places.engine.leftovers import remove_leftovers
from ..places.engine.restore_names import keep_images, restore_names
from ..places.engine.source import EngineReader
from ..places.facts import short_digest
from ..transfer.plan import ImagePlan, Outcome, Plan, RefChange, Step
from ..transfer.workers import Workers


def plan_tag_engine(engine: ManagedEngine, source: Reference | Digest, targets: t.Sequence[Reference], *, host: Platform, keep: bool = False) -> Plan:
    """Plan to point TARGETS at the image SOURCE of an engine; with KEEP those that exist stay unchanged. All of them change together or none does.

    Raises ImageNotFound if the engine doesn't have the source, EngineError if it can't be reached.
    """
    reader = EngineReader(engine, host)
    images, entry = reader.images, reader.get(source)
    pairs = [(target, images.get_named(target)) for target in dict.fromkeys(targets)]
    moved = {target: before for target, before in pairs if before is None or (not keep and before.digest != entry.digest)}
    rows = [_plan_target(images, target, before, entry, target in moved) for target, before in pairs]
    plan = Plan(rows, steps=[_TagInEngine(engine, entry, moved)] if moved else [], all_or_nothing=True)
    return remove_leftovers(plan, engine, images.names)


def _plan_target(images: EngineImages, target: Reference, before: NamedEngineImage | None, source: NamedEngineImage, is_moved: bool) -> ImagePlan:
    name, title = str(target), images.engine.title
    after = source if is_moved or before is None else before
    moved_from = f", in place of {short_digest(before.state.digest)}" if before is not None else ""
    return ImagePlan(
        requested=name,
        changes=(RefChange(f"{name} in {title}", before.state if before is not None else None, after.state),),
        actions=(f"tag {after.label} ({short_digest(after.state.digest)}) as {name} in {title}{moved_from}",) if is_moved else (),
        results={**after.facts, "name": name, "previous_digest": str(before.state.digest) if before is not None else None, "engine": title},
    )


@dataclasses.dataclass(frozen=True)
class _TagInEngine(Step):
    """Set names one after the other. If one fails, those that were already set are restored."""

    engine: ManagedEngine
    source: NamedEngineImage
    moved: t.Mapping[Reference, NamedEngineImage | None]

    def apply(self, unused_workers: Workers) -> Outcome:
        done: list[Reference] = []
        # The last name is never set back: it either moves or stays.
        before = {target: entry.image for target, entry in list(self.moved.items())[:-1] if entry is not None}
        with keep_images(self.engine, before, self.engine.tag_keeps_replaced) as images:
            try:
                for target in self.moved:
                    self.engine.tag(self.source.image, target)
                    done.append(target)
            except EngineError as error:
                source = self.source.image
                unnamed = {} if source.names else dict.fromkeys(self.moved, source.digest)
                restore_names(self.engine, done, images, unnamed, error)
                raise
        return Outcome()
