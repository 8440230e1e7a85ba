# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Select the platforms of an image that are copied: all, one, or several with a new index; and merge them with those in a store."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import PlatformMissing, UnsupportedFormat
from ..limits import MAX_LEVELS
from ..oci.document_reader import Read, document_reader
from ..oci.graph import ChooseEntries, Graph, IndexPosition, choose_all, choose_platforms, read_graph
from ..oci.manifest import Descriptor, Index, read_manifest
from ..oci.matching import check_single_platform
from ..oci.platform import ALL, Selection

if t.TYPE_CHECKING:
    from ..store.store import Store


def select_platforms(root: Descriptor, label: str, read: Read, selection: Selection | None, level: int = 1) -> Graph:
    """Return the selected platforms of the image at ROOT; without SELECTION all that exist. LABEL is its name in messages.

    For one platform of an index the result is its manifest, for several a new index. LEVEL is the depth of ROOT in the image.
    Raises PlatformMissing for a platform that doesn't exist, UnsupportedFormat for indexes that nest too deep.
    """
    if level > MAX_LEVELS:
        raise UnsupportedFormat(f"{label} nests indexes more than {MAX_LEVELS} levels deep")
    read = document_reader(read, label)
    if selection is None or selection.everything:
        return read_image(root, label, read)
    data = read(root)
    parsed = read_manifest(data, root.media_type, label) if data is not None else None
    if not isinstance(parsed, Index):
        graph = read_image(root, label, read)
        check_single_platform(graph.images[0].platform, selection, label)
        return graph
    chosen = list(dict.fromkeys(choose_platforms(selection)(parsed, label, IndexPosition(level, read))))
    for child in chosen:
        if read(child) is None:
            raise _platform_missing(label, [child], selection)
    if len(chosen) == 1:
        return select_platforms(chosen[0], label, read, selection, level + 1) if chosen[0].is_index else read_image(chosen[0], label, read)
    if any(child.is_index for child in chosen):
        raise UnsupportedFormat(f"{label} has nested indexes, from which several platforms can't be selected; select one platform, or all")
    made = parsed.filter_entries({child.digest for child in chosen})
    new_root = Descriptor.of(parsed.media_type, made)
    return read_image(new_root, label, lambda descriptor: made if descriptor.digest == new_root.digest else read(descriptor))


def select_complete(root: Descriptor, label: str, read: Read, selection: Selection | None) -> Graph:
    """Select platforms as `select_platforms` does, for places that refuse an incomplete index. Raises PlatformMissing for one."""
    graph = select_platforms(root, label, read, selection)
    reject_sparse(graph, label)
    return graph


def reject_sparse(graph: Graph, label: str) -> None:
    """Raise PlatformMissing for an index with missing entries."""
    if graph.absent:
        present = ", ".join(graph.platforms) or "no platform"
        raise PlatformMissing(
            f"{label} has only {present} of the {len(graph.absent) + len(graph.images)} images in its index; give platform to select those"
        )


def select_stored(whole: Graph, selection: Selection | None, label: str) -> Graph:
    """Return the selected platforms of WHOLE, without SELECTION all. An index keeps its bytes. Raises PlatformMissing for a missing platform."""
    if selection is None or selection.everything:
        return whole
    if not whole.root.is_index:
        check_single_platform(whole.images[0].platform, selection, label)
        return whole
    documents_by_digest = {descriptor.digest: data for descriptor, data in whole.documents.items()}
    part = read_image(whole.root, label, lambda descriptor: documents_by_digest.get(descriptor.digest), choose_platforms(selection))
    if part.absent or not part.images:
        raise _platform_missing(label, part.absent, selection)
    wanted = {descriptor.digest for descriptor in part.documents}
    images = tuple(image for image in whole.images if image.descriptor.digest in wanted)
    documents = {descriptor: data for descriptor, data in whole.documents.items() if descriptor.digest in wanted}
    left_out = tuple(image.descriptor for image in whole.images if image.descriptor.digest not in wanted)
    return dataclasses.replace(whole, images=images, documents=documents, absent=(*whole.absent, *left_out))


def select_from_index(root: Descriptor, label: str, read: Read, selection: Selection | None) -> Graph:
    """Return the selected platforms of the image at ROOT, without SELECTION all that exist. An index keeps its bytes, and only those platforms are read.

    Raises PlatformMissing for a missing platform.
    """
    if selection is None or selection.everything:
        return read_image(root, label, read)
    graph = read_image(root, label, read, choose_platforms(selection))
    if not graph.root.is_index:
        check_single_platform(graph.images[0].platform, selection, label)
    elif graph.absent or not graph.images:
        raise _platform_missing(label, graph.absent, selection)
    return graph


def _platform_missing(label: str, missing: t.Sequence[Descriptor], selection: Selection) -> PlatformMissing:
    """Return the error for a missing platform. The entry of a nested index may have no platform: then the error names the requested ones."""
    platform = next((str(child.platform) for child in missing if child.platform is not None), ", ".join(selection.texts()))
    return PlatformMissing(f"{label} is not available for {platform}; pull it for this platform first")


def read_image(root: Descriptor, label: str, read: Read, choice: ChooseEntries = choose_all) -> Graph:
    """Return what exists of an image and CHOICE selects. Raises UnsupportedFormat if its root can't be read."""
    graph = read_graph(root, label, read, choice)
    if graph is None:
        raise UnsupportedFormat(f"{label} can't be read")
    return graph


def merge_with_store(store: Store, graph: Graph, read: Read) -> Graph:
    """Return GRAPH with the platforms of the image that are in the store already added. READ reads configs."""
    documents = {descriptor.digest: data for descriptor, data in graph.documents.items()}

    def read_any(descriptor: Descriptor) -> bytes | None:
        if descriptor.is_document:
            return documents.get(descriptor.digest) or store.read_document(descriptor)
        return read(descriptor)

    whole = read_graph(graph.root, str(graph.root.digest), read_any)
    return whole if whole is not None else graph


def is_damaged(store: Store, graph: Graph) -> bool:
    return not all(store.has_blob(descriptor) for descriptor in graph.content)


def platforms_to_record(graph: Graph, selection: Selection | None) -> Selection | None:
    """Return the platforms that the store's entry of an index must keep complete from now on."""
    if not graph.root.is_index:
        return None
    if selection is not None:
        return selection
    platforms = tuple(image.platform for image in graph.images if image.platform is not None and image.platform.is_runnable)
    return ALL if not graph.absent else Selection(platforms) if platforms else None
