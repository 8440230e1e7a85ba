# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to remove images from an engine by name, digest or ID."""

from __future__ import annotations

import dataclasses
import typing as t

from ..engine.interfaces import ManagedEngine
from ..errors import InUse
from ..oci.glob import is_glob
from ..oci.platform import Platform
from ..oci.removal_matching import RemovalSelector
from ..places.engine.catalog import NamedEngineImage
from ..places.engine.leftovers import remove_leftovers
from ..places.engine.source import EngineReader
from ..places.facts import short_digest
from ..transfer.plan import ImagePlan, RefChange
from .prune_engine import EngineRemovalPlan, Removal, RemoveFromEngine, plan_removals
from .remove import named_by, warn_of_short_id


def plan_remove_engine(engine: ManagedEngine, selectors: t.Sequence[RemovalSelector], *, force: bool, host: Platform) -> EngineRemovalPlan:
    """Plan to remove the images of SELECTORS from an engine; an absent image is no change.

    If the last name of an image that a container uses would be removed, its row has the error InUse. With FORCE, its names are removed. The container keeps
    the image or, in containerd, its files; if it can't keep either, the error stays.
    Raises InUse for a digest or ID with several names, unless FORCE.
    """
    reader = EngineReader(engine, host)
    images = reader.images
    chosen: dict[NamedEngineImage, None] = {}
    selected: list[NamedEngineImage | ImagePlan] = []
    for selector in selectors:
        found = reader.select_for_removal(selector, force=force)
        selected += [entry for entry in found if entry not in chosen]
        chosen.update(dict.fromkeys(found))
        if not found and not (isinstance(selector, str) and is_glob(selector)):
            selected.append(ImagePlan(str(selector), results={**named_by(selector), "engine": engine.title}, warnings=warn_of_short_id(selector)))
    refused = [entry for entry in chosen if _is_last_use(entry, chosen) and not (force and _can_be_forced(engine) and entry.name is not None)]
    removals = [_with_rows(removal, engine) for removal in plan_removals([entry for entry in chosen if entry not in refused], images.images, engine)]
    rows = {NamedEngineImage(removal.image, name): row for removal in removals for name, row in removal.rows.items()}
    rows.update((entry, _refuse(entry, engine)) for entry in refused)
    plan = EngineRemovalPlan(
        [one if isinstance(one, ImagePlan) else rows[one] for one in selected],
        {"engine": engine.title},
        steps=[RemoveFromEngine(engine, removals)] if removals else [],
        removals=removals,
    )
    return remove_leftovers(plan, engine, (name for name in images.names if name not in {entry.name for entry in chosen}))


def _is_last_use(entry: NamedEngineImage, chosen: t.Collection[NamedEngineImage]) -> bool:
    """Return whether a container uses the image of ENTRY, and no other name of it stays."""
    leaving = {other.name for other in chosen if other.digest == entry.digest}
    return entry.image.in_use and set(entry.image.names) <= leaving


def _can_be_forced(engine: ManagedEngine) -> bool:
    """Return whether an image can lose its last name although a container uses it."""
    return engine.keeps_used_images or not engine.containers_need_images


def _with_rows(removal: Removal, engine: ManagedEngine) -> Removal:
    image = removal.image
    is_used = image.in_use
    # Kubernetes also names each image of containerd by its ID, and these names stay for its containers.
    stays = is_used and (engine.keeps_used_images or bool(image.other_names) or len(removal.rows) < len(image.names))
    note = ""
    if is_used and len(removal.rows) == len(image.names):
        note = "; the image stays for the container that uses it" if stays else "; the container that uses it keeps its files"
    rows = {name: _row(NamedEngineImage(image, name), engine, note) for name in removal.rows}
    return dataclasses.replace(removal, rows=rows, whole=removal.whole and not stays, spares_containers=is_used)


def _row(entry: NamedEngineImage, engine: ManagedEngine, note: str = "") -> ImagePlan:
    label = f"{entry.name} ({short_digest(entry.state.digest)})" if entry.name is not None else f"the unnamed image {entry.digest}"
    return ImagePlan(
        requested=entry.label,
        changes=(RefChange(f"{entry.label} in {engine.title}", entry.state, None),),
        actions=(f"remove {label} from {engine.title}{note}",),
        results={**entry.facts, "engine": engine.title},
    )


def _refuse(entry: NamedEngineImage, engine: ManagedEngine) -> ImagePlan:
    why, advice = "", ""
    if entry.name is not None and _can_be_forced(engine):
        advice = ", or remove only the name with force"
    elif entry.name is not None:
        why = ", and this image store can't keep an image for a container without a name, even with force"
        advice = ", or keep another name of the image"
    error = InUse(f"{entry.label} is used by a container of {engine.title} at {engine.place}{why}; remove the container first{advice}")
    return dataclasses.replace(_row(entry, engine), actions=(), error=error)
