# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declare how images of an archive are loaded into a place, which differs between the store and engines."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.reader import Archive
from ..oci.document_reader import Read
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.referrers import LayoutReferrers, ReferrerPlace
from ..transfer.plan import TransferPlan
from .archive.catalog import NamedArchiveImage
from .existing import Existing
from .verification import Verification


@dataclasses.dataclass(frozen=True)
class LoadedVerdict:
    """The verdict about an image, and whether it needed the signatures that the place keeps, because those in the archive were not enough."""

    verification: Verification
    by_place: bool


@dataclasses.dataclass(frozen=True)
class ImageToLoad:
    """An image of an archive, and its name in the place, None if it gets none.

    `verify` verifies the part of it that is loaded, and raises an error to refuse it.
    """

    archived: NamedArchiveImage
    name: Reference | None
    verify: t.Callable[[Graph], LoadedVerdict] = dataclasses.field(compare=False)

    @property
    def requested(self) -> str:
        """Return the label of its row: the name, else the digest."""
        return str(self.name or self.archived.digest)


@dataclasses.dataclass(frozen=True)
class ArchiveToLoad:
    """An archive and its referrers, and how its images are loaded. `selection` is None for all platforms, or the one of an engine.

    `read` returns documents of the archive and those that it leaves out because the place has them.
    `existing` decides about a name that another image has.
    """

    archive: Archive
    referrers: LayoutReferrers
    read: Read
    selection: Selection | None
    host: Platform
    existing: Existing
    with_referrers: bool

    def label(self, image: NamedArchiveImage) -> str:
        """Return the name of an image in messages."""
        return f"{self.archive.path}: {image.label}"


class LoadingPlace(t.Protocol):
    """A place that images of an archive are loaded into."""

    @property
    def place(self) -> str:
        """The place in messages."""

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """Return a document that an archive may leave out, because the place has it; None if it hasn't."""

    def signatures_of(self, name: Reference | None) -> t.Sequence[ReferrerPlace]:
        """Return where the place keeps signatures of an image with NAME."""

    def plan(self, images: t.Sequence[ImageToLoad], archive: ArchiveToLoad) -> TransferPlan:
        """Plan to load IMAGES, all of them or none, with a row for each name in the order of IMAGES.

        Raises NameTaken, InvalidOption for a name of two images, CorruptArchive and ImageNotFound for missing content, PlatformMissing, DigestMismatch for
        a blob that is known to be wrong, and the errors of `verify` and of the place.
        """
