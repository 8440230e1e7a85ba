# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""References: the names of images, parsed and normalised like docker does (distribution/reference)."""

from __future__ import annotations

import dataclasses
import re

from ..errors import InvalidReference
from .digest import Digest

DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"
MAX_REPOSITORY = 255
MAX_PORT = 65535

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}", re.ASCII)
_BARE_HEX = re.compile(r"[a-f0-9]{64}", re.ASCII)


@dataclasses.dataclass(frozen=True, order=True)
class Reference:
    """A normalised name: `registry/repository`, with a tag, a digest, or both. With both, the digest selects the content and the tag is only a name."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse the text of a user: `nginx` means `docker.io/library/nginx:latest`. Raises InvalidReference, whose message names the wrong part."""
        if _BARE_HEX.fullmatch(text):
            raise InvalidReference(f"{_quote(text)} is not a reference: 64 hex digits alone are an ID; write sha256:{text} where an ID is allowed")
        if _DIGEST.fullmatch(text):
            raise InvalidReference(f"{_quote(text)} is a digest or an ID and not a reference: it has no repository")
        name, digest = _split_digest(text)
        name, tag = _split_tag(name, text)
        registry, repository = _split_registry(name)
        if not _HOST.fullmatch(registry):
            raise InvalidReference(f"{_quote(text)} is not a reference: {_quote(registry)} is not a registry's host[:port]")
        if _port_of(registry) > MAX_PORT:
            raise InvalidReference(f"{_quote(text)} is not a reference: there is no port {_port_of(registry)}")
        if not _REPOSITORY.fullmatch(repository):
            hint = "; repositories are lower case" if _REPOSITORY.fullmatch(repository.lower()) else ""
            raise InvalidReference(f"{_quote(text)} is not a reference: {_quote(repository)} is not a repository{hint}")
        if len(repository) > MAX_REPOSITORY:
            raise InvalidReference(f"{_quote(text)} is not a reference: its repository is longer than {MAX_REPOSITORY} characters")
        if tag is None and digest is None:
            tag = DEFAULT_TAG
        return cls(registry, repository, tag, digest)

    @classmethod
    def parse_destination(cls, text: str, alternative: str = "") -> Reference:
        """Parse the reference of an image to push. ALTERNATIVE is another correct spelling for the message.

        Raises the errors of `parse`, and InvalidReference for text without a slash that looks like a registry: it would mean a repository of Docker Hub,
        and an image for a private registry must not be pushed there.
        """
        reference = cls.parse(text)
        name = _split_tag(_split_digest(text)[0], text)[0]
        if "/" not in name and ("." in name or name == "localhost"):
            raise InvalidReference(
                f"{_quote(text)} looks like a registry without a repository; put a slash and a repository after it{alternative},"
                f" or write {DOCKER_HUB}/library/{text} if you mean the repository of Docker Hub"
            )
        return reference

    @property
    def name(self) -> Reference:
        """Return the name of the image. If it has a tag, the digest is left out, since it only selected the content."""
        return dataclasses.replace(self, digest=None) if self.tag is not None else self

    @property
    def target(self) -> str:
        """Return the digest if there is one, else the tag: the part to send to a registry."""
        return str(self.digest) if self.digest is not None else str(self.tag)

    @property
    def context(self) -> str:
        """Return registry and repository, without tag or digest."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str) -> Reference:
        """Return a reference to the same repository by this tag only. Raises InvalidReference for an invalid tag."""
        if not _TAG.fullmatch(tag):
            raise InvalidReference(f"{_quote(tag)} is not a tag of {self.context}")
        return Reference(self.registry, self.repository, tag)

    def with_digest(self, digest: Digest) -> Reference:
        """Return a reference to the same repository by digest only."""
        return Reference(self.registry, self.repository, None, digest)

    def require_no_digest(self) -> Reference:
        """Return this reference, for use as a new name. Raises InvalidReference if it has a digest, because content determines its digest."""
        if self.digest is not None:
            raise InvalidReference(f"{self} can't be a new name: its digest is determined by the content and can't be chosen")
        return self

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.context}{tag}{digest}"


def parse_selector(text: str) -> Reference | Digest:
    """Parse a reference, or a full image ID or digest. Raises InvalidReference for any other text. A prefix of an ID is never completed."""
    if text.startswith(("sha256:", "sha512:")):
        return Digest.parse(text)
    return Reference.parse(text)


def _port_of(registry: str) -> int:
    port = registry.rpartition(":")[2]
    return int(port[:9]) if port.isdigit() and ":" in registry else 0


def _quote(text: str) -> str:
    return repr(text if len(text) <= 300 else text[:300] + "...")


def _split_digest(text: str) -> tuple[str, Digest | None]:
    if not text:
        raise InvalidReference("a reference can't be empty")
    name, at, digest = text.partition("@")
    if not at:
        return name, None
    try:
        return name, Digest.parse(digest)
    except InvalidReference as error:
        raise InvalidReference(f"{_quote(text)} is not a reference: {error}") from error


def _split_tag(name: str, text: str) -> tuple[str, str | None]:
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or (tag.endswith("]") and "[" in head):
        return name, None
    if not _TAG.fullmatch(tag):
        raise InvalidReference(f"{_quote(text)} is not a reference: {_quote(tag)} is not a tag")
    return head, tag


def _split_registry(name: str) -> tuple[str, str]:
    """Return registry and repository. The first component is a registry only if it can't be part of a repository on Docker Hub, as in docker."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        first, rest = DOCKER_HUB, name
    if first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest
