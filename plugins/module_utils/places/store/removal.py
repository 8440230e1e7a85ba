# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what a removal deletes in a store: entries of the index, then the content that nothing needs afterwards."""

from __future__ import annotations

import dataclasses
import typing as t

from ...oci.digest import Digest
from ...transfer.interfaces import Sink
from ...transfer.plan import ImagePlan, Outcome, Plan, RefChange, Step
from ...transfer.workers import Workers
from ..catalog import Catalog, removal_row, with_removed_referrers
from .garbage import Garbage, find_garbage, remaining_entries
from .stored_referrers import RemovedReferrers

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store
    from ..retention import RetentionPolicy


@dataclasses.dataclass(frozen=True)
class RemoveFromStore(Step):
    """Delete ENTRIES from the index, then the blobs GARBAGE, then the partial files PARTIALS, by path.

    Documents are deleted before the blobs that they name, so that a crash leaves no incomplete image.
    """

    store: Store
    entries: tuple[Entry, ...] = ()
    garbage: tuple[Digest, ...] = ()
    partials: tuple[str, ...] = ()

    def sinks(self) -> t.Sequence[Sink]:
        return [self.store]

    def apply(self, unused_workers: Workers) -> Outcome:
        with self.store.open_writer(()) as writer:
            writer.remove_images(self.entries, self.garbage)
            writer.delete_partials(self.partials)
        return Outcome()


def plan_removal(catalog: Catalog[Entry], store: Store, chosen: t.Sequence[Entry | ImagePlan], *, prune: bool) -> Plan:
    """Plan to remove the images of CHOSEN. With PRUNE the blobs that only they need are deleted too.

    Their referrers, such as signatures, are removed too, unless another image needs them. Raises LockTimeout as `find_garbage` does.
    """
    removed = [one for one in chosen if not isinstance(one, ImagePlan)]
    removed_referrers = RemovedReferrers(store, removed)
    rows = [one if isinstance(one, ImagePlan) else _with_referrers(removal_row(catalog, one), catalog, one, removed_referrers) for one in chosen]
    all_removed = [*removed, *removed_referrers.entries]
    garbage = find_garbage(store, all_removed, everything=False) if prune and all_removed else Garbage()
    return Plan(
        rows,
        _removal_facts(all_removed, remaining_entries(store, all_removed), garbage.size),
        steps=[RemoveFromStore(store, tuple(all_removed), tuple(garbage.freed))] if all_removed else [],
        extra_warnings=garbage.warnings(),
    )


def plan_pruning(catalog: Catalog[Entry], store: Store, leaving: t.Sequence[Entry], policy: RetentionPolicy) -> Plan:
    """Plan to remove the images LEAVING. If POLICY removes unnamed images, content that no image needs is deleted too."""
    garbage = find_garbage(store, leaving, policy.dangling)
    step = RemoveFromStore(store, tuple(leaving), (*garbage.freed, *garbage.strays), tuple(garbage.unfinished))
    remaining = remaining_entries(store, leaving)
    kept = sorted({str(entry.digest) for entry in remaining})
    return Plan(
        [removal_row(catalog, entry) for entry in leaving],
        {**_removal_facts(leaving, remaining, garbage.size), "kept_digests": kept},
        steps=[step] if leaving or garbage.actions() else [],
        extra_actions=garbage.actions(),
        extra_warnings=garbage.warnings(),
    )


def _removal_facts(removed: t.Sequence[Entry], remaining: t.Sequence[Entry], bytes_freed: int) -> dict[str, t.Any]:
    """Return the results of a removal other than its images."""
    kept = {entry.digest_text for entry in remaining}
    deleted = dict.fromkeys(entry.digest_text for entry in removed if entry.digest_text not in kept)
    return {
        "untagged": [str(entry.name) for entry in removed if entry.name is not None],
        "deleted": list(deleted),
        "bytes_freed": bytes_freed,
    }


def _with_referrers(image: ImagePlan, catalog: Catalog[Entry], entry: Entry, removed_referrers: RemovedReferrers) -> ImagePlan:
    """Return IMAGE, the row of ENTRY, with the referrers that are removed with it."""
    referrers = removed_referrers.of_image(entry.digest)
    facts = [removed_referrers.facts(one) for one in referrers]
    return with_removed_referrers(catalog, image, facts, (RefChange(one.label, catalog.state(one), None) for one in referrers))
