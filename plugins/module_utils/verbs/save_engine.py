# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to save images of an engine as an archive."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import typing as t

from ..archive.format import DOCKER, SavedImage, build_archive_files
from ..archive.output import FileOutput, OpenFile
from ..archive.sink import ArchiveSink
from ..engine.interfaces import ManagedEngine
from ..files import naming_path_in_errors
from ..oci.digest import Digest, Verifier
from ..oci.layout import BASE_DIGESTS
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..places.archive.saved_image import saved_image
from ..places.engine.images import NamedEngineImage
from ..places.engine.reader import EngineReader
from ..places.engine.source import EngineImageSource
from ..places.facts import image_facts, short_digest
from ..places.platforms import select_from_index
from ..transfer.interfaces import Source
from ..transfer.plan import ImagePlan, RefChange, RefState
from ..transfer.transfer import Transfer
from .save import SaveOptions, SavePlan, WriteArchive, check_form, layers_to_omit, make_output


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """An image of the engine to save, under one of its names."""

    entry: NamedEngineImage
    image: EngineImageSource
    saved: SavedImage


def plan_save_engine(engine: ManagedEngine, names: t.Sequence[Reference | Digest], options: SaveOptions) -> SavePlan:
    """Plan to save images of ENGINE as one archive, without referrers, which no engine holds. An image named by ID or digest is saved with all of its names.

    Raises ImageNotFound, PlatformMissing, EngineError, and UnsupportedFormat for a target that can't be replaced.
    """
    check_form(options.form, options.compression, options.bases)
    reader = EngineReader(engine, options.host)
    entries = {entry: None for name in names for entry in _find(reader, name)}
    images = [(entry, reader.open(entry)) for entry in entries]
    chosen = [_Chosen(entry, image, _read_image(entry, image, options)) for entry, image in images]
    saved = [one.saved for one in chosen]
    left_out = layers_to_omit(saved, options.bases)
    files = build_archive_files(saved, options.form, left_out, {BASE_DIGESTS: left_out})
    output = make_output(files, options)
    reason = output.difference()
    streams = isinstance(output, FileOutput) and options.compression is None
    sink = ArchiveSink(t.cast(FileOutput, output)) if streams else None
    stored = {file.content.digest for file in files if isinstance(file.content, Descriptor)}
    rows = [_row(one, options, reason, sink, stored) for one in chosen]
    source = chosen[0].image.source
    return SavePlan(
        images=rows,
        results={"path": options.path, "reason": reason, "engine": engine.title},
        steps=[] if streams else [WriteArchive(_copy_blobs(source, options.path), output, tuple(saved), left_out, reason is not None)],
        all_or_nothing=True,
        read_blob=lambda blob: t.cast("t.Iterable[bytes | memoryview]", source.read_blob(blob)),
        output=output,
        checksum=options.checksum,
    )


def _find(reader: EngineReader, name: Reference | Digest) -> list[NamedEngineImage]:
    first = reader.get(name)
    return reader.select(name) if isinstance(name, Digest) else [first]


def _read_image(entry: NamedEngineImage, image: EngineImageSource, options: SaveOptions) -> SavedImage:
    graph = select_from_index(image.root(), entry.label, image.read_document, options.selection)
    image.check_blobs(graph)
    return saved_image(graph, (entry.name,) if entry.name is not None else (), options.form, options.selection, options.host)


def _row(one: _Chosen, options: SaveOptions, reason: str | None, sink: ArchiveSink | None, stored: t.Collection[Digest]) -> ImagePlan:
    label, graph = one.entry.label, one.saved.graph
    state = RefState(graph.root.digest, tuple(graph.platforms))
    blobs = tuple(blob for blob in graph.blobs if blob.digest in stored)
    transfer = None
    if sink is not None:
        moves, reused = (blobs, graph.blobs_without(blobs)) if reason is not None else ((), graph.blobs)
        names = (one.entry.name,) if one.entry.name is not None else ()
        transfer = Transfer(one.image.source, sink, graph, names, None, moves=moves, reused=reused, pending=reason is not None, whole=True)
    return ImagePlan(
        requested=label,
        image=image_facts(str(one.entry.name) if one.entry.name is not None else None, graph, options.selection, options.host),
        changes=(RefChange(f"{label} in {options.path}", state if reason is None else None, state),),
        actions=(f"save {label} ({short_digest(graph.root.digest)}) to {options.path}: {reason}",) if reason is not None else (),
        transfer=transfer,
        results={"listed_digest": str(one.saved.listed.digest) if options.form != DOCKER else None},
    )


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
