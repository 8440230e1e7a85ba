# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of an engine by name, digest and ID. The engine lists them once for a task."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...engine.interfaces import EngineImage, ManagedEngine, without_parts
from ...oci.digest import Digest
from ...oci.platform import Platform
from ...oci.reference import DOCKER_HUB, Reference
from ...transfer.plan import RefState


@dataclasses.dataclass(frozen=True)
class NamedEngineImage:
    """An image of an engine under one of its names, or without a name."""

    image: EngineImage
    name: Reference | None

    def __hash__(self) -> int:
        return hash((self.image.digest, self.name))

    @property
    def digest(self) -> Digest:
        return self.image.digest

    @property
    def label(self) -> str:
        return str(self.name or self.digest)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Return the image's ID and the digests of its index and manifest."""
        return (*self.image.digests, *([self.image.image_id] if self.image.image_id is not None else []))

    @property
    def kept_digest(self) -> Digest | None:
        """Return the digest of the index or manifest, the one in the name if the image has several; None if the engine keeps none."""
        named = self.name.digest if self.name is not None else None
        return named if named in self.image.digests else next(iter(self.image.digests), None)

    @property
    def engine_name(self) -> str:
        """Return a name or an ID by which the engine finds the image."""
        if self.name is not None and self.name in self.image.names:
            return self.image.names[self.name]
        return next(iter((*self.image.other_names, str(self.digest))))

    @property
    def facts(self) -> dict[str, t.Any]:
        """Return the image as it appears in a row of `images`: values that the engine doesn't report are null."""
        return {
            "name": str(self.name) if self.name is not None else None,
            "digest": str(self.kept_digest) if self.kept_digest is not None else None,
            "image_id": str(self.image.image_id) if self.image.image_id is not None else None,
            "media_type": None,
            "platforms": None,
            "size": self.image.details.size,
        }

    @property
    def state(self) -> RefState:
        """Return what the name points at, as it appears in a diff."""
        kept = self.kept_digest
        return RefState(kept) if kept is not None else self.engine_state

    @property
    def engine_state(self) -> RefState:
        """Return the same by what the engine identifies the image by."""
        return RefState(self.digest, is_id=self.digest == self.image.image_id)


class EngineImages:
    """The images of one engine, once for each of their names."""

    def __init__(self, engine: ManagedEngine, host: Platform) -> None:
        self.engine = engine
        self.host = host

    @property
    def place(self) -> str:
        """Return the name of the engine and its address, for messages."""
        return f"{self.engine.title} at {self.engine.place}"

    @functools.cached_property
    def images(self) -> list[EngineImage]:
        """Return all images in a fixed order, because engines list them in any order."""
        images = self.engine.list_images(self.host)
        return sorted(images, key=lambda one: (one.read_only, sorted(map(str, one.names)) or ["~"], str(one.digest)))

    @property
    def names(self) -> list[Reference]:
        """Return all names."""
        return [name for image in self.images for name in image.names]

    @functools.cached_property
    def entries(self) -> list[NamedEngineImage]:
        """Return the images under each of their names, without parts of other images."""
        return [NamedEngineImage(image, name) for image in without_parts(self.images) for name in sorted(image.names, key=str) or (None,)]

    def get_named(self, name: Reference) -> NamedEngineImage | None:
        return next((entry for entry in self.entries if entry.name == name), None)


def describe_local_name(missing: Reference | Digest, names: t.Collection[Reference]) -> str:
    """Return the end of a message about a MISSING image: the one of NAMES that Podman's own commands would use for its short name, or nothing.

    Podman builds and tags under `localhost/` what we look for on Docker Hub.
    """
    if isinstance(missing, Digest) or missing.registry != DOCKER_HUB:
        return ""
    local = Reference("localhost", missing.repository.removeprefix("library/"), missing.tag)
    return f"; the engine has {local}: a short name means Docker Hub, so write that name in full" if local in names else ""
