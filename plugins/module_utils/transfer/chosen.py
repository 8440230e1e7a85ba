# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which part of a stored image leaves the store: the platforms that are asked for."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import PlatformMissing, UnsupportedFormat
from ..oci.graph import Graph, children_for, read_graph
from ..oci.manifest import Index, read_manifest
from ..oci.platform import Selection
from ..oci.selecting import check_plain

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


def whole_image(store: Store, entry: Entry) -> Graph:
    """All of a stored image that is here."""
    graph = read_graph(entry.descriptor, entry.label, store.read)
    if graph is None:
        raise UnsupportedFormat(f"{entry.label} can't be read")
    return graph


def chosen_part(whole: Graph, selection: Selection | None, label: str) -> Graph:
    """The platforms asked for, which must be here; without any, all that are. An index keeps its bytes, whichever of its children travel."""
    if selection is None or selection.everything:
        return whole
    if not whole.root.is_index:
        check_plain(whole.images[0].platform, selection, label)
        return whole
    index = read_manifest(whole.documents[whole.root], whole.root.media_type, label)
    wanted = {child.digest for child in children_for(selection)(index, label)} if isinstance(index, Index) else set()
    lacking = next((child for child in whole.absent if child.digest in wanted), None)
    if lacking is not None:
        raise PlatformMissing(f"{label} is not here for {lacking.platform}; pull it for this platform first")
    images = tuple(image for image in whole.images if image.descriptor.digest in wanted)
    kept = {whole.root.digest, *wanted}
    documents = {descriptor: data for descriptor, data in whole.documents.items() if descriptor.digest in kept}
    left = tuple(image.descriptor for image in whole.images if image.descriptor.digest not in wanted)
    return dataclasses.replace(whole, images=images, documents=documents, absent=(*whole.absent, *left))
