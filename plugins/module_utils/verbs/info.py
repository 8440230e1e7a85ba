# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Information on images in the store, in an archive or in an engine."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.inspected_image import InspectedImage
from ..places.inspector import Inspector

if t.TYPE_CHECKING:
    from ..archive.reader import Archive
    from ..engine.interfaces import ManagedEngine
    from ..store.store import Store
    from ..trust.policy import TrustPolicy


@dataclasses.dataclass(frozen=True)
class InfoOptions:
    """The options of a task that describes images. With `selectors`, an inspector may know only the images that these select, and all names of these."""

    host: Platform
    selection: Selection | None = None
    trust: TrustPolicy | None = None
    referrers: bool = False
    selectors: t.Sequence[Reference | Digest] | None = None
    raw: bool = False

    def inspect_store(self, store: Store) -> Inspector:
        from ..places.store.inspected import images_in_store

        return self._inspect(images_in_store(store, self.referrers, self.selectors), f"the store {store.path}")

    def inspect_archive(self, archive: Archive) -> Inspector:
        from ..places.archive.inspected import images_in_archive

        return self._inspect(images_in_archive(archive, self.referrers), archive.path)

    def inspect_engine(self, engine: ManagedEngine) -> Inspector:
        """Return an inspector of the images in an engine. Raises EngineError if it can't be reached."""
        from ..places.engine.inspected import images_in_engine

        return self._inspect(*images_in_engine(engine, self.host))

    def _inspect(self, images: t.Sequence[InspectedImage], place: str) -> Inspector:
        return Inspector(images, place, self.host, self.selection, self.trust, self.raw)
