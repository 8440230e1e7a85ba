# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of an image travels: all of it, one of its platforms, or a new index over several."""

from __future__ import annotations

from ..errors import PlatformMissing, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.graph import Graph, Read, children_for, read_graph
from ..oci.manifest import Descriptor, Index, read_manifest
from ..oci.platform import Selection


def chosen_part(root: Descriptor, label: str, read: Read, selection: Selection | None) -> Graph:
    """The image at ROOT as far as SELECTION wants it; all that is there without one. LABEL names it in messages.

    For one platform of an index that is its manifest, for several a new index. Raises PlatformMissing for a platform that isn't there.
    """
    if selection is None or selection.everything:
        return _graph(root, label, read)
    data = read(root)
    parsed = read_manifest(data, root.media_type, label) if data is not None else None
    if not isinstance(parsed, Index):
        return _plain(root, label, read, selection)
    chosen = children_for(selection)(parsed, label)
    for child in chosen:
        if read(child) is None:
            raise PlatformMissing(f"{label} is not here for {child.platform}; pull it for this platform first")
    if len(chosen) == 1:
        return _graph(chosen[0], label, read)
    made = parsed.only({child.digest for child in chosen})
    new_root = Descriptor(parsed.media_type, Digest.of(made), len(made))
    return _graph(new_root, label, lambda descriptor: made if descriptor.digest == new_root.digest else read(descriptor))


def whole_part(root: Descriptor, label: str, read: Read, selection: Selection | None) -> Graph:
    """As chosen_part, for places that refuse an index of which something is lacking. Raises PlatformMissing for one."""
    graph = chosen_part(root, label, read, selection)
    if graph.absent:
        held = ", ".join(graph.platforms) or "no platform"
        raise PlatformMissing(
            f"{label} is here only for {held} of the {len(graph.absent) + len(graph.images)} images in its index; give platform to push those"
        )
    return graph


def _plain(root: Descriptor, label: str, read: Read, selection: Selection) -> Graph:
    """A manifest is what it is: it has to fit."""
    graph = _graph(root, label, read)
    platform = graph.images[0].platform
    if not any(platform in wanted.fallbacks() for wanted in selection.platforms):
        raise PlatformMissing(f"{label} is an image for {platform} alone, not for {', '.join(selection.words())}")
    return graph


def _graph(root: Descriptor, label: str, read: Read) -> Graph:
    graph = read_graph(root, label, read)
    if graph is None:
        raise UnsupportedFormat(f"{label} can't be read")
    return graph
