# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One image of a place: as the place lists it, and as a source to read. Every place has classes with these methods."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.matching import NamedImage
from ..oci.reference import Reference
from ..transfer.interfaces import Source

if t.TYPE_CHECKING:
    from ..oci.referrers import ReferrerPlace


class PlacedImage(NamedImage, t.Protocol):
    """An image of a place under one of its names, or without a name."""

    @property
    def label(self) -> str:
        """The name, else the digest."""

    def __hash__(self) -> int: ...


class ImageSource(t.Protocol):
    """One image at its source."""

    @property
    def name(self) -> Reference | None:
        """Return the name of the image at its source: the one that was asked for, else its first one."""

    @property
    def judged_names(self) -> t.Sequence[Reference | None]:
        """Return the names that trust must accept: the one that was asked for, else all names of the image, with None for an entry without a name."""

    @property
    def source(self) -> Source: ...

    def digest(self) -> Digest:
        """Return the digest of the image, with as few requests as possible. Raises ImageNotFound."""

    def root(self) -> Descriptor: ...

    def read_document(self, descriptor: Descriptor) -> bytes | None: ...

    def check_blobs(self, graph: Graph) -> None:
        """Raise an error if a blob of GRAPH is known to be missing or damaged."""

    @property
    def costs_requests(self) -> bool:
        """Return whether reading a document costs a request or an export, so that a planner reads it only if it must."""

    def referrer_place(self, name: Reference | None) -> ReferrerPlace | None:
        """Return the place to search for the referrers of the image under NAME, None if its source holds none."""
