# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the images of an archive as graphs, within limits for the whole archive."""

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

    Raises UnsupportedFormat if the documents exceed the limits of an archive, or if it has too many layers in total. Each name of an image counts
    its layers again, because plans and results repeat an image for each name.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._read = bound_reads(archive.read_document, archive.path)
        self._graphs: dict[Descriptor, Graph | None] = {}
        self._layers = 0

    def read(self, root: Descriptor, names: int = 1) -> Graph | None:
        """Return the image at ROOT, or None if its first document is missing. NAMES is the number of names that the caller has for it."""
        if root not in self._graphs:
            self._graphs[root] = read_graph(root, f"{self._archive.path}: {root.digest}", self._read)
        graph = self._graphs[root]
        if graph is not None:
            self._layers += max(1, names) * sum(len(image.manifest.layers) for image in graph.images)
            check_layers(self._layers, self._archive.path)
        return graph


def check_layers(count: int, path: str) -> None:
    """Raise UnsupportedFormat if COUNT is more layers than the images of an archive may have."""
    if count > MAX_ARCHIVE_LAYERS:
        raise UnsupportedFormat(f"{path} lists more than {MAX_ARCHIVE_LAYERS} layers in total, counted once for each name")
