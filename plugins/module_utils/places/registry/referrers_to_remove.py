# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the referrers that are removed from a registry with their image: those with a subject, cosign's tags, and the tags that list referrers."""

from __future__ import annotations

import dataclasses
import typing as t

from ...oci.digest import Digest
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...oci.referrers import Referrer, find_referrers, referrers_tag
from .tags import RepositoryTag, list_members

if t.TYPE_CHECKING:
    from ...registry.repository import Repository


@dataclasses.dataclass(frozen=True)
class ManifestToRemove:
    """A referrer, or the index that lists referrers, and all tags that it has."""

    found: Descriptor
    tags: tuple[Reference, ...]


@dataclasses.dataclass(frozen=True)
class ReferrersToRemove:
    """The referrers that are removed with an image. `manifests` must be deleted in this order: each before what it lists and refers to."""

    referrers: tuple[Referrer, ...] = ()
    manifests: tuple[ManifestToRemove, ...] = ()
    warnings: tuple[str, ...] = ()

    def without(self, digests: t.Collection[Digest]) -> ReferrersToRemove:
        """Return these referrers without those in DIGESTS, which are deleted anyway."""
        return ReferrersToRemove(
            tuple(referrer for referrer in self.referrers if referrer.digest not in digests),
            tuple(manifest for manifest in self.manifests if manifest.found.digest not in digests),
            self.warnings,
        )


def find_referrers_to_remove(
    repository: Repository, image: Descriptor, tags: t.Sequence[RepositoryTag], removed: t.Collection[Reference]
) -> ReferrersToRemove:
    """Return the referrers to remove from REPOSITORY with IMAGE. TAGS are all of its tags, REMOVED the names that are removed with the image.

    The referrers of an index's members are removed too, unless another tag needs the member. A referrer is kept if another tag needs it. A tag of an
    unknown format may need any referrer. Raises the errors of the registry.
    """
    remaining = [tag for tag in tags if tag.reference not in removed]
    unreadable = next((tag.reference for tag in remaining if tag.found is None), None)
    if unreadable is not None:
        return ReferrersToRemove(warnings=(f"the referrers of {image.digest} stay, because {unreadable} has an unknown format and may need them",))
    needed = _find_needed(remaining)
    subjects = [image.digest, *(member for member in list_members(repository, image) if member not in needed)]
    tag_index = _TagIndex(tags)
    found = find_referrers(_CachedTagReferrers(repository, tag_index), subjects)
    referrers = _select_removable(subjects, found.referrers, remaining)
    removed_digests = _removed_digests(subjects, referrers)
    needed = _find_needed(_exclude_digest_tags(remaining, removed_digests))
    lists = [tag_index.find_referrers_index(subject) for subject in removed_digests]
    ordered = [found_list for found_list in lists if found_list is not None and found_list.digest not in needed]
    # A referrer is listed after its subject, and deleted before it.
    ordered += [referrer.graph.root for referrer in reversed(referrers)]
    manifests = {descriptor.digest: ManifestToRemove(descriptor, tag_index.tags_of(descriptor.digest)) for descriptor in ordered}
    return ReferrersToRemove(tuple(referrers), tuple(manifests.values()), tuple(found.warnings))


def _select_removable(subjects: t.Sequence[Digest], referrers: t.Sequence[Referrer], remaining: t.Sequence[RepositoryTag]) -> list[Referrer]:
    """Return the REFERRERS of SUBJECTS that no tag of REMAINING needs.

    Referrers of a kept referrer are kept too, and may need others, so this repeats until nothing changes.
    """
    removed = list(referrers)
    while True:
        removed_digests = _removed_digests(subjects, removed)
        needed = _find_needed(_exclude_digest_tags(remaining, removed_digests))
        selected = [referrer for referrer in removed if referrer.subject in removed_digests and needed.isdisjoint(referrer.graph.document_digests)]
        if len(selected) == len(removed):
            return removed
        removed = selected


def _removed_digests(subjects: t.Iterable[Digest], referrers: t.Iterable[Referrer]) -> dict[Digest, None]:
    """Return the digests that are removed, and whose referrers are removed with them."""
    return dict.fromkeys((*subjects, *(digest for referrer in referrers for digest in referrer.graph.document_digests)))


def _exclude_digest_tags(tags: t.Iterable[RepositoryTag], subjects: t.Iterable[Digest]) -> list[RepositoryTag]:
    """Return TAGS without those whose name contains a digest of SUBJECTS (`sha256-HEX`)."""
    prefixes = {referrers_tag(subject) for subject in subjects}
    return [tag for tag in tags if _prefix(tag) not in prefixes]


def _find_needed(tags: t.Iterable[RepositoryTag]) -> set[Digest]:
    """Return what TAGS point at, and what their indexes list. Many tags may point at one large index."""
    by_digest = {tag.digest: tag.members for tag in tags if tag.digest is not None}
    return set(by_digest).union(*by_digest.values())


def _prefix(tag: RepositoryTag) -> str:
    return str(tag.reference.tag).partition(".")[0]


class _TagIndex:
    """The tags of a repository, for lookups by digest and by the digest in their name."""

    def __init__(self, tags: t.Iterable[RepositoryTag]) -> None:
        self._by_prefix: dict[str, list[tuple[Reference, Descriptor]]] = {}
        self._by_digest: dict[Digest, list[Reference]] = {}
        for tag in tags:
            if tag.found is not None:
                self._by_prefix.setdefault(_prefix(tag), []).append((tag.reference, tag.found))
                self._by_digest.setdefault(tag.found.digest, []).append(tag.reference)

    def tags_of(self, digest: Digest) -> tuple[Reference, ...]:
        return tuple(self._by_digest.get(digest, ()))

    def find_referrers_index(self, subject: Digest) -> Descriptor | None:
        """Return the index under the tag that lists the referrers of SUBJECT."""
        name = referrers_tag(subject)
        return next((found for reference, found in self._by_prefix.get(name, ()) if reference.tag == name), None)

    def find_cosign_tags(self, subject: Digest) -> list[tuple[Reference, Descriptor]]:
        name = referrers_tag(subject)
        return [(reference, found) for reference, found in self._by_prefix.get(name, ()) if reference.tag != name]


class _CachedTagReferrers:
    """A repository as a place to search for referrers, whose tags were read before."""

    def __init__(self, repository: Repository, tags: _TagIndex) -> None:
        from ...registry.referrers import RepositoryReferrers

        place = RepositoryReferrers(repository)
        self.label = place.label
        self.servers = place.servers
        self.read_document = place.read_document
        self.find_by_subject = place.find_by_subject
        self._tags = tags

    def find_by_tag(self, subject: Digest, suffixes: t.Collection[str] | None = None) -> t.Iterator[tuple[Reference, Descriptor]]:
        for reference, found in self._tags.find_cosign_tags(subject):
            if suffixes is None or str(reference.tag).endswith(tuple(suffixes)):
                yield reference, found
