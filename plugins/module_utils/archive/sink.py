# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write an archive from any source. The offset of each blob is computed first, so that blobs can arrive in any order and concurrently."""

from __future__ import annotations

import contextlib
import typing as t

from ..atomic_files import FileTarget
from ..oci.digest import Digest, Verifier
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..streams import Chunks
from .output import FileOutput

Content = t.Callable[[Descriptor], Chunks]


class ArchiveSink:
    """An archive as the target of a copy, which writes all images together."""

    def __init__(self, target: FileOutput) -> None:
        self.target = target

    @property
    def path(self) -> str:
        """Return the path of the archive."""
        return self.target.path

    def open_writer(self, unused_needed: t.Iterable[Digest]) -> ArchiveWriter:
        """Return a writer for the archive."""
        return ArchiveWriter(self.target)


class ArchiveWriter:
    """A temporary file that replaces the archive when it is complete. A failed or killed run leaves the old archive."""

    publishes_together = True

    def __init__(self, target: FileOutput) -> None:
        self._pieces: list[tuple[int, bytes]] = []
        self._offsets: dict[Digest, int] = {}
        offset = 0
        for piece in target.pieces:
            if isinstance(piece, bytes):
                self._pieces.append((offset, piece))
                offset += len(piece)
            else:
                self._offsets[piece.digest] = offset
                offset += piece.size
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(FileTarget(target.path))
            self._file = stack.enter_context(file.create_replacement(target.mode))
            self._stack = stack.pop_all()

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def find_missing_blobs(self, unused_graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """Return all planned blobs: an archive is always written completely."""
        return planned

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Write one blob at its offset. Raises DigestMismatch if the bytes don't match DESCRIPTOR."""
        verifier = Verifier(descriptor.digest, descriptor.size, f"blob {descriptor.digest}")
        start = self._offsets[descriptor.digest]
        for chunk in content(descriptor):
            offset = start + verifier.seen
            verifier.update(chunk)
            self._file.write_at(chunk, offset)
        verifier.finish()

    def discard(self) -> None:
        """Do nothing: the temporary file is deleted when the writer closes."""

    def publish_images(self, unused_images: t.Sequence[NamedGraph]) -> None:
        """Write the remaining bytes and publish the archive with its planned images."""
        for offset, data in self._pieces:
            self._file.write_at(data, offset)
        self._file.publish()
