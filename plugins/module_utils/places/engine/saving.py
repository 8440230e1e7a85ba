# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of an engine as a save reads them."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ...archive.output import FileOutput, OpenFile
from ...archive.sink import ArchiveSink
from ...files import naming_path_in_errors
from ...oci.digest import Digest, Verifier
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.platform import Selection
from ...oci.reference import Reference
from ...oci.referrers import FoundReferrers
from ...transfer.interfaces import Source
from ...transfer.plan import Results, Step
from ...transfer.transfer import Transfer
from ..platforms import select_from_index
from ..saving import PlannedArchive, WriteArchive

if t.TYPE_CHECKING:
    from .images import NamedEngineImage
    from .reader import EngineReader
    from .source import EngineImageSource


class EngineSaving:
    """The images of an engine in one save. No engine holds referrers."""

    def __init__(self, reader: EngineReader) -> None:
        self._reader = reader
        self._images: dict[NamedEngineImage, EngineImageSource] = {}

    @property
    def common_facts(self) -> Results:
        return {"engine": self._reader.engine.title}

    def choose(self, selectors: t.Sequence[Reference | Digest]) -> list[NamedEngineImage]:
        """Return the images to save. All are opened before the first is read, so that an engine exports them together."""
        chosen = list(dict.fromkeys(image for selector in selectors for image in self._reader.select(selector) or [self._reader.get(selector)]))
        self._images.update((image, self._reader.open(image)) for image in chosen)
        return chosen

    def read(self, image: NamedEngineImage, selection: Selection | None) -> Graph:
        opened = self._images[image]
        graph = select_from_index(opened.root(), image.label, opened.read_document, selection)
        opened.check_blobs(graph)
        return graph

    def find_referrers(self, unused_image: NamedEngineImage, unused_graph: Graph) -> FoundReferrers:
        return FoundReferrers()

    def referrer_facts(self, unused_rows: t.Sequence[Results]) -> Results:
        return {}

    def plan_transfers(self, images: t.Sequence[NamedEngineImage], archive: PlannedArchive) -> list[Transfer | None]:
        """Return the transfers to a tar file that isn't compressed: its blobs may arrive in the order in which the engine exports them."""
        output = _plain_file(archive)
        if output is None:
            return [None] * len(images)
        sink = ArchiveSink(output)
        stored = {piece.digest for piece in output.pieces if isinstance(piece, Descriptor)}
        transfers: list[Transfer | None] = []
        for image, saved in zip(images, archive.saved):
            blobs = tuple(blob for blob in saved.graph.blobs if blob.digest in stored)
            is_needed = archive.reason is not None
            moves, reused = (blobs, saved.graph.blobs_without(blobs)) if is_needed else ((), saved.graph.blobs)
            source = self._images[image].source
            transfers.append(Transfer(source, sink, saved.graph, saved.names, None, moves=moves, reused=reused, pending=is_needed, whole=True))
        return transfers

    def plan_steps(self, archive: PlannedArchive) -> list[Step]:
        return [WriteArchive(_copy_blobs(self._source, archive.output.path), archive)] if _plain_file(archive) is None else []

    def read_blob(self, blob: Descriptor) -> t.Iterable[bytes | memoryview]:
        return t.cast("t.Iterable[bytes | memoryview]", self._source.read_blob(blob))

    @property
    def _source(self) -> Source:
        """Return the source of all chosen images."""
        return next(iter(self._images.values())).source


def _plain_file(archive: PlannedArchive) -> FileOutput | None:
    """Return the tar file of ARCHIVE if its blobs may be written in any order, which a compressed one and a folder don't allow."""
    return archive.output if isinstance(archive.output, FileOutput) and not archive.output.is_compressed else None


def _copy_blobs(source: Source, path: str) -> OpenFile:
    """Return a function that copies a blob from SOURCE to a temporary file without a name, in the folder of PATH, and returns its file descriptor.

    It raises DigestMismatch.
    """

    def open_copy(blob: Descriptor) -> int:
        folder = os.path.dirname(os.path.abspath(path))
        with naming_path_in_errors(path), tempfile.TemporaryFile(dir=folder) as file:
            verifier = Verifier(blob.digest, blob.size, f"blob {blob.digest}")
            for chunk in source.read_blob(blob):
                verifier.update(chunk)
                file.write(chunk)
            verifier.finish()
            file.flush()
            file.seek(0)
            return os.dup(file.fileno())

    return open_copy
