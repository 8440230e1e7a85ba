# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of an image travels: all of it, one of its platforms, or a new index over several."""

from __future__ import annotations

import dataclasses

from ..errors import PlatformMissing, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.graph import Graph, Read, children_for, read_graph
from ..oci.manifest import Descriptor, Index, read_manifest
from ..oci.platform import Selection
from ..oci.selecting import check_plain


def chosen_part(root: Descriptor, label: str, read: Read, selection: Selection | None) -> Graph:
    """The image at ROOT as far as SELECTION wants it; all that is there without one. LABEL names it in messages.

    For one platform of an index that is its manifest, for several a new index. Raises PlatformMissing for a platform that isn't there.
    """
    if selection is None or selection.everything:
        return whole_image(root, label, read)
    data = read(root)
    parsed = read_manifest(data, root.media_type, label) if data is not None else None
    if not isinstance(parsed, Index):
        graph = whole_image(root, label, read)
        check_plain(graph.images[0].platform, selection, label)
        return graph
    chosen = children_for(selection)(parsed, label)
    for child in chosen:
        if read(child) is None:
            raise PlatformMissing(f"{label} is not here for {child.platform}; pull it for this platform first")
    if len(chosen) == 1:
        return whole_image(chosen[0], label, read)
    made = parsed.only({child.digest for child in chosen})
    new_root = Descriptor(parsed.media_type, Digest.of(made), len(made))
    return whole_image(new_root, label, lambda descriptor: made if descriptor.digest == new_root.digest else read(descriptor))


def whole_part(root: Descriptor, label: str, read: Read, selection: Selection | None) -> Graph:
    """As chosen_part, for places that refuse an index of which something is lacking. Raises PlatformMissing for one."""
    graph = chosen_part(root, label, read, selection)
    if graph.absent:
        held = ", ".join(graph.platforms) or "no platform"
        raise PlatformMissing(
            f"{label} is here only for {held} of the {len(graph.absent) + len(graph.images)} images in its index; give platform to push those"
        )
    return graph


def sparse_part(whole: Graph, selection: Selection | None, label: str) -> Graph:
    """The platforms of WHOLE that SELECTION wants, which must be there; without one, all that are. An index keeps its bytes, whatever travels of it."""
    if selection is None or selection.everything:
        return whole
    index = read_manifest(whole.documents[whole.root], whole.root.media_type, label)
    if not isinstance(index, Index):
        check_plain(whole.images[0].platform, selection, label)
        return whole
    wanted = {child.digest for child in children_for(selection)(index, label)}
    lacking = next((child for child in whole.absent if child.digest in wanted), None)
    if lacking is not None:
        raise PlatformMissing(f"{label} is not here for {lacking.platform}; pull it for this platform first")
    images = tuple(image for image in whole.images if image.descriptor.digest in wanted)
    kept = {whole.root.digest, *wanted}
    documents = {descriptor: data for descriptor, data in whole.documents.items() if descriptor.digest in kept}
    left = tuple(image.descriptor for image in whole.images if image.descriptor.digest not in wanted)
    return dataclasses.replace(whole, images=images, documents=documents, absent=(*whole.absent, *left))


def whole_image(root: Descriptor, label: str, read: Read) -> Graph:
    """All of an image that is there. Raises UnsupportedFormat where not even its first document is."""
    graph = read_graph(root, label, read)
    if graph is None:
        raise UnsupportedFormat(f"{label} can't be read")
    return graph
