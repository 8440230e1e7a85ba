# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a save: store or engine -> archive."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.format import DOCKER, FOLDER, UNIVERSAL, ArchiveFile, SavedImage, build_archive_files, build_tar
from ..archive.graphs import ArchiveGraphs
from ..archive.output import FileOutput, FolderOutput, Output, Read
from ..archive.reader import open_archive
from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.layout import BASE_DIGESTS
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers, Referrer
from ..places.archive.saved_image import saved_image, saved_referrers
from ..places.facts import image_facts, short_digest
from ..places.image_source import PlacedImage
from ..places.saving import PlannedArchive, SavingPlace
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan

_Image = t.TypeVar("_Image", bound=PlacedImage)


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


def plan_save(place: SavingPlace[_Image], names: t.Sequence[Reference | Digest], options: SaveOptions) -> SavePlan:
    """Plan to save images of PLACE as one archive.

    Raises ImageNotFound, StoreDamaged, PlatformMissing, EngineError, and UnsupportedFormat for a target that can't be replaced.
    """
    check_form(options.form, options.compression, options.bases)
    chosen = place.choose(names)
    images = [_read_image(place, image, options) for image in chosen]
    with_referrers = options.referrers and options.form != DOCKER
    found = [place.find_referrers(image, saved.graph) if with_referrers else FoundReferrers() for image, saved in zip(chosen, images)]
    saved = [*images, *(referrer for image, one in zip(chosen, found) for referrer in saved_referrers(image.name, one))]
    left_out = layers_to_omit(images, options.bases)
    output = make_output(build_archive_files(saved, options.form, left_out, {BASE_DIGESTS: left_out}), options)
    archive = PlannedArchive(output, saved, left_out, output.difference())
    return SavePlan(
        images=[
            dataclasses.replace(_row(place, image, one, referrers.referrers, options, archive.reason), transfer=transfer)
            for image, one, referrers, transfer in zip(chosen, images, found, place.plan_transfers(chosen, archive))
        ],
        results={"path": options.path, "reason": archive.reason, **place.common_facts},
        steps=place.plan_steps(archive),
        all_or_nothing=True,
        extra_warnings=tuple(warning for one in found for warning in one.warnings),
        read_blob=place.read_blob,
        output=output,
        checksum=options.checksum,
    )


def _read_image(place: SavingPlace[_Image], image: _Image, options: SaveOptions) -> SavedImage:
    names = (image.name,) if image.name is not None else ()
    return saved_image(place.read(image, options.selection), names, options.form, options.selection, options.host)


def _row(
    place: SavingPlace[_Image], image: _Image, saved: SavedImage, referrers: t.Sequence[Referrer], options: SaveOptions, reason: str | None
) -> ImagePlan:
    label, digest = image.label, saved.graph.root.digest
    state = RefState(digest, tuple(saved.graph.platforms))
    return ImagePlan(
        requested=label,
        image=image_facts(str(image.name) if image.name is not None else None, saved.graph, options.selection, options.host),
        changes=(RefChange(f"{label} in {options.path}", state if reason is None else None, state),),
        actions=(f"save {label} ({short_digest(digest)}) to {options.path}: {reason}",) if reason is not None else (),
        results={
            "listed_digest": str(saved.listed.digest) if options.form != DOCKER else None,
            **place.referrer_facts([referrer.facts(changed=reason is not None) for referrer in referrers]),
        },
    )


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
