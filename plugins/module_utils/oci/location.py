# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse locations: images at registries, in image layouts and in archives, in the syntax of containers-transports."""

from __future__ import annotations

import dataclasses

from ..errors import InvalidOption
from .reference import Reference

REGISTRY, LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE = "docker", "oci", "oci-archive", "docker-archive"
_WITH_PATH = (LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE)


@dataclasses.dataclass(frozen=True)
class Location:
    """A location: `docker://REFERENCE`, `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, `docker-archive:PATH[:NAME]`, or a reference without a scheme.

    `reference` is set for registries only, `path` for all other schemes. `name` is the text after the path and its colon, None without one.
    """

    scheme: str
    reference: Reference | None = None
    path: str = ""
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Location:
        """Parse a location. A path can't contain a colon. Raises InvalidReference for an invalid reference, InvalidOption for a missing path."""
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in (REGISTRY, *_WITH_PATH) or (scheme == REGISTRY and not rest.startswith("//")):
            return cls(REGISTRY, Reference.parse(text))
        if scheme == REGISTRY:
            return cls(REGISTRY, Reference.parse(rest[2:]))
        path, colon, name = rest.partition(":")
        if not path or (colon and not name):
            raise InvalidOption(f"{text!r:.300} is not a location: write {scheme}:PATH or {scheme}:PATH:NAME")
        return cls(scheme, None, path, name or None)

    @classmethod
    def parse_destination(cls, text: str) -> Location:
        """Parse a location to write an image to. Raises the errors of `parse`, and InvalidReference for a registry without a repository."""
        location = cls.parse(text)
        if location.reference is not None:
            Reference.parse_destination(text.removeprefix(f"{REGISTRY}://"))
        return location

    @property
    def is_registry(self) -> bool:
        return self.reference is not None

    @property
    def full_name(self) -> Reference | None:
        """Return the name after the path as a reference, None without a name. Raises InvalidReference if it is invalid, InvalidOption for only a tag."""
        if self.name is None:
            return None
        if "/" not in self.name and ":" not in self.name:
            raise InvalidOption(
                f"{self}: {self.name!r} is not the full name of an image; write it with its repository, such as {self.scheme}:{self.path}:app:{self.name}"
            )
        return Reference.parse(self.name)

    def __str__(self) -> str:
        if self.reference is not None:
            return str(self.reference)
        return f"{self.scheme}:{self.path}" + (f":{self.name}" if self.name is not None else "")
