# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a save: store -> archive."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.format import DOCKER, FOLDER, UNIVERSAL, ArchiveFile, SavedImage, build_archive_files, build_tar
from ..archive.graphs import ArchiveGraphs
from ..archive.output import FileOutput, FolderOutput, OpenFile, Output, Read
from ..archive.reader import open_archive
from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.layout import BASE_DIGESTS
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers, Referrer
from ..places.archive.saved_image import saved_image, saved_referrers
from ..places.facts import image_facts, short_digest
from ..places.platforms import read_image, select_stored
from ..places.store.stored_referrers import find_complete_referrers
from ..transfer.plan import ImagePlan, Outcome, RefChange, RefState, Step, TransferPlan
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class SaveOptions:
    """The archive to write: at `path`, in the format `form`, and with `mode` if it is new.

    Layers among `bases` are left out, because the recipient has them already. With `referrers`, signatures and other referrers are saved with their images,
    except in the format docker-archive, which can't hold them.
    """

    path: str
    host: Platform
    form: str = UNIVERSAL
    compression: str | None = None
    selection: Selection | None = None
    bases: frozenset[Digest] = frozenset()
    mode: int = 0o600
    checksum: bool = False
    lock_timeout: float = 300
    referrers: bool = True


def plan_save(store: Store, names: t.Sequence[Reference | Digest], options: SaveOptions) -> SavePlan:
    """Plan to save images of STORE as one archive.

    Raises ImageNotFound, StoreDamaged, PlatformMissing, and UnsupportedFormat for a target that can't be replaced.
    """
    return _Saver(store, options).plan(names)


@dataclasses.dataclass(frozen=True)
class _Saver:
    store: Store
    options: SaveOptions

    def plan(self, names: t.Sequence[Reference | Digest]) -> SavePlan:
        options = self.options
        check_form(options.form, options.compression, options.bases)
        self.store.reload()
        entries = [self.store.get_complete_entry(name) for name in dict.fromkeys(names)]
        images = [self._read_image(entry) for entry in entries]
        found = [self._find_referrers(entry, image.graph) for entry, image in zip(entries, images)]
        saved = [*images, *(referrer for entry, one in zip(entries, found) for referrer in saved_referrers(entry.name, one))]
        left_out = layers_to_omit(images, options.bases)
        output = make_output(build_archive_files(saved, options.form, left_out, {BASE_DIGESTS: left_out}), options)
        reason = output.difference()
        return SavePlan(
            images=[self._row(entry, image, one.referrers, reason) for entry, image, one in zip(entries, images, found)],
            results={"path": options.path, "reason": reason},
            steps=[WriteArchive(self.store.open_blob, output, saved, left_out, reason is not None)],
            all_or_nothing=True,
            extra_warnings=tuple(warning for one in found for warning in one.warnings),
            read_blob=self.store.read_blob,
            output=output,
            checksum=options.checksum,
        )

    def _row(self, entry: Entry, image: SavedImage, referrers: t.Sequence[Referrer], reason: str | None) -> ImagePlan:
        options, label, digest = self.options, entry.label, image.graph.root.digest
        state = RefState(digest, tuple(image.graph.platforms))
        return ImagePlan(
            requested=label,
            image=image_facts(str(entry.name) if entry.name is not None else None, image.graph, options.selection, options.host),
            changes=(RefChange(f"{label} in {options.path}", state if reason is None else None, state),),
            actions=(f"save {label} ({short_digest(digest)}) to {options.path}: {reason}",) if reason is not None else (),
            results={
                "listed_digest": str(image.listed.digest) if options.form != DOCKER else None,
                "referrers": [referrer.facts(changed=reason is not None) for referrer in referrers],
            },
        )

    # The content to save.

    def _read_image(self, entry: Entry) -> SavedImage:
        chosen = select_stored(read_image(entry.descriptor, entry.label, self.store.read_document), self.options.selection, entry.label)
        return saved_image(chosen, (entry.name,) if entry.name is not None else (), self.options.form, self.options.selection, self.options.host)

    def _find_referrers(self, entry: Entry, graph: Graph) -> FoundReferrers:
        if not self.options.referrers or self.options.form == DOCKER:
            return FoundReferrers()
        return find_complete_referrers(self.store, entry, graph)


def make_output(files: t.Sequence[ArchiveFile], options: SaveOptions) -> FileOutput | FolderOutput:
    """Return the file or folder to write, with FILES as its content."""
    if options.form == FOLDER:
        return FolderOutput(options.path, files, options.mode, options.lock_timeout)
    return FileOutput(options.path, build_tar(files), options.compression, options.mode)


def check_form(form: str, compression: str | None, bases: t.Collection[Digest]) -> None:
    """Raise InvalidOption for a form of an archive that can't be compressed or can't record its base."""
    if form == FOLDER and compression is not None:
        raise InvalidOption(f"format oci-dir is a folder, and can't be compressed with {compression}")
    if form == DOCKER and bases:
        raise InvalidOption("format docker-archive can't record its base, so base and base_digests need another format, such as universal")


def layers_to_omit(saved: t.Sequence[SavedImage], bases: frozenset[Digest]) -> frozenset[Digest]:
    """Return the layers that the recipient has from earlier archives. Configs and manifests are always saved: they are small, and readers need them."""
    layers = {layer.digest for image in saved for node in image.graph.images for layer in node.manifest.layers}
    return frozenset(layers) & bases


@dataclasses.dataclass(frozen=True)
class WriteArchive(Step):
    """Write the archive if that is `needed`. `open_blob` returns a file descriptor of a verified blob."""

    open_blob: OpenFile
    output: Output
    saved: t.Sequence[SavedImage]
    left_out: frozenset[Digest]
    needed: bool

    def blobs(self) -> tuple[list[Descriptor], list[Descriptor]]:
        all_blobs = list({blob.digest: blob for image in self.saved for blob in image.graph.blobs}.values())
        return [blob for blob in all_blobs if blob.digest not in self.left_out] if self.needed else [], all_blobs

    def apply(self, workers: Workers) -> Outcome:
        if self.needed:
            with workers.meter(self.blobs()[0], self.output.path) as meter:
                self.output.write(self.open_blob, meter.add)
        return Outcome()


@dataclasses.dataclass(frozen=True)
class SavePlan(TransferPlan):
    """The plan that writes one archive."""

    read_blob: Read | None = None
    output: Output | None = None
    checksum: bool = False

    def facts(self) -> dict[str, t.Any]:
        """Add size and checksum, which are known before the file is written unless it is compressed."""
        facts = super().facts()
        if self.output is None or self.read_blob is None:
            return facts
        is_written = self.applied or facts["reason"] is None
        return {
            **facts,
            "size": self.output.final_size(is_written),
            "checksum": self.output.checksum(is_written, self.read_blob) if self.checksum else None,
        }


def read_base_digests(paths: t.Sequence[str]) -> frozenset[Digest]:
    """Return the layers in the archives at PATHS, and those of the archives' bases."""
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
