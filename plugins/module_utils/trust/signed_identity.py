# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The member `signedIdentity` of policy.json: how the name in a simple signature has to relate to the image's name (containers-policy.json(5))."""

from __future__ import annotations

import abc
import dataclasses
import re

from ..errors import InvalidReference, UnsupportedFormat
from ..oci.document import Document
from ..oci.reference import Reference
from ..oci.text import sanitise
from .repositories import RepositoryRule

_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?", re.ASCII)


class _SignedIdentity(RepositoryRule):
    """A rule for signed names. Bundles name no repository, so they are never accepted."""

    def accepts_signed(self, reference: Reference | None, signed: str) -> bool:
        name = _parse(signed)
        return reference is not None and name is not None and self.matches(reference, name)

    def accepts_place(self, reference: Reference | None, repository: str | None) -> bool:
        return False

    @abc.abstractmethod
    def matches(self, reference: Reference, signed: Reference) -> bool:
        """Return whether the normalised name SIGNED fits. It has neither tag nor digest if the signed text has none."""


class _Exact(_SignedIdentity):
    """`matchExact`: the same tag or digest of the same repository."""

    def matches(self, reference: Reference, signed: Reference) -> bool:
        return not _is_bare(signed) and str(signed) == str(reference)


class _RepositoryForDigest(_SignedIdentity):
    """`matchRepoDigestOrExact`: the same tag. For an image that is named by digest, any tag or digest of the repository."""

    def matches(self, reference: Reference, signed: Reference) -> bool:
        if _is_bare(signed):
            return False
        return str(signed) == str(reference) if reference.tag is not None else signed.context == reference.context


class _Repository(_SignedIdentity):
    """`matchRepository`: any tag or digest of the same repository."""

    def matches(self, reference: Reference, signed: Reference) -> bool:
        return signed.context == reference.context


@dataclasses.dataclass(frozen=True)
class _ExactReference(_SignedIdentity):
    """`exactReference`: this tag or digest for all images."""

    name: Reference

    def matches(self, reference: Reference, signed: Reference) -> bool:
        return not _is_bare(signed) and str(signed) == str(self.name)


@dataclasses.dataclass(frozen=True)
class _ExactRepository(_SignedIdentity):
    """`exactRepository`: any tag or digest of this repository for all images."""

    name: Reference

    def matches(self, reference: Reference, signed: Reference) -> bool:
        return signed.context == self.name.context


@dataclasses.dataclass(frozen=True)
class _Remapped(_SignedIdentity):
    """`remapIdentity`: like `matchRepoDigestOrExact`, after PREFIX of the image's name was replaced by SIGNED_PREFIX."""

    prefix: str
    signed_prefix: str

    def matches(self, reference: Reference, signed: Reference) -> bool:
        name = str(reference)
        rest = name[len(self.prefix) :]
        if name == self.prefix or (name.startswith(self.prefix) and rest[:1] in ("/", ":", "@")):
            remapped = _parse(self.signed_prefix + rest)
            if remapped is None:
                return False
            reference = remapped
        return DEFAULT_IDENTITY.matches(reference, signed)


DEFAULT_IDENTITY = _RepositoryForDigest()

_WITHOUT_MEMBERS: dict[str, _SignedIdentity] = {"matchExact": _Exact(), "matchRepoDigestOrExact": DEFAULT_IDENTITY, "matchRepository": _Repository()}
_MEMBERS = {"exactReference": ("dockerReference",), "exactRepository": ("dockerRepository",), "remapIdentity": ("prefix", "signedPrefix")}


def read_signed_identity(document: Document) -> RepositoryRule:
    """Read a signedIdentity. Raises UnsupportedFormat for an unknown type, unknown or missing members, and names that can't be used."""
    kind = document.required_text("type")
    if kind not in _WITHOUT_MEMBERS and kind not in _MEMBERS:
        raise UnsupportedFormat(f"{document.what}: {sanitise(kind, 100)!r} is not a type of signedIdentity")
    names = _MEMBERS.get(kind, ())
    if document.members.keys() != {"type", *names}:
        raise UnsupportedFormat(f"{document.what} has not exactly the members type{''.join(', ' + name for name in names)}")
    if kind in _WITHOUT_MEMBERS:
        return _WITHOUT_MEMBERS[kind]
    values = [document.required_text(name) for name in names]
    if kind == "remapIdentity":
        for value in values:
            if not _is_prefix(value):
                raise UnsupportedFormat(f"{document.what}: {sanitise(value, 200)!r} is neither a host nor a namespace or repository with its host")
        return _Remapped(values[0], values[1])
    name = _parse(values[0])
    if name is None or (kind == "exactReference" and _is_bare(name)):
        raise UnsupportedFormat(f"{document.what}: {sanitise(values[0], 200)!r} is not a {'full reference' if name is not None else 'reference'}")
    return _ExactReference(name) if kind == "exactReference" else _ExactRepository(name)


def _is_bare(name: Reference) -> bool:
    return name.tag is None and name.digest is None


def _is_prefix(text: str) -> bool:
    if _HOST.fullmatch(text):
        return True
    name = _parse(text)
    return name is not None and name.digest is None and str(name) == text


def _parse(text: str) -> Reference | None:
    """Normalise a name as skopeo and podman do, but without a default tag. Return None for a text that is no name."""
    try:
        name = Reference.parse(text)
    except InvalidReference:
        return None
    has_tag = name.digest is not None or ":" in text.rpartition("/")[2]
    return name if has_tag else Reference(name.registry, name.repository)
