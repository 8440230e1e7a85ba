# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse locations: images at registries, in image layouts, archives, stores and engines, in the syntax of containers-transports."""

from __future__ import annotations

import dataclasses
import re

from ..errors import InvalidOption
from .digest import Digest
from .reference import Reference, parse_selector

REGISTRY, LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE = "docker", "oci", "oci-archive", "docker-archive"
STORE, DOCKER_DAEMON, PODMAN, CONTAINERD = "store", "docker-daemon", "podman", "containerd"
# The schemes of engines, and the name of each in the option `engine`.
ENGINES = {DOCKER_DAEMON: "docker", PODMAN: "podman", CONTAINERD: "containerd"}
_WITH_PATH = (LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE, STORE)
# The name of a namespace, then a full name with its host, which has a dot or a port, or is localhost.
_NAMESPACED = re.compile(r"([A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)/((?:localhost|[^/]*[.:][^/]*)/.+)")


@dataclasses.dataclass(frozen=True)
class Location:
    """A location: `docker://REFERENCE`, `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, `docker-archive:PATH[:NAME]`, `store:[PATH][:NAME]`,
    `docker-daemon:IMAGE`, `podman:IMAGE`, `containerd:[NAMESPACE/]IMAGE`, or a reference without a scheme.

    `reference` is set for registries only, `image` and `namespace` for engines only, and `path` for all others. The path of the default store is empty.
    `name` is the text after a path and its colon, None without one.
    """

    scheme: str
    reference: Reference | None = None
    path: str = ""
    name: str | None = None
    image: Reference | Digest | None = None
    namespace: str | None = None

    @classmethod
    def parse(cls, text: str) -> Location:
        """Parse a location. A path can't contain a colon. Raises InvalidReference for an invalid reference, InvalidOption for a missing path."""
        scheme, colon, rest = text.partition(":")
        if colon and scheme in ENGINES:
            return cls._parse_engine(scheme, rest)
        if not colon or scheme not in (REGISTRY, *_WITH_PATH) or (scheme == REGISTRY and not rest.startswith("//")):
            return cls(REGISTRY, Reference.parse(text))
        if scheme == REGISTRY:
            return cls(REGISTRY, Reference.parse(rest[2:]))
        path, colon, name = rest.partition(":")
        if (not path and scheme != STORE) or (colon and not name):
            raise InvalidOption(f"{text!r:.300} is not a location: write {scheme}:PATH or {scheme}:PATH:NAME")
        return cls(scheme, None, path, name or None)

    @classmethod
    def _parse_engine(cls, scheme: str, text: str) -> Location:
        match = _NAMESPACED.fullmatch(text) if scheme == CONTAINERD else None
        namespace, name = match.groups() if match is not None else (None, text)
        if not name:
            raise InvalidOption(f"'{scheme}:' is not a location: write {scheme}:IMAGE")
        return cls(scheme, image=parse_selector(name), namespace=namespace)

    @classmethod
    def parse_destination(cls, text: str) -> Location:
        """Parse a location to write an image to.

        Raises the errors of `parse`, InvalidReference for a registry without a repository and for a name with a digest in an engine, and InvalidOption
        for a digest instead of such a name.
        """
        location = cls.parse(text)
        if location.reference is not None:
            Reference.parse_destination(text.removeprefix(f"{REGISTRY}://"))
        if isinstance(location.image, Digest):
            raise InvalidOption(f"{location} can't be a destination: a digest is no name; write {location.scheme}:REPOSITORY:TAG")
        if location.image is not None:
            location.image.require_no_digest()
        return location

    @property
    def is_registry(self) -> bool:
        return self.reference is not None

    @property
    def is_layout(self) -> bool:
        """Return True for an image layout in a folder, or a store, which is a layout too."""
        return self.scheme in (LAYOUT, STORE)

    @property
    def full_name(self) -> Reference | None:
        """Return the name at the location as a reference, None without a name.

        Raises InvalidReference if it is invalid, InvalidOption for only a tag after a path.
        """
        if isinstance(self.image, Reference):
            return self.image
        if self.name is None:
            return None
        if self.scheme != STORE and "/" not in self.name and ":" not in self.name:
            raise InvalidOption(
                f"{self}: {self.name!r} is not the full name of an image; write it with its repository, such as {self.scheme}:{self.path}:app:{self.name}"
            )
        return Reference.parse(self.name)

    def __str__(self) -> str:
        if self.reference is not None:
            return str(self.reference)
        if self.image is not None:
            return f"{self.scheme}:{f'{self.namespace}/' if self.namespace is not None else ''}{self.image}"
        return f"{self.scheme}:{self.path}" + (f":{self.name}" if self.name is not None else "")
