# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan new names for an image of the store."""

from __future__ import annotations

import typing as t

from ..errors import StoreDamaged
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..places.facts import complete_graph, ref_state, short_digest, stored_facts
from ..transfer.plan import ImagePlan, Plan, RefChange
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


def plan_tag(store: Store, source: Entry, targets: t.Sequence[Reference], *, host: Platform, keep: bool = False) -> Plan:
    """Plan to point TARGETS at the image of SOURCE; with KEEP those that exist stay unchanged. All of them change together or none does.

    Raises StoreDamaged if the source can't be read.
    """
    graph = complete_graph(store, source)
    if graph is None:
        raise StoreDamaged(f"{source.label} is damaged in {store.path}: {source.descriptor.digest} can't be read")
    pairs = [(target, store.index.get_named(target)) for target in dict.fromkeys(targets)]
    moved = tuple(target for target, before in pairs if before is None or (not keep and before.digest != source.digest))
    transfer = Transfer(store, store, graph, moved, source.selection, moves=(), reused=graph.blobs, free=keep)
    return Plan([_plan_target(store, target, before, source, transfer if target in moved else None, host) for target, before in pairs])


def _plan_target(store: Store, target: Reference, before: Entry | None, source: Entry, transfer: Transfer | None, host: Platform) -> ImagePlan:
    """Return one target's row. Without TRANSFER the name stays unchanged."""
    name = str(target)
    after = source if transfer is not None or before is None else before
    was = ref_state(store, before)
    moved_from = f", in place of {short_digest(was.digest)}" if was is not None else ""
    return ImagePlan(
        requested=name,
        image=stored_facts(name, after.descriptor, complete_graph(store, after), None, host),
        changes=(RefChange(name, was, ref_state(store, after)),),
        actions=(f"tag {after.label} ({short_digest(after.descriptor.digest)}) as {name}{moved_from}",) if transfer is not None else (),
        transfer=transfer,
        results={"previous_digest": str(was.digest) if was is not None else None},
    )
