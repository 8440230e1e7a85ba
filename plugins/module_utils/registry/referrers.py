# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers of an image, such as signatures (distribution specification, Listing Referrers and Referrers Tag Schema)."""

from __future__ import annotations

import dataclasses
import functools
import threading
import typing as t
from urllib.parse import unquote

from ..errors import ImageNotFound, LongshoreError, RegistryError, UnsupportedFormat, system_error
from ..files import read_named
from ..limits import MAX_REFERRERS
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..oci.referrers import COSIGN_SUFFIXES, Referrer, SignatureServers, referrers_tag
from .http.messages import Request
from .repository import Repository
from .tags import list_tags, read_pages

_NO_REFERRERS_API = frozenset((400, 405, 501))
# Of these, the answers that are the same for every digest.
_NEVER_SUPPORTED = frozenset((405, 501))


@dataclasses.dataclass(frozen=True)
class ReferrerList:
    """The referrers of one digest. `document` is the index that lists them under a tag, None if the registry keeps the list itself."""

    referrers: tuple[Descriptor, ...]
    kept_by_registry: bool
    document: bytes | None = None

    def document_with(self, wanted: t.Iterable[Referrer]) -> bytes | None:
        """Return the index with WANTED added, None if it lists them all already."""
        listed_digests = {referrer.digest for referrer in self.referrers}
        added = {referrer.digest: referrer.list_entry for referrer in wanted if referrer.digest not in listed_digests}
        if not added:
            return None
        members = Document.parse(self.document, "referrers").members if self.document is not None else {}
        listed = [*(members.get("manifests") or ()), *(added[digest] for digest in sorted(added))]
        return encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, **members, "manifests": listed})


def list_referrers(repository: Repository, digest: Digest) -> ReferrerList:
    """Return the referrers of DIGEST from the registry's referrers API, or from the referrers tag if the registry doesn't have the API."""
    what = f"the referrers of {repository.name}@{digest}"
    path = f"/v2/{repository.repository}/referrers/{digest}"
    endpoint = repository.read_endpoint
    if endpoint.lacks_referrers_api:
        return _list_by_tag(repository, digest, what)
    listed: list[Descriptor] = []
    try:
        for page in read_pages(endpoint, repository.repository, path, what, None, media_types.OCI_INDEX):
            listed += _read_referrers(page)
            _refuse_too_many(listed, what)
    except (ImageNotFound, UnsupportedFormat) as error:
        # The answer for an unknown path has no error code. NAME_UNKNOWN is the answer of the API for a repository that doesn't exist yet.
        endpoint.lacks_referrers_api |= isinstance(error, ImageNotFound) and not error.registry_errors
        is_new = any(text.startswith("NAME_UNKNOWN") for text in error.registry_errors)
        listed_by_tag = _list_by_tag(repository, digest, what)
        return dataclasses.replace(listed_by_tag, kept_by_registry=True) if is_new and not listed_by_tag.referrers else listed_by_tag
    except RegistryError as error:
        if error.status not in _NO_REFERRERS_API:
            raise
        endpoint.lacks_referrers_api |= error.status in _NEVER_SUPPORTED
        return _list_by_tag(repository, digest, what)
    return ReferrerList(tuple(_deduplicate(listed)), True)


def _list_by_tag(repository: Repository, digest: Digest, what: str) -> ReferrerList:
    reference = Reference(repository.registry, repository.repository).with_tag(referrers_tag(digest))
    try:
        root = repository.fetch_manifest(reference)
    except ImageNotFound:
        return ReferrerList((), False)
    document = repository.read_document(root)
    if not root.is_index:
        raise RegistryError(f"{reference} is not a list of referrers, and the registry has no referrers API")
    listed = _read_referrers(Document.parse(document, what))
    _refuse_too_many(listed, what)
    return ReferrerList(tuple(_deduplicate(listed)), False, document)


