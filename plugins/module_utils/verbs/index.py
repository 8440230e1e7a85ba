# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan an index of several images in the store."""

from __future__ import annotations

import typing as t

from ..errors import InvalidOption, StoreDamaged
from ..oci.graph import Graph, read_graph
from ..oci.manifest import Descriptor, Manifest, read_manifest
from ..oci.platform import ALL, Platform
from ..oci.reference import Reference
from ..places.facts import format_count, image_facts, ref_state, short_digest
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer
from .index_members import ABSENT, REPLACE, IndexMember, IndexOptions, MemberRequest, NewIndex, make_index

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


def plan_index(store: Store, options: IndexOptions, host: Platform) -> TransferPlan:
    """Plan to store the index that OPTIONS describe under its names. All of them change together or none does.

    Raises ImageNotFound for a member that isn't in the store, StoreDamaged for a damaged one, and the errors of `make_index`.
    """
    entry = store.find_entry(options.name)
    current = None
    if entry is not None and options.existing != REPLACE:
        store.check_complete(entry)  # a damaged image would be left out of the new index
        current = _member(store, entry)
    members = [(request, _find_member(store, request, options)) for request in options.requests]
    index = make_index(options, members, current)
    if index is None:
        return TransferPlan([_unchanged(store, name) for name in options.names])
    graph = _read_new_graph(store, index, str(options.name))
    befores = [(name, store.index.get_named(name)) for name in options.names]
    moved = tuple(name for name, before in befores if before is None or before.digest != index.root.digest)
    transfer = Transfer(store, store, graph, moved, ALL, moves=(), reused=graph.blobs, pending=bool(moved))
    return TransferPlan([_plan_name(store, name, before, index, graph, transfer, host) for name, before in befores])


def _find_member(store: Store, request: MemberRequest, options: IndexOptions) -> IndexMember | None:
    """Return a member, None if only its platform is given, or if it must be removed from the index and isn't in the store."""
    if request.name is None:
        return None
    if options.existing == ABSENT and store.find_entry(request.name) is None:
        raise InvalidOption(f"{request.name} is not in the store {store.path}, so its digest is unknown; give the platform of the member to remove")
    return _member(store, store.get_complete_entry(request.name))


def _member(store: Store, entry: Entry) -> IndexMember:
    def is_complete(descriptor: Descriptor) -> bool:
        data = store.read_document(descriptor)
        manifest = read_manifest(data, descriptor.media_type, entry.label) if data is not None else None
        if manifest is None or not isinstance(manifest, Manifest) or all(store.has_blob(blob) for blob in manifest.blobs):
            return manifest is not None
        store.require_named(entry)
        return False

    return IndexMember(entry.label, entry.root, store.read_document, is_complete)


def _read_new_graph(store: Store, index: NewIndex, label: str) -> Graph:
    """Return the graph of an index that isn't in the store yet. Raises StoreDamaged if a member was damaged after it was checked."""
    graph = read_graph(
        index.root, label, lambda descriptor: index.data if descriptor.digest == index.root.digest else store.read_document(descriptor)
    )
    if graph is None or graph.absent:
        lost = graph.absent[0] if graph is not None else index.root
        raise StoreDamaged(f"an image for {label} is damaged in {store.path}: {lost.digest} is missing or altered; pull the image again to repair it")
    return graph


def _plan_name(store: Store, name: Reference, before: Entry | None, index: NewIndex, graph: Graph, transfer: Transfer, host: Platform) -> ImagePlan:
    was, will_be = ref_state(store, before), RefState(index.root.digest, tuple(graph.platforms))
    return ImagePlan(
        requested=str(name),
        image=image_facts(str(name), graph, None, host),
        changes=(RefChange(str(name), was, will_be),),
        actions=(describe_index(name, index, was),) if name in transfer.names else (),
        transfer=transfer,
        results={"previous_digest": str(was.digest) if was is not None else None, "members": index.rows},
    )


def _unchanged(store: Store, name: Reference) -> ImagePlan:
    """Return the row of an index that doesn't exist, so that no member can be removed."""
    was = ref_state(store, store.index.get_named(name))
    return ImagePlan(str(name), changes=(RefChange(str(name), was, was),), results={"previous_digest": None, "members": []})


def describe_index(name: Reference, index: NewIndex, was: RefState | None) -> str:
    """Return the action of a new index."""
    replaced = f" in place of {short_digest(was.digest)}" if was is not None else ""
    platforms = ", ".join(image.entry.platform_text for image in index.images)
    return f"make the index {name} ({short_digest(index.root.digest)}){replaced}: {format_count(len(index.images), 'image')} for {platforms}"
