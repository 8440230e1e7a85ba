# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image on its way into an engine, and how it compares with the images that the engine has."""

from __future__ import annotations

import dataclasses
import typing as t

from ...engine.digest_names import has_tag_for
from ...engine.interfaces import EngineImage, ManagedEngine
from ...oci.digest import Digest
from ...oci.graph import Graph, ImageNode
from ...oci.manifest import Descriptor
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...transfer.plan import RefState
from ..verification import Verification


@dataclasses.dataclass(frozen=True)
class OutgoingImage:
    """One image and its name in the engine. The root of `graph` is the index or manifest whose digest the engine will record.

    `image` is that of the only platform or, with SEVERAL, of the one that the engine runs. Then `source_digest` is the digest of the index at the source,
    which may list more platforms.
    """

    name: Reference
    graph: Graph
    image: ImageNode
    engine_platform: Platform
    verification: Verification = None
    several: bool = False
    source_digest: Digest | None = None

    @property
    def digest(self) -> Digest:
        return self.graph.root.digest

    @property
    def image_id(self) -> Digest:
        return self.image.manifest.config.digest

    @property
    def images(self) -> tuple[ImageNode, ...]:
        """Return the images of all platforms that are loaded."""
        return self.graph.images if self.several else (self.image,)

    @property
    def configs(self) -> tuple[Descriptor, ...]:
        """Return each config once."""
        return tuple(dict.fromkeys(image.manifest.config for image in self.images))

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Return each layer once."""
        return tuple(dict.fromkeys(layer for image in self.images for layer in image.manifest.layers))

    @property
    def is_for_engine(self) -> bool:
        return self.image.platform in self.engine_platform.fallbacks()

    def is_in(self, current: EngineImage | None) -> bool:
        """Return whether CURRENT, an image of an engine, is this image. Of several platforms, some may be missing.

        Raises EngineError if the engine must be asked for the platforms of an index and doesn't answer.
        """
        if current is None or not self.has_identity_of(current):
            return False
        if self.several:
            return True
        is_by_id = current.image_id is not None
        return current.usable and (is_by_id or current.has_manifest(self.image.descriptor.digest, self.image.platform))

    def has_identity_of(self, current: EngineImage) -> bool:
        """Return whether CURRENT, an image of an engine, has the ID or digest of this image, although it may be incomplete.

        IDs are compared if CURRENT has one, because an index has one digest for all platforms.
        """
        if self.several:
            return not {self.digest, self.source_digest}.isdisjoint(current.digests)
        return current.image_id == self.image_id if current.image_id is not None else self.digest in current.digests

    def recorded_digest(self, engine: ManagedEngine) -> Digest | None:
        """Return the digest that ENGINE will know of this image: none in Docker's classic image store, unless it is the image's name there."""
        if engine.loads_oci:
            return self.digest
        return self.name.digest if self.name.tag is None and has_tag_for(self.name) else None

    def state_in(self, current: EngineImage) -> RefState:
        """Return the state of CURRENT, an image of an engine: this image's digest if the engine has it, else another digest, else the ID."""
        return RefState(self.digest) if self.digest in current.digests else state_of(current) or RefState(self.digest)


def find_current(images: t.Sequence[EngineImage], outgoing: OutgoingImage, engine: ManagedEngine) -> EngineImage | None:
    """Return the image with the name of OUTGOING. If the engine can't hold that name, images are compared by ID."""
    if not engine.loads_oci and not has_tag_for(outgoing.name):
        return next((image for image in images if image.image_id == outgoing.image_id), None)
    return next((image for image in images if outgoing.name in image.names), None)


def state_of(current: EngineImage) -> RefState | None:
    """Return the state of a name in an engine: a digest if it has one, else the ID."""
    digest = next(iter(current.digests), None)
    if digest is not None:
        return RefState(digest)
    return RefState(current.image_id, is_id=True) if current.image_id is not None else None
