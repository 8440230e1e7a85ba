# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locations: images at registries, in image layouts and in archives, as users write them (containers-transports)."""

from __future__ import annotations

import dataclasses

from ..errors import InvalidOption
from .reference import Reference

REGISTRY, LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE = "docker", "oci", "oci-archive", "docker-archive"
_WITH_PATH = (LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE)


@dataclasses.dataclass(frozen=True)
class Location:
    """`docker://REFERENCE`, `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, `docker-archive:PATH[:NAME]`; without a scheme a reference.

    `reference` is set for registries alone, `path` for all others; `name` is what was written after a path, None where nothing was.
    """

    scheme: str
    reference: Reference | None = None
    path: str = ""
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Location:
        """Raises InvalidReference for what is no reference, InvalidOption for a location without a path. A path can't hold a colon."""
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in (REGISTRY, *_WITH_PATH) or (scheme == REGISTRY and not rest.startswith("//")):
            return cls(REGISTRY, Reference.parse(text))
        if scheme == REGISTRY:
            return cls(REGISTRY, Reference.parse(rest[2:]))
        path, colon, name = rest.partition(":")
        if not path or (colon and not name):
            raise InvalidOption(f"{text!r:.300} is no location: {scheme}: is followed by a path, and then maybe by a colon and a name")
        return cls(scheme, None, path, name or None)

    @classmethod
    def parse_destination(cls, text: str) -> Location:
        """As parse, for where an image is sent. Raises InvalidReference also for a registry without a repository."""
        location = cls.parse(text)
        if location.reference is not None:
            Reference.parse_destination(text.removeprefix(f"{REGISTRY}://"))
        return location

    @property
    def is_registry(self) -> bool:
        return self.reference is not None

    @property
    def full_name(self) -> Reference | None:
        """The name after a path as a reference; None without one. Raises InvalidReference for what is none, InvalidOption for a bare tag."""
        if self.name is None:
            return None
        if "/" not in self.name and ":" not in self.name:
            raise InvalidOption(
                f"{self}: {self.name!r} is no full name of an image; write one with its repository, like {self.scheme}:{self.path}:app:{self.name}"
            )
        return Reference.parse(self.name)

    def __str__(self) -> str:
        if self.reference is not None:
            return str(self.reference)
        return f"{self.scheme}:{self.path}" + (f":{self.name}" if self.name is not None else "")
