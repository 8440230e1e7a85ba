# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning to prune a store by a retention policy."""

from __future__ import annotations

import contextlib
import datetime
import functools
import re
import typing as t

from ..errors import InvalidReference, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.manifest import read_subject
from ..oci.platform import Platform
from ..transfer.plan import Plan
from .filters import Filters
from .garbage import find_garbage, remaining_entries
from .info import InspectedImage, Inspector
from .protection import Protection
from .remove import RemoveFromStore, removal_facts, removed_image
from .retention import Candidate, Policy

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store

_SIGNATURE_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]+)(?:\.[a-z]+)?")


def plan_prune(store: Store, policy: Policy, filters: Filters, protection: Protection, host: Platform, now: datetime.datetime) -> Plan:
    """What goes under POLICY at the time NOW: images that pass FILTERS and aren't protected and, where unnamed images go, all that no image needs."""
    entries = store.index.entries
    candidates = _candidates(store, filters, protection, host)
    let_go = set(policy.let_go(candidates, now))
    leaving = [entry for entry, candidate in zip(entries, candidates) if candidate in let_go]
    sweep = find_garbage(store, leaving, policy.dangling)
    garbage = (*sweep.freed, *sweep.strays)
    step = RemoveFromStore(store, tuple(leaving), garbage, tuple(sweep.unfinished))
    return Plan(
        [removed_image(store, entry, host) for entry in leaving],
        removal_facts(leaving, remaining_entries(store, leaving), sweep.size),
        steps=[step] if leaving or sweep.actions() else [],
        extra_actions=sweep.actions(),
        extra_warnings=sweep.concerns(),
    )


def _candidates(store: Store, filters: Filters, protection: Protection, host: Platform) -> list[Candidate]:
    """Each entry of the store as the policy sees it, in their order."""
    entries = store.index.entries
    all_held = [InspectedImage(entry.name, entry.descriptor, functools.partial(store.read_graph, entry), store.read_document) for entry in entries]
    inspector = Inspector(all_held, f"the store {store.path}", host)
    chosen = {id(held) for held in inspector.passing(filters)}
    companions = _companions(all_held)
    return [
        Candidate(
            name=held.name,
            digest=held.digest,
            created=_created(inspector, held),
            chosen=id(held) in chosen,
            protected=protection.covers(held, lambda one: one.image_ids) or _has_foreign_name(entry),
            companion_of=companions.get(held.digest, frozenset()),
        )
        for entry, held in zip(entries, all_held)
    ]


def _has_foreign_name(entry: Entry) -> bool:
    """Another tool's short name, such as `latest`: no name to us, but somebody means to keep that image."""
    return entry.name is None and not entry.is_anonymous


def _created(inspector: Inspector, held: InspectedImage) -> datetime.datetime | None:
    try:
        return inspector.created(held)
    except UnsupportedFormat:
        return None


def _companions(images: t.Sequence[InspectedImage]) -> dict[Digest, frozenset[Digest]]:
    """The images that say something of other images, such as signatures, with the ones that they are about."""
    holders: dict[Digest, set[Digest]] = {}
    for held in images:
        documents = held.graph.documents if held.graph is not None else ()
        for digest in (held.digest, *(document.digest for document in documents)):
            holders.setdefault(digest, set()).add(held.digest)
    about = {held.digest: subjects for held in images for subjects in [_subjects(held)] if subjects}
    return {digest: frozenset(_followed(digest, about, holders)) for digest in about}


def _followed(digest: Digest, about: t.Mapping[Digest, set[Digest]], holders: t.Mapping[Digest, set[Digest]]) -> set[Digest]:
    """The images at the end of the way: a signature of a bill of materials is about the image that this lists."""
    found: set[Digest] = set()
    seen = {digest}
    ahead = [digest]
    while ahead:
        reached = {holder for subject in about[ahead.pop()] for holder in holders.get(subject, {subject})} - seen
        seen |= reached
        found |= {holder for holder in reached if holder not in about}
        ahead += [holder for holder in reached if holder in about]
    return found


def _subjects(held: InspectedImage) -> set[Digest]:
    """What an image says that it is about, in its manifest or, as cosign does, by its tag."""
    subjects: set[Digest] = set()
    match = _SIGNATURE_TAG.fullmatch(held.name.tag or "") if held.name is not None else None
    if match is not None:
        with contextlib.suppress(InvalidReference):
            subjects.add(Digest(match[1], match[2]))
    root = held.graph.documents.get(held.root) if held.graph is not None else None
    subject = read_subject(root, held.label) if root is not None else None
    return subjects | ({subject} if subject is not None else set())
