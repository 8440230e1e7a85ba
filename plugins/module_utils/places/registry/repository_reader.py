# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read all images of repositories, for a retention policy."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...errors import ImageNotFound, LongshoreError, RegistryError, UnsupportedFormat
from ...limits import MAX_LEVELS
from ...oci import media_types
from ...oci.digest import Digest
from ...oci.graph import Graph, read_graph
from ...oci.manifest import Descriptor, Manifest, read_manifest, read_subject
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...oci.text import sanitise
from ...registry.referrers import list_referrers
from ...registry.tags import TagList, read_tag_list
from ...transfer.workers import Workers
from ..facts import image_facts
from ..filters import Filters
from ..inspected_image import InspectedImage
from ..inspector import Inspector
from ..protection import Protection
from .contents import RemoteManifest, RemoteTag, RepositoryContents

if t.TYPE_CHECKING:
    from ...registry.repository import Repository

# The number of tags that are read before cached documents are dropped. It limits the memory, not the number of simultaneous requests.
_CHUNK = 256


@dataclasses.dataclass(frozen=True)
class TagCriteria:
    """The criteria for each tag: whether it fits `tag_pattern` and `filters`, is protected, and, with `times`, when it was created."""

    filters: Filters
    tag_pattern: re.Pattern[str] | None
    protection: Protection
    host: Platform
    times: bool


class RepositoryReader:
    """Reads one repository. `tags` has the digest of each listed tag, None for a tag whose manifest the registry doesn't have.

    `errors` has an error for each tag and document that can't be read. Such a manifest could need any other one, so nothing may be deleted.
    """

    def __init__(self, repository: Repository, criteria: TagCriteria) -> None:
        self.repository = repository
        self.context = Reference(repository.registry, repository.repository)
        self.tags: dict[Reference, Digest | None] = {}
        self.errors: dict[str, LongshoreError] = {}
        self._criteria = criteria
        self._tagged: dict[Reference, RemoteTag] = {}
        self._manifests: dict[Digest, RemoteManifest] = {}
        self._protected: set[Digest] = set()
        self._contents: RepositoryContents | None = None

    @property
    def error(self) -> LongshoreError | None:
        """The first error, in the order of the tags; None if the repository could be read completely."""
        return self.errors[min(self.errors)] if self.errors else None

    @property
    def contents(self) -> RepositoryContents:
        """The contents that were read so far."""
        if self._contents is None:
            tagged = tuple(self._tagged[name] for name in sorted(self._tagged, key=str))
            self._contents = RepositoryContents(self.context, tagged, dict(self._manifests), frozenset(self._protected))
        return self._contents

    def list_tags(self) -> bool:
        """Read the names of the tags. Return False if the registry doesn't have the repository."""
        try:
            listed = read_tag_list(self.repository)
        except LongshoreError as error:
            self.errors[""] = error
            return True
        for name in (listed or TagList()).unusable:
            self.errors[f"{self.context.context}:{name}"] = UnsupportedFormat(
                f"{self.context.context} lists the tag {sanitise(name, 100)!r}, which no client can request, so it may need any manifest;"
                " delete this tag with the tools of the registry"
            )
        self.tags.update(dict.fromkeys((listed or TagList()).tags))
        return listed is not None

    def read_tag(self, name: Reference) -> None:
        """Read a tag with all documents of its image."""
        try:
            root = self.repository.fetch_manifest(name)
            graph = self._read_graph(root, str(name))
            self._tagged[name] = self._describe(name, graph)
            self.tags[name] = root.digest
        except ImageNotFound as error:
            # A listed tag without a manifest can't be pulled, and is no error. A missing part of an image is one.
            if self.repository.probe(name) is not None:
                self.errors[str(name)] = error
        except LongshoreError as error:
            self.errors[str(name)] = error

    def read_referrers(self) -> None:
        """Read the referrers that a registry with the referrers API lists for each manifest. Other registries list them in tags, which were read already."""
        seen: set[Digest] = set()
        try:
            for _level in range(MAX_LEVELS + 1):
                for digest in [digest for digest in self._manifests if digest not in seen]:
                    seen.add(digest)
                    listed = list_referrers(self.repository, digest)
                    if not listed.kept_by_registry:
                        return
                    for referrer in listed.referrers:
                        self._read_untagged(referrer.digest)
        except LongshoreError as error:
            self.errors["referrers"] = error

    def protect_tags(self, digests: t.Collection[Digest]) -> None:
        """Mark the tags with one of DIGESTS as protected."""
        for name, tag in self._tagged.items():
            if tag.digest in digests and not tag.protected:
                self._tagged[name] = dataclasses.replace(tag, protected=True)
                self._contents = None

    def protect_untagged(self, digests: t.Iterable[Digest]) -> None:
        """Protect those of DIGESTS that the repository has but no tag leads to. They are kept with all that they need."""
        for digest in digests:
            try:
                if digest in self._manifests or self._read_untagged(digest):
                    self._protected.add(digest)
                    self._contents = None
            except LongshoreError as error:
                self.errors[str(digest)] = error

    def protect_unknown_subjects(self) -> None:
        """Protect the subjects of referrers that exist without a tag."""
        asked: set[Digest] = set()
        for _level in range(MAX_LEVELS):
            unknown = self.contents.unknown_subjects - asked
            asked |= unknown
            self.protect_untagged(sorted(unknown))

    def _read_untagged(self, digest: Digest) -> bool:
        """Read a manifest by digest, with all of its documents. Return False if the registry doesn't have it."""
        name = self.context.with_digest(digest)
        try:
            root = self.repository.fetch_manifest(name)
        except ImageNotFound:
            return False
        self._read_graph(root, str(name))
        return True

    def _read_graph(self, root: Descriptor, what: str) -> Graph:
        """Read the documents of an image and record its manifests. Raises UnsupportedFormat for entries of an index that could need any manifest."""

        def read(descriptor: Descriptor) -> bytes | None:
            try:
                return self.repository.read_document(descriptor)
            except ImageNotFound:
                if descriptor.is_document:
                    return None  # a registry may have an index without all of its entries
                raise

        graph = read_graph(root, what, read)
        if graph is None:
            raise RegistryError(f"{what}: {self.repository.registry} doesn't have it any more")
        for descriptor, data in graph.documents.items():
            if descriptor.digest not in self._manifests:
                self._manifests[descriptor.digest] = _describe_manifest(descriptor, data, what)
        return graph

    def _describe(self, name: Reference, graph: Graph) -> RemoteTag:
        criteria = self._criteria
        image = InspectedImage(name, graph.root, lambda: graph, self.repository.read_document)
        inspector = Inspector([image], f"the registry {name.registry}", criteria.host)
        facts = image_facts(str(name), graph, None, criteria.host)
        return RemoteTag(
            name=name,
            digest=graph.root.digest,
            platforms=facts.platforms,
            image_id=facts.image_id,
            created=inspector.created(image) if criteria.times else None,
            chosen=(criteria.tag_pattern is None or criteria.tag_pattern.fullmatch(str(name.tag)) is not None)
            and bool(inspector.find_matching(criteria.filters)),
            protected=criteria.protection.covers(image, _digests_and_ids),
        )


