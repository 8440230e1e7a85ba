# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declare how a save reads a place, which differs between the store and engines, and write an archive."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.format import SavedImage
from ..archive.output import FileOutput, FolderOutput, OpenFile
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers
from ..transfer.plan import Outcome, Results, Step
from ..transfer.transfer import Transfer
from ..transfer.workers import Workers
from .image_source import PlacedImage

_Image = t.TypeVar("_Image", bound=PlacedImage)


@dataclasses.dataclass(frozen=True)
class PlannedArchive:
    """The archive to write. `left_out` are the layers that its recipient has. `reason` says why it is written, None if it is there already."""

    output: FileOutput | FolderOutput
    saved: t.Sequence[SavedImage]
    left_out: frozenset[Digest]
    reason: str | None


class SavingPlace(t.Protocol[_Image]):
    """The images of a place as a save reads them."""

    @property
    def common_facts(self) -> Results:
        """The keys that the result has besides those of every save."""

    def choose(self, selectors: t.Sequence[Reference | Digest]) -> t.Sequence[_Image]:
        """Return the images that SELECTORS mean, each once under each of its names that they select, in the order of SELECTORS.

        Raises ImageNotFound for a selector that means none, StoreDamaged, EngineError.
        """

    def read(self, image: _Image, selection: Selection | None) -> Graph:
        """Return the selected platforms of IMAGE, whose blobs the place has. Raises PlatformMissing, EngineError."""

    def find_referrers(self, image: _Image, graph: Graph) -> FoundReferrers:
        """Return the referrers of GRAPH, a part of IMAGE. Raises StoreDamaged."""

    def referrer_facts(self, rows: t.Sequence[Results]) -> Results:
        """Return the keys of a row for its referrers ROWS: none if the place holds no referrers."""

    def plan_transfers(self, images: t.Sequence[_Image], archive: PlannedArchive) -> t.Sequence[Transfer | None]:
        """Return the transfer of each image, None if a step of `plan_steps` writes all of them. IMAGES are the first ones of ARCHIVE."""

    def plan_steps(self, archive: PlannedArchive) -> t.Sequence[Step]:
        """Return the steps that write what no transfer writes."""

    def read_blob(self, blob: Descriptor) -> t.Iterable[bytes | memoryview]:
        """Return the bytes of a blob of a chosen image."""


@dataclasses.dataclass(frozen=True)
class WriteArchive(Step):
    """Write the archive if that is needed. `open_blob` returns a file descriptor of a verified blob."""

    open_blob: OpenFile
    archive: PlannedArchive

    def blobs(self) -> tuple[list[Descriptor], list[Descriptor]]:
        all_blobs = list({blob.digest: blob for image in self.archive.saved for blob in image.graph.blobs}.values())
        is_needed = self.archive.reason is not None
        return [blob for blob in all_blobs if blob.digest not in self.archive.left_out] if is_needed else [], all_blobs

    def apply(self, workers: Workers) -> Outcome:
        if self.archive.reason is not None:
            with workers.meter(self.blobs()[0], self.archive.output.path) as meter:
                self.archive.output.write(self.open_blob, meter.add)
        return Outcome()
