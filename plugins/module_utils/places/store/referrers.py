# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to keep the referrers of an image in a store."""

from __future__ import annotations

import typing as t

from ...oci.graph import NamedGraph
from ...oci.reference import Reference
from ...oci.referrers import FoundReferrers, Referrer
from ...transfer.plan import RefChange, RefState
from ..platforms import is_damaged
from ..referrer_plan import ReferrerPlan, unique_blobs

if t.TYPE_CHECKING:
    from ...store.store import Store


def plan_for_store(store: Store, found: FoundReferrers, names: t.Sequence[Reference], *, keep: bool = False) -> ReferrerPlan:
    """Plan to store the referrers FOUND of an image that gets NAMES. Referrers with a `subject` are unnamed entries of the index.

    Referrers whose tag is made of a digest get this tag in the repository of each of NAMES. Without NAMES they keep their own name. With KEEP, a tag
    that the store has for something else is not moved.
    """
    rows: list[dict[str, t.Any]] = []
    changes: list[RefChange] = []
    missing: list[NamedGraph] = []
    for referrer in found.referrers:
        new_names = [name for name in _names(referrer, names) if not (keep and _is_taken(store, name, referrer))]
        if referrer.name is not None and not new_names:
            continue
        before = [_current_state(store, name, referrer) for name in new_names or (None,)]
        after = RefState(referrer.digest)
        is_present = all(state == after for state in before) and not is_damaged(store, referrer.graph)
        rows.append(referrer.facts(changed=not is_present))
        labels = [str(name) for name in new_names] or [str(referrer.digest)]
        changes += [RefChange(label, state, after) for label, state in zip(labels, before)]
        if not is_present:
            missing.append(NamedGraph(referrer.graph, tuple(new_names), None))
    return ReferrerPlan(
        tuple(rows), tuple(changes), tuple(missing), unique_blobs(referrer.graph for referrer in found.referrers), tuple(found.warnings)
    )


def _names(referrer: Referrer, names: t.Sequence[Reference]) -> list[Reference]:
    if referrer.name is None:
        return []
    return list(dict.fromkeys(name.with_tag(str(referrer.tag)) for name in names)) or [referrer.name]


def _is_taken(store: Store, name: Reference, referrer: Referrer) -> bool:
    entry = store.index.get_named(name)
    return entry is not None and entry.digest != referrer.digest


def _current_state(store: Store, name: Reference | None, referrer: Referrer) -> RefState | None:
    """Return what NAME points at, or without a name whether any entry has the digest of the referrer."""
    entries = store.index.find_by_selector(name) if name is not None else store.index.find_by_digest(referrer.digest)
    return RefState(entries[0].digest) if entries else None