def _digests_and_ids(image: InspectedImage) -> set[Digest]:
    """Return the digests and the IDs of all parts of an image."""
    documents = image.graph.documents if image.graph is not None else ()
    return {*image.image_ids, *(document.digest for document in documents)}


def _describe_manifest(descriptor: Descriptor, data: bytes, what: str) -> RemoteManifest:
    parsed = read_manifest(data, descriptor.media_type, what)
    plain = Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)
    subject = read_subject(data, what)
    if isinstance(parsed, Manifest):
        blobs = {blob.digest: blob.size for blob in parsed.blobs}
        return RemoteManifest(plain, subject=subject, config=parsed.config.digest if parsed.is_image else None, blobs=blobs)
    for entry in parsed.manifests:
        if not entry.is_document and entry.media_type not in media_types.PLAIN_BLOBS:
            kind = sanitise(entry.media_type, 100)
            raise UnsupportedFormat(f"{what} lists {entry.digest} of the unknown type {kind}, which may need any manifest of its repository")
    return RemoteManifest(plain, tuple(entry.digest for entry in parsed.manifests), subject)


def read_repositories(readers: t.Sequence[RepositoryReader], workers: Workers) -> None:
    """Read all tags of the repositories, several at once, and all else that may need their manifests."""
    wanted = [(reader, name) for reader in readers for name in sorted(reader.tags, key=str)]
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        workers.map(lambda pair: pair[0].read_tag(pair[1]), chunk)
        for reader in {id(reader): reader for reader, _name in chunk}.values():
            reader.repository.forget_documents()
    workers.map(_read_untagged, readers)


def _read_untagged(reader: RepositoryReader) -> None:
    reader.read_referrers()
    reader.protect_unknown_subjects()
    reader.repository.forget_documents()
