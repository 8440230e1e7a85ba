# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for the repository that a signature must name, so that a signed image of one repository isn't accepted in another."""

from __future__ import annotations

import abc
import dataclasses

from ..errors import InvalidReference
from ..oci.reference import DOCKER_HUB, Reference


class RepositoryRule(abc.ABC):
    """Decides whether a signature is for the repository of an image. An image without a name (None) is accepted only if any repository is."""

    @abc.abstractmethod
    def accepts_signed(self, reference: Reference | None, signed: str) -> bool:
        """Return whether the name SIGNED in a simple signature is accepted for the image REFERENCE."""

    @abc.abstractmethod
    def accepts_place(self, reference: Reference | None, repository: str | None) -> bool:
        """Return whether a bundle in REPOSITORY is accepted. Bundles name no repository, so this doesn't prove which one the signer meant."""


@dataclasses.dataclass(frozen=True)
class SameRepository(RepositoryRule):
    """The repository of the image itself."""

    def accepts_signed(self, reference: Reference | None, signed: str) -> bool:
        return reference is not None and is_in_repository(signed, reference.context)

    def accepts_place(self, reference: Reference | None, repository: str | None) -> bool:
        return reference is not None and repository == reference.context


@dataclasses.dataclass(frozen=True)
class AnyRepository(RepositoryRule):
    def accepts_signed(self, reference: Reference | None, signed: str) -> bool:
        return True

    def accepts_place(self, reference: Reference | None, repository: str | None) -> bool:
        return True


@dataclasses.dataclass(frozen=True)
class NamedRepository(RepositoryRule):
    """One repository, for images that were copied from it with their signatures."""

    repository: str

    def accepts_signed(self, reference: Reference | None, signed: str) -> bool:
        return is_in_repository(signed, self.repository)

    def accepts_place(self, reference: Reference | None, repository: str | None) -> bool:
        return repository == self.repository


def is_in_repository(signed: str, repository: str) -> bool:
    """Return whether a signed name is REPOSITORY, alone or with a tag or a digest, byte for byte. Docker Hub has two spellings."""
    name = signed[len("index.") :] if signed.startswith(f"index.{DOCKER_HUB}/") else signed
    if name == repository:
        return True
    if not name.startswith((f"{repository}:", f"{repository}@")):
        return False
    try:
        return str(Reference.parse(name)) == name
    except InvalidReference:
        return False
