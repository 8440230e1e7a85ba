# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What refers to an image: signatures and the like (distribution specification, Listing Referrers and Referrers Tag Schema)."""

from __future__ import annotations

import dataclasses
import functools
import threading
import typing as t

from ..errors import ImageNotFound, LongshoreError, RegistryError, UnsupportedFormat
from ..limits import MAX_REFERRERS
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from .repository import Repository
from .tags import list_tags, read_pages

# By which cosign calls what belongs to an image, where the tags of a repository can't be listed.
_COSIGN = (".sig", ".att", ".sbom")
_NOT_OFFERED = frozenset((400, 405, 501))


@dataclasses.dataclass(frozen=True)
class Referrer:
    """One manifest that names another as its subject. `members` is how a list of referrers describes it."""

    descriptor: Descriptor
    members: t.Mapping[str, t.Any] = dataclasses.field(compare=False, repr=False)


@dataclasses.dataclass(frozen=True)
class ReferrerList:
    """The referrers of one digest. `document` is the index that lists them under a tag; None where the registry keeps the list itself."""

    referrers: tuple[Referrer, ...]
    kept_by_registry: bool
    document: bytes | None = None

    def with_all(self, wanted: t.Iterable[Referrer]) -> bytes | None:
        """The index that lists WANTED as well; None where this one does already."""
        known = {referrer.descriptor.digest for referrer in self.referrers}
        added = {referrer.descriptor.digest: dict(referrer.members) for referrer in wanted if referrer.descriptor.digest not in known}
        if not added:
            return None
        members = Document.parse(self.document, "referrers").members if self.document is not None else {}
        listed = [*(members.get("manifests") or ()), *(added[digest] for digest in sorted(added))]
        return encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, **members, "manifests": listed})


def referrers_tag(digest: Digest) -> str:
    """The tag that stands for a digest where registries know no referrers, and by which cosign's tags begin."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def list_referrers(repository: Repository, digest: Digest) -> ReferrerList:
    """What refers to DIGEST, as the registry tells it, or where it knows no referrers, by the tag that stands for them."""
    what = f"the referrers of {repository.name}@{digest}"
    path = f"/v2/{repository.repository}/referrers/{digest}"
    try:
        listed: list[Referrer] = []
        for page in read_pages(repository.reading, repository.repository, path, what, None, media_types.OCI_INDEX):
            listed += _read(page)
            _refuse_too_many(listed, what)
    except (ImageNotFound, UnsupportedFormat):
        return _by_tag(repository, digest, what)
    except RegistryError as error:
        if error.status not in _NOT_OFFERED:
            raise
        return _by_tag(repository, digest, what)
    return ReferrerList(tuple(_unique(listed)), True)


def _by_tag(repository: Repository, digest: Digest, what: str) -> ReferrerList:
    reference = Reference(repository.registry, repository.repository).tagged(referrers_tag(digest))
    try:
        root = repository.fetch_manifest(reference)
    except ImageNotFound:
        return ReferrerList((), False)
    document = repository.read_document(root)
    if not root.is_index:
        raise RegistryError(f"{reference} is no list of referrers, and the registry keeps none itself")
    listed = _read(Document.parse(document, what))
    _refuse_too_many(listed, what)
    return ReferrerList(tuple(_unique(listed)), False, document)


def _read(document: Document) -> list[Referrer]:
    return [Referrer(Descriptor.read(entry), entry.members) for entry in document.children("manifests")]


def _refuse_too_many(referrers: t.Sequence[Referrer], what: str) -> None:
    if len(referrers) > MAX_REFERRERS:
        raise RegistryError(f"{what} are more than the {MAX_REFERRERS} that are allowed")


def _unique(referrers: t.Iterable[Referrer]) -> t.Iterable[Referrer]:
    return {referrer.descriptor.digest: referrer for referrer in referrers}.values()


class DigestTags:
    """The tags of a repository that belong to a digest by their names, such as cosign's `sha256-HEX.sig`. They are listed once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()

    def of(self, digest: Digest) -> list[Reference]:
        """Where a registry lists no tags, the usual ones, which may be there or not."""
        parent = Reference(self._repository.registry, self._repository.repository)
        with self._lock:
            listed = self._listed
        if listed is None:
            return [parent.tagged(f"{referrers_tag(digest)}{ending}") for ending in _COSIGN]
        return listed.get(referrers_tag(digest), [])

    @functools.cached_property
    def _listed(self) -> dict[str, list[Reference]] | None:
        """Tags by what they begin with, up to their first dot: an image may have a thousand manifests, and a repository a hundred thousand tags."""
        try:
            found = list_tags(self._repository)
        except LongshoreError:
            return None
        if found is None:
            return None
        grouped: dict[str, list[Reference]] = {}
        for reference in sorted(found, key=str):
            beginning, dot, _ending = str(reference.tag).partition(".")
            if dot:
                grouped.setdefault(beginning, []).append(reference)
        return grouped
