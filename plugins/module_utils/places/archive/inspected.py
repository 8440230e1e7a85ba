# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of an archive to describe."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...archive.graphs import ArchiveGraphs
from ...limits import MAX_TOGETHER
from ...oci.digest import Digest
from ...oci.document_reader import bound_reads
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ..inspected_image import InspectedImage

if t.TYPE_CHECKING:
    from ...archive.reader import Archive
    from ...oci.referrers import EntryKey, LayoutReferrers


def images_in_archive(archive: Archive, referrers: bool = False) -> list[InspectedImage]:
    """Return all images of an archive, once for each of their names."""
    rooted = [(image, archive.saved_root(image)) for image in archive.images]
    names: dict[Descriptor, int] = {}
    for image, root in rooted:
        names[root] = names.get(root, 0) + max(1, len(image.names))
    graphs = ArchiveGraphs(archive)
    # The config of an image is read for each of its names, and more than once.
    configs = bound_reads(archive.read_document, archive.path, 4 * MAX_TOGETHER)

    @functools.cache
    def graph(root: Descriptor) -> Graph | None:
        return _complete_in_archive(archive, graphs.read(root, names[root]))

    @functools.cache
    def read_referrers() -> LayoutReferrers:
        from ...archive.referrers import referrers_in_archive

        return referrers_in_archive(archive)

    def referrers_of(name: Reference | None) -> LayoutReferrers:
        return read_referrers().of_name(name)

    owned: t.Container[EntryKey] = ()
    if referrers:
        from ...oci.referrers import find_owners

        found = read_referrers()
        owned = find_owners(found.subjects, {root.digest: _list_documents(graph(root)) for root in names}) if found.subjects else ()
    return [
        InspectedImage(
            name,
            root,
            functools.partial(graph, root),
            configs,
            referrer_place=functools.partial(referrers_of, name),
            lists_referrers=referrers,
            is_referrer=(root.digest, name) in owned,
        )
        for image, root in rooted
        for name in image.names or (None,)
    ]


def _list_documents(graph: Graph | None) -> list[Digest]:
    return graph.document_digests if graph is not None else []


def _complete_in_archive(archive: Archive, graph: Graph | None) -> Graph | None:
    """Return GRAPH with only those images that the archive has with all their blobs."""
    if graph is None:
        return None
    images = tuple(image for image in graph.images if all(archive.has_blob(blob.digest) for blob in image.manifest.blobs))
    return dataclasses.replace(graph, images=images)
