# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Summarise an archive: keep everything except its layers, so that another host can plan a load."""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import CorruptArchive, UnsupportedFormat
from ..limits import MAX_CANDIDATE, MAX_SUMMARISED
from ..oci.digest import Digest
from ..oci.layout import BASE_DIGESTS, ELSEWHERE
from ..oci.manifest import Descriptor
from .format import OCI, SavedImage, build_archive_files, build_tar, read_pieces
from .graphs import ArchiveGraphs
from .reader import Archive
from .referrers import referrers_in_archive


def summarise_archive(archive: Archive) -> bytes:
    """Return a small OCI archive with the names, documents and configs of ARCHIVE, and a list of the layers that ARCHIVE has.

    It also contains small layers of referrers: a host verifies signatures before the archive is sent.
    """
    images: list[SavedImage] = []
    graphs = ArchiveGraphs(archive)
    for image in archive.images:
        root = archive.saved_root(image)
        graph = graphs.read(root, len(image.names))
        if graph is None:
            raise CorruptArchive(f"{archive.path} is incomplete: {root.digest} is missing")
        images.append(SavedImage(graph, root, image.names, None))
    layers = {layer.digest for image in images for node in image.graph.images for layer in node.manifest.layers}
    signatures = _read_signatures(archive, images)
    layers -= signatures.keys()
    notes = {ELSEWHERE: {layer for layer in layers if archive.has_blob(layer)}, BASE_DIGESTS: archive.base_digests}
    files = build_archive_files(images, OCI, layers, notes)

    def read(blob: Descriptor) -> t.Iterable[bytes | memoryview]:
        return (signatures[blob.digest],) if blob.digest in signatures else archive.read_blob(blob)

    return b"".join(bytes(chunk) for chunk in read_pieces(build_tar(files), read))


def _read_signatures(archive: Archive, images: t.Sequence[SavedImage]) -> dict[Digest, bytes]:
    """Return the layers of referrers that may be signatures, within a limit for all of them. One that isn't in memory is left out if the file is compressed."""
    referrers = {digest for digest, _name in referrers_in_archive(archive).subjects}
    layers = [layer for image in images if image.graph.root.digest in referrers for node in image.graph.images for layer in node.manifest.layers]
    found: dict[Digest, bytes] = {}
    for layer in layers:
        if layer.size <= min(MAX_CANDIDATE, MAX_SUMMARISED - sum(map(len, found.values()))) and layer.digest not in found:
            with contextlib.suppress(UnsupportedFormat):
                data = archive.read_document(layer)
                if data is not None and len(data) == layer.size:
                    found[layer.digest] = data
    return found
