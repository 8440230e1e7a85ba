# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning new names for an image of the store."""

from __future__ import annotations

import typing as t

from ..errors import StoreDamaged
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, Plan, RefChange, Transfer
from .facts import complete_graph, ref_state, short_digest, stored_facts

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


def plan_tag(store: Store, source: Entry, targets: t.Sequence[Reference], keep_existing: bool, host: Platform) -> Plan:
    """TARGETS point at SOURCE afterwards; with KEEP_EXISTING those that exist stay as they are. All of them change at once or none does.

    Raises StoreDamaged for a source that can't be read.
    """
    graph = complete_graph(store, source)
    if graph is None:
        raise StoreDamaged(f"{source.label} is damaged in {store.path}: {source.descriptor.digest} can't be read")
    images = []
    for target in dict.fromkeys(targets):
        before = store.index.get_named(target)
        images.append(_planned(store, target, before, before if before is not None and keep_existing else source, host))
    moved = tuple(Reference.parse(image.requested) for image in images if image.actions)
    transfer = Transfer(store, store, graph, moved, source.selection, (), graph.blobs, free=keep_existing)
    for image in images:
        image.transfer = transfer if image.actions else None
    return Plan(images)


def _planned(store: Store, target: Reference, before: Entry | None, after: Entry, host: Platform) -> ImagePlan:
    """One target's row: AFTER is the entry whose image it has in the end."""
    name = str(target)
    was, will_be = ref_state(store, before), ref_state(store, after)
    plan = ImagePlan(
        requested=name,
        image=stored_facts(name, after.descriptor, complete_graph(store, after), None, host),
        changes=(RefChange(name, was, will_be),),
        results={"previous_digest": str(was.digest) if was is not None else None},
    )
    if was is None or was.digest != after.descriptor.digest:
        moved_from = f", in place of {short_digest(was.digest)}" if was is not None else ""
        plan.actions = (f"tag {after.label} ({short_digest(after.descriptor.digest)}) as {name}{moved_from}",)
    return plan
