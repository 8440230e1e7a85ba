# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load an image into an engine: one archive, streamed from the source of the image to the engine, without a temporary file."""

from __future__ import annotations

import dataclasses
import typing as t

from ...archive.format import DOCKER, OCI, ArchiveFile, SavedImage, build_archive_files, build_tar, count_bytes, read_pieces
from ...engine.digest_names import to_tag
from ...engine.interfaces import ManagedEngine
from ...errors import EngineError, EngineRefused, LongshoreError
from ...oci.digest import DigestMismatch, Verifier
from ...oci.manifest import Descriptor
from ...transfer.interfaces import Chunks, MirroredSource, OrderedSource, Source
from ...transfer.meter import Meter
from ...transfer.plan import ImagePlan, Outcome, Step
from ...transfer.workers import Workers
from .images import EngineImages
from .outgoing_image import OutgoingImage, find_current
from .planned_load import Load
from .platforms import contains_images, read_complete_part

_Pieces = t.Iterator[t.Union[bytes, memoryview]]


@dataclasses.dataclass(frozen=True)
class LoadIntoEngine(Step):
    """Load one image into the engine. Images are loaded one by one, so that each keeps its digest and one that fails doesn't affect others.

    `verifies` is False for a source whose blobs were verified when they were stored. `failure` is the end of a message about an image that failed.
    """

    engine: ManagedEngine
    load: Load
    row: ImagePlan
    verifies: bool = True
    failure: str = "could not be loaded"

    def blobs(self) -> tuple[t.Sequence[Descriptor], t.Sequence[Descriptor]]:
        return self.load.sent, self.load.reused

    def rows(self) -> t.Sequence[ImagePlan]:
        return (self.row,)

    def apply(self, workers: Workers) -> Outcome:
        outgoing, request = self.load.outgoing, self.load.request
        if not self.load.is_pending:
            return Outcome()
        try:
            with workers.meter(self.load.sent, self.load.requested) as meter:
                layers = self._load_image(outgoing, request.image.source, meter)
        except EngineError as error:
            return Outcome({self.row: EngineError(f"{self.load.requested} {self.failure}: {error.message}")})
        except LongshoreError as error:
            return Outcome({self.row: error})
        return Outcome(moved=(*outgoing.configs, *layers))

    def _load_image(self, outgoing: OutgoingImage, source: Source, meter: Meter) -> t.Sequence[Descriptor]:
        """Send the image without the layers that the engine should have, and with all of them if it refuses that. Return the layers that were sent."""
        problem = ""
        for layers in dict.fromkeys((self.load.layers, outgoing.layers)):
            problem = self._load_and_check(outgoing, source, layers, meter) or ""
            if not problem:
                return layers
        raise EngineError(problem)

    def _load_and_check(self, outgoing: OutgoingImage, source: Source, layers: t.Sequence[Descriptor], meter: Meter) -> str | None:
        """Send the image and check afterwards whether the engine has it. Return why it hasn't. Raises EngineError if the connection breaks."""
        engine = self.engine
        while True:
            feed = BlobFeed(source, self.verifies)
            chunks, size = build_stream(outgoing, layers, feed, engine.loads_oci)
            meter.expect(size)
            try:
                platform = outgoing.image.platform if outgoing.graph.root.is_index and (outgoing.is_for_engine or not outgoing.several) else None
                engine.load(iter(meter.count(chunks)), size, platform, every_platform=outgoing.several)
                images = EngineImages(engine, outgoing.engine_platform)
                is_present = outgoing.is_in(find_current(images.images, outgoing, engine))
                if is_present and outgoing.several:
                    from .reader import EngineReader

                    reader = EngineReader(engine, outgoing.engine_platform, images)
                    is_present = contains_images(read_complete_part(reader, outgoing.name), outgoing)
            except EngineRefused as error:
                return error.message
            except DigestMismatch:
                # The engine received an incomplete archive. If a mirror sent wrong bytes, another source may have the right ones.
                if feed.current is None or not isinstance(source, MirroredSource) or not source.report_bad_blob(feed.current):
                    raise
                continue
            return None if is_present else f"{engine.title} at {engine.place} reported success, but doesn't have the image"


class BlobFeed:
    """Reads the blobs of an archive from a source, and verifies them on the way. `current` is the blob that is being read."""

    def __init__(self, source: Source, verifies: bool) -> None:
        self._source = source
        self._verifies = verifies
        self._in_order: t.Iterator[tuple[Descriptor, Chunks]] | None = None
        self.current: Descriptor | None = None

    def arrange(self, files: t.Sequence[ArchiveFile]) -> list[ArchiveFile]:
        """Return FILES in the order in which the source can be read: documents first, then blobs."""
        if not isinstance(self._source, OrderedSource):
            return list(files)
        documents = [file for file in files if isinstance(file.content, bytes)]
        by_digest = {file.content.digest: file for file in files if isinstance(file.content, Descriptor)}
        blobs = [file.content for file in by_digest.values() if isinstance(file.content, Descriptor)]
        ordered = self._source.sort_blobs(blobs)
        self._in_order = self._source.read_in_order(ordered)
        return [*documents, *(by_digest[blob.digest] for blob in ordered)]

    def read(self, blob: Descriptor) -> _Pieces:
        """Yield the bytes of a blob. Raises DigestMismatch before the last ones if they are wrong, so that the archive is never complete."""
        self.current = blob
        chunks = self._open(blob)
        if not self._verifies:
            yield from t.cast("t.Iterable[bytes | memoryview]", chunks)
            return
        verifier = Verifier(blob.digest, blob.size, f"blob {blob.digest}")
        for chunk in chunks:
            verifier.update(chunk)
            if verifier.seen == blob.size:
                verifier.finish()
            yield t.cast("bytes | memoryview", chunk)
        verifier.finish()

    def _open(self, blob: Descriptor) -> Chunks:
        if self._in_order is None:
            return self._source.read_blob(blob)
        found, chunks = next(self._in_order)
        # Two blobs with the same bytes are one file of the source.
        return chunks if found.digest == blob.digest else self._source.read_blob(blob)


def build_stream(outgoing: OutgoingImage, layers: t.Sequence[Descriptor], feed: BlobFeed, as_oci: bool) -> tuple[_Pieces, int]:
    """Return the bytes of an archive with one image and only those LAYERS of it, and their number."""
    name = outgoing.name if as_oci else to_tag(outgoing.name)
    saved = SavedImage(outgoing.graph, outgoing.graph.root, (name,), outgoing.image)
    left_out = {layer.digest for layer in outgoing.layers} - {layer.digest for layer in layers}
    files = build_archive_files([saved], OCI if as_oci else DOCKER, left_out, {})
    pieces = build_tar(feed.arrange(files))
    return read_pieces(pieces, feed.read), count_bytes(pieces)