def _read_referrers(document: Document) -> list[Descriptor]:
    return [dataclasses.replace(Descriptor.read(entry), platform=None, annotations={}) for entry in document.children("manifests")]


def _refuse_too_many(referrers: t.Sequence[Descriptor], what: str) -> None:
    if len(referrers) > MAX_REFERRERS:
        raise RegistryError(f"{what} are more than the {MAX_REFERRERS} that are allowed")


def _deduplicate(referrers: t.Iterable[Descriptor]) -> t.Iterable[Descriptor]:
    return {referrer.digest: referrer for referrer in referrers}.values()


class DigestTags:
    """The tags of a repository that belong to a digest by their names, such as cosign's `sha256-HEX.sig`. They are listed once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()

    def find(self, digest: Digest) -> list[Reference]:
        """Return the tags of DIGEST. If the registry lists no tags, return the usual ones, which may not exist."""
        with self._lock:
            listed = self._tags_by_prefix
        if listed is None:
            return _usual_tags(self._repository, digest)
        return listed.get(referrers_tag(digest), [])

    @functools.cached_property
    def _tags_by_prefix(self) -> dict[str, list[Reference]] | None:
        """Tags by the part before their first dot, so that a lookup is fast: an image may have 1,000 manifests and a repository 100,000 tags."""
        try:
            found = list_tags(self._repository)
        except LongshoreError:
            return None
        if found is None:
            return None
        grouped: dict[str, list[Reference]] = {}
        for reference in sorted(found, key=str):
            prefix, dot, _suffix = str(reference.tag).partition(".")
            if dot:
                grouped.setdefault(prefix, []).append(reference)
        return grouped


def _usual_tags(repository: Repository, digest: Digest, suffixes: t.Collection[str] = COSIGN_SUFFIXES) -> list[Reference]:
    parent = Reference(repository.registry, repository.repository)
    return [parent.with_tag(f"{referrers_tag(digest)}{suffix}") for suffix in suffixes]


class RepositoryReferrers:
    """A repository as a place to search for referrers. With TAGS its tags are listed once; without, cosign's usual tags are tried for each digest."""

    def __init__(self, repository: Repository, tags: DigestTags | None = None) -> None:
        self.label = repository.name
        self.servers: SignatureServers | None = RegistrySignatureServers(repository)
        self._repository = repository
        self._tags = tags

    def find_by_subject(self, subject: Digest) -> t.Sequence[Descriptor]:
        return list_referrers(self._repository, subject).referrers

    def find_by_tag(self, subject: Digest, suffixes: t.Collection[str] | None = None) -> t.Iterator[tuple[Reference, Descriptor]]:
        if self._tags is not None and suffixes is None:
            tags = self._tags.find(subject)
        else:
            tags = _usual_tags(self._repository, subject, COSIGN_SUFFIXES if suffixes is None else suffixes)
        for name in tags:
            root = self._repository.probe(name)
            if root is not None:
                yield name, root

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        try:
            return self._repository.read_document(descriptor)
        except ImageNotFound:
            return None


class RegistrySignatureServers:
    """Reads the signatures that servers other than the registry have for the images of a repository. They get no credentials of the registry."""

    def __init__(self, repository: Repository) -> None:
        self.repository = Reference(repository.registry, repository.repository)
        self._opened = repository

    def read_url(self, url: str, limit: int) -> bytes | None:
        """Return at most LIMIT + 1 bytes of a file; None if it doesn't exist. Raises the errors of the server, InputOutputError for files of this host."""
        if url.startswith("file://"):
            path = unquote(url[len("file://") :])
            try:
                return read_named(path, limit)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise system_error(error, path) from error
        request = Request("GET", url, f"the signatures of {self.repository}", accepted=(200, 404), limit=limit)
        endpoint = self._opened.read_endpoint
        response = endpoint.client.send(request, endpoint.settings.for_other_hosts)
        data = response.body(limit)
        return data if response.status == 200 else None
