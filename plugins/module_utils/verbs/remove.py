# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a removal from the store: which names are removed, and which content nothing needs afterwards."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..oci.digest import Digest
from ..oci.glob import is_glob
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..oci.removal_matching import RemovalSelector
from ..places.facts import complete_graph, format_count, ref_state, short_digest, stored_facts
from ..places.store.garbage import Garbage, find_garbage, remaining_entries
from ..places.store.stored_referrers import RemovedReferrers
from ..transfer.interfaces import Sink
from ..transfer.plan import ImagePlan, Outcome, Plan, RefChange, Step
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store

_SHORT_ID = re.compile(r"[0-9a-f]{7,63}")


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


def plan_remove(store: Store, selectors: t.Sequence[RemovalSelector], *, prune: bool, force: bool, host: Platform) -> Plan:
    """Plan to remove the images of SELECTORS; an absent image is no change. With PRUNE the blobs that only they need are deleted too.

    Their referrers, such as signatures, are removed too, unless another image needs them.
    Raises InUse for a digest or ID with several names, unless FORCE; `repository@digest` means the names in that repository.
    Raises LockTimeout as `find_garbage` does.
    """
    removed: dict[tuple[Reference | None, Digest], Entry] = {}
    rows: list[Entry | ImagePlan] = []
    for selector in selectors:
        entries = store.select_for_removal(selector, force=force)
        for entry in entries:
            key = (entry.name, entry.descriptor.digest)
            if key not in removed:
                removed[key] = entry
                rows.append(entry)
        if not entries and not (isinstance(selector, str) and is_glob(selector)):
            rows.append(ImagePlan(str(selector), results=named_by(selector), warnings=warn_of_short_id(selector)))
    removed_referrers = RemovedReferrers(store, list(removed.values()))
    images = [row if isinstance(row, ImagePlan) else _with_referrers(removed_image(store, row, host), store, row, removed_referrers) for row in rows]
    all_removed = [*removed.values(), *removed_referrers.entries]
    garbage = find_garbage(store, all_removed, everything=False) if prune and all_removed else Garbage()
    return Plan(
        images,
        removal_facts(all_removed, remaining_entries(store, all_removed), garbage.size),
        steps=[RemoveFromStore(store, tuple(all_removed), tuple(garbage.freed))] if all_removed else [],
        extra_warnings=garbage.warnings(),
    )


def named_by(selector: RemovalSelector) -> dict[str, str | None]:
    """Return the keys that identify an absent image in its row: a digest or an ID is no name."""
    return {"name": None, "digest": str(selector)} if isinstance(selector, Digest) else {}


def removal_facts(removed: t.Sequence[Entry], remaining: t.Sequence[Entry], bytes_freed: int) -> dict[str, t.Any]:
    """Return the results of a removal other than its images."""
    kept = {entry.digest_text for entry in remaining}
    deleted = dict.fromkeys(entry.digest_text for entry in removed if entry.digest_text not in kept)
    return {
        "untagged": [str(entry.name) for entry in removed if entry.name is not None],
        "deleted": list(deleted),
        "bytes_freed": bytes_freed,
    }


def warn_of_short_id(selector: RemovalSelector) -> tuple[str, ...]:
    """Return a warning for a short ID, as other tools print it. It is read as a name, and removing an absent name is no error."""
    if isinstance(selector, Reference) and _SHORT_ID.fullmatch(selector.repository.rpartition("/")[2]):
        return (f"{selector} is read as a name; write an ID in full, as sha256: and 64 digits",)
    return ()


def _with_referrers(image: ImagePlan, store: Store, entry: Entry, removed_referrers: RemovedReferrers) -> ImagePlan:
    """Return IMAGE, the row of ENTRY, with the referrers that are removed with it."""
    referrers = removed_referrers.of_image(entry.digest)
    count = format_count(len(referrers), "referrer")
    return dataclasses.replace(
        image,
        results={**image.results, "referrers": [removed_referrers.facts(one) for one in referrers]},
        changes=(*image.changes, *(RefChange(one.label, ref_state(store, one), None) for one in referrers)),
        actions=(*image.actions, *((f"remove {count} of {entry.label}",) if referrers else ())),
    )


def removed_image(store: Store, entry: Entry, host: Platform) -> ImagePlan:
    """Return the row of an entry that is removed."""
    name = str(entry.name) if entry.name is not None else None
    return ImagePlan(
        requested=entry.label,
        image=stored_facts(name, entry.descriptor, complete_graph(store, entry), None, host),
        changes=(RefChange(entry.label, ref_state(store, entry), None),),
        actions=(
            f"remove {entry.name} ({short_digest(entry.descriptor.digest)})"
            if entry.name is not None
            else f"remove the unnamed image {entry.descriptor.digest}",
        ),
    )
