# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a save: store -> archive."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.annotations import BASE_DIGESTS
from ..archive.format import DOCKER, FOLDER, ArchiveFile, SavedImage, build_archive_files, build_tar
from ..archive.graphs import ArchiveGraphs
from ..archive.output import FileOutput, FolderOutput, Output
from ..archive.reader import open_archive
from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.workers import Workers
from .facts import image_facts, preferred_image, short_digest
from .platforms import read_image, select_stored

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class Saver:
    """How images are saved in this run. `bases` are digests that the reader has already; `mode` is that of a file that isn't there yet."""

    store: Store
    path: str
    form: str
    compression: str | None
    selection: Selection | None
    bases: frozenset[Digest]
    host: Platform
    mode: int
    checksum: bool

    def plan(self, names: t.Sequence[Reference | Digest]) -> SavePlan:
        """Raises ImageNotFound, StoreDamaged, PlatformMissing, UnsupportedFormat for a target that can't be replaced."""
        if self.form == FOLDER and self.compression is not None:
            raise InvalidOption(f"format oci-dir is a folder, and can't be compressed with {self.compression}")
        if self.form == DOCKER and self.bases:
            raise InvalidOption("format docker-archive can't tell what it stands on, and so takes neither base nor base_digests; universal does")
        self.store.reload()
        saved: list[SavedImage] = []
        rows: list[ImagePlan] = []
        for name in dict.fromkeys(names):
            entry = self.store.get_complete_entry(name)
            image = self._saved(entry)
            saved.append(image)
            label = str(entry.name) if entry.name is not None else None
            facts = image_facts(label, image.graph, self.selection, self.host)
            rows.append(ImagePlan(entry.label, facts, results={"listed_digest": str(image.listed.digest) if self.form != DOCKER else None}))
        left_out = self._left_out(saved)
        files = build_archive_files(saved, self.form, left_out, {BASE_DIGESTS: left_out})
        target = self._target(files)
        plan = SavePlan(rows, saved, left_out, self.store, target, self.checksum)
        for row, image in zip(rows, saved):
            state = RefState(image.graph.root.digest, tuple(image.graph.platforms))
            row.changes = (RefChange(f"{row.requested} in {self.path}", state if plan.reason is None else None, state),)
            if plan.reason is not None:
                row.actions = (f"save {row.requested} ({short_digest(image.graph.root.digest)}) to {self.path}: {plan.reason}",)
        return plan

    def _target(self, files: t.Sequence[ArchiveFile]) -> FileOutput | FolderOutput:
        if self.form == FOLDER:
            return FolderOutput(self.path, files, self.mode, self.store.lock_timeout)
        return FileOutput(self.path, build_tar(files), self.compression, self.mode)

    # What is saved of an image.

    def _saved(self, entry: Entry) -> SavedImage:
        chosen = select_stored(read_image(entry.descriptor, entry.label, self.store.read_document), self.selection, entry.label)
        return saved_image(chosen, (entry.name,) if entry.name is not None else (), self.selection, self.host)

    def _left_out(self, saved: t.Sequence[SavedImage]) -> frozenset[Digest]:
        """Layers that earlier archives have brought. Configs and manifests are small, and every reader wants them."""
        layers = {layer.digest for image in saved for node in image.graph.images for layer in node.manifest.layers}
        return frozenset(layers) & self.bases


class SavePlan(TransferPlan):
    """The plan of one archive with SAVED, but for the layers LEFT_OUT. `reason` is None where it is there already."""

    def __init__(
        self, images: list[ImagePlan], saved: t.Sequence[SavedImage], left_out: frozenset[Digest], store: Store, target: Output, checksum: bool
    ) -> None:
        super().__init__(images, all_or_nothing=True)
        self.reason = target.difference()
        self._saved = saved
        self._left_out = left_out
        self._store = store
        self._target = target
        self._checksum = checksum
        self._is_written = self.reason is None

    def apply(self, workers: Workers) -> None:
        if self._is_written:
            return
        blobs = list({blob.digest: blob for blob in self.blobs()[0]}.values())
        workers.expect(blobs)
        with workers.meter(blobs, self._target.path) as passage:
            self._target.write(self._store.open_blob, passage.add)
        self._is_written = True

    def blobs(self) -> tuple[list[Descriptor], list[Descriptor]]:
        """An archive that is written is written whole."""
        all_blobs = [blob for image in self._saved for blob in image.graph.blobs]
        if self.reason is None:
            return [], all_blobs
        return [blob for blob in all_blobs if blob.digest not in self._left_out], all_blobs

    def facts(self) -> dict[str, t.Any]:
        """Size and checksum of a file that is not compressed are known before it is written."""
        return {
            **super().facts(),
            "path": self._target.path,
            "reason": self.reason,
            "size": self._target.final_size(self._is_written),
            "checksum": self._target.checksum(self._is_written, self._store.read_blob) if self._checksum else None,
        }


def read_base_digests(paths: t.Sequence[str]) -> frozenset[Digest]:
    """The layers that archives hold, or stand on themselves."""
    digests: set[Digest] = set()
    for path in paths:
        archive = open_archive(path)
        graphs = ArchiveGraphs(archive)
        digests |= archive.base_digests
        for image in archive.images:
            graph = graphs.read(image.root)
            for node in graph.images if graph is not None else ():
                digests.update(layer.digest for layer in node.manifest.layers if archive.has_blob(layer.digest))
    return frozenset(digests)


def saved_image(graph: Graph, names: tuple[Reference, ...], selection: Selection | None, host: Platform) -> SavedImage:
    """GRAPH as an archive describes it."""
    runnable = preferred_image(graph, selection, host)
    if runnable is not None and not runnable.manifest.is_image:
        runnable = None
    listed, index = graph.root, None
    if _must_travel_unlisted(graph):
        listed, index = graph.images[0].descriptor, graph.root.digest
    return SavedImage(graph, listed, names, runnable, index)


def _must_travel_unlisted(graph: Graph) -> bool:
    """Whether an engine would look in the archive for a platform that isn't there, since a host of the one that is could run it as well."""
    if not graph.root.is_index or len(graph.images) != 1 or graph.images[0].platform is None:
        return False
    return any(child.platform is not None and _could_run(graph.images[0].platform, child.platform) for child in graph.absent)


def _could_run(host: Platform, other: Platform) -> bool:
    """Whether a host of the first platform runs images of the other one too, as engines see it: 32 bit beside 64 bit, older ARM beside newer."""
    if host.os != other.os or host == other:
        return False
    families = {"amd64": ("amd64", "386"), "arm64": ("arm64", "arm"), "arm": ("arm",)}
    return other.architecture in families.get(host.architecture, ())
