# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image of a place to describe. Every place makes these, and the facts of an image come from nothing else."""

from __future__ import annotations

import datetime
import functools
import typing as t

from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.document_reader import Read
from ..oci.graph import Graph, ImageNode
from ..oci.manifest import Descriptor
from ..oci.platform import Platform
from ..oci.reference import Reference
from .facts import preferred_image
from .verification import Verification, describe_trust

if t.TYPE_CHECKING:
    from ..oci.referrers import ReferrerPlace
    from ..trust.policy import TrustPolicy

Facts = dict[str, t.Any]


class InspectedImage:
    """One image of a place under one name. Documents are read when they are needed. `check_complete` raises StoreDamaged if a part of it is lost.

    Ask `was_removed` after everything else: it returns whether the image has gone since, so that what was read of it may be incomplete.
    """

    def __init__(
        self,
        name: Reference | None,
        root: Descriptor,
        graph: t.Callable[[], Graph | None],
        read: Read,
        check_complete: t.Callable[[], None] = lambda: None,
        referrer_place: t.Callable[[], ReferrerPlace] | None = None,
        lists_referrers: bool = False,
        is_referrer: bool = False,
        was_removed: t.Callable[[], bool] = lambda: False,
    ) -> None:
        """REFERRER_PLACE returns the place to search for signatures, and with LISTS_REFERRERS for all referrers. With IS_REFERRER the image is one itself."""
        self.name = name
        self.is_referrer = is_referrer
        self._referrer_place = referrer_place
        self._lists_referrers = lists_referrers
        self.root = root
        self.check_complete = check_complete
        self.was_removed = was_removed
        self._read_graph = graph
        self._read = read

    @property
    def digest(self) -> Digest:
        return self.root.digest

    @property
    def label(self) -> str:
        return str(self.name or self.digest)

    @functools.cached_property
    def graph(self) -> Graph | None:
        """Return the complete part of the image, None if nothing of it can be read."""
        return self._read_graph()

    def referrers(self) -> list[Facts]:
        """Return the signatures and other referrers of the image and of its manifests."""
        if self._referrer_place is None or not self._lists_referrers or self.graph is None:
            return []
        from ..oci.referrers import find_referrers

        found = find_referrers(self._referrer_place(), self.graph.document_digests)
        return [referrer.facts(changed=False) for referrer in found.referrers]

    @property
    def known_digests(self) -> t.Collection[Digest]:
        """Return the digests by which the place knows the image."""
        return (self.digest,)

    @property
    def image_ids(self) -> set[Digest]:
        return {image.manifest.config.digest for image in self.graph.images} if self.graph is not None else set()

    def config(self, image: ImageNode | None) -> ImageConfig | None:
        data = self._read(image.manifest.config) if image is not None and image.manifest.is_image else None
        return ImageConfig.read(data, f"{self.label}, config") if data is not None else None

    def raw(self, image: ImageNode | None) -> dict[str, str | None] | None:
        """Return the text of the index, of IMAGE's manifest and of its config, byte for byte as the place has them. None for what is absent or no text."""
        if self.graph is None or image is None:
            return None
        documents = {descriptor.digest: data for descriptor, data in self.graph.documents.items()}
        index = documents.get(self.digest) if self.digest != image.descriptor.digest else None
        found = {"index": index, "manifest": documents.get(image.descriptor.digest), "config": self._read(image.manifest.config)}
        return {name: _text(data) for name, data in found.items()}

    def created_on(self, host: Platform) -> datetime.datetime | None:
        """Return the creation time in the config of the image for HOST, else of the first image."""
        config = self.config(preferred_image(self.graph, None, host) if self.graph is not None else None)
        return config.created_at if config is not None else None

    def labels_on(self, host: Platform) -> t.Mapping[str, str]:
        """Return the labels in the config of the image for HOST, else of the first image."""
        config = self.config(preferred_image(self.graph, None, host) if self.graph is not None else None)
        return config.labels if config is not None else {}

    @property
    def trusted_graph(self) -> Graph | None:
        """Return the part of the image that trust judges, None if nothing of it can be read."""
        return self.graph

    def verify(self, trust: TrustPolicy | None) -> Verification:
        """Return the verdict of TRUST about the image, by the signatures at its place; None without TRUST."""
        place = self._referrer_place
        return describe_trust(trust, self.name, self.trusted_graph, [place()] if trust is not None and place is not None else [])

    def correct_row(self, row: Facts, unused_names: t.Sequence[Reference]) -> Facts:
        """Return ROW with what this place knows differently. The names are all of the image."""
        return row

    def correct_history(self, history: Facts) -> Facts:
        """Return HISTORY with what this place knows differently."""
        return history


def _text(data: bytes | None) -> str | None:
    try:
        return data.decode() if data is not None else None
    except UnicodeDecodeError:
        return None
