# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of an archive as graphs, within bounds for all of them together."""

from __future__ import annotations

import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_ARCHIVE_LAYERS
from ..oci.document_reader import bound_reads
from ..oci.graph import Graph, read_graph
from ..oci.manifest import Descriptor

if t.TYPE_CHECKING:
    from .reader import Archive


class ArchiveGraphs:
    """Reads each image of an archive once, however often it is listed.

    Raises UnsupportedFormat for documents beyond the bounds of an archive, and for more layers than it may have in all: each name of an image counts
    them again, since everything that is planned or told of an image is so for each name.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._read = bound_reads(archive.read_document, archive.path)
        self._graphs: dict[Descriptor, Graph | None] = {}
        self._layers = 0

    def read(self, root: Descriptor, names: int = 1) -> Graph | None:
        """Return the image at ROOT, None where its first document is absent. NAMES is how many names it has in the place that asks."""
        if root not in self._graphs:
            self._graphs[root] = read_graph(root, f"{self._archive.path}: {root.digest}", self._read)
        graph = self._graphs[root]
        if graph is not None:
            self._layers += max(1, names) * sum(len(image.manifest.layers) for image in graph.images)
            check_layers(self._layers, self._archive.path)
        return graph


def check_layers(count: int, path: str) -> None:
    """Raises UnsupportedFormat when the images of an archive have too many layers."""
    if count > MAX_ARCHIVE_LAYERS:
        raise UnsupportedFormat(f"{path} tells of more than {MAX_ARCHIVE_LAYERS} layers in all, once for each name")
