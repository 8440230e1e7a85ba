# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Summarise an archive: keep everything except its layers, so that another host can plan a load."""

from __future__ import annotations

from ..errors import CorruptArchive
from ..oci.layout import BASE_DIGESTS, ELSEWHERE
from .format import OCI, SavedImage, build_archive_files, build_tar, read_pieces
from .graphs import ArchiveGraphs
from .reader import Archive


def summarise_archive(archive: Archive) -> bytes:
    """Return a small OCI archive with the names, documents and configs of ARCHIVE, and a list of the layers that ARCHIVE has."""
    images: list[SavedImage] = []
    graphs = ArchiveGraphs(archive)
    for image in archive.images:
        root = archive.saved_root(image)
        graph = graphs.read(root, len(image.names))
        if graph is None:
            raise CorruptArchive(f"{archive.path} is incomplete: {root.digest} is missing")
        images.append(SavedImage(graph, root, image.names, None))
    layers = {layer.digest for image in images for node in image.graph.images for layer in node.manifest.layers}
    notes = {ELSEWHERE: {layer for layer in layers if archive.has_blob(layer)}, BASE_DIGESTS: archive.base_digests}
    files = build_archive_files(images, OCI, layers, notes)
    return b"".join(bytes(chunk) for chunk in read_pieces(build_tar(files), archive.read_blob))
