# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contents of one repository of a registry, and which of them a retention policy removes. No code in this file sends a request."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import typing as t

from ...oci.digest import Digest
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...oci.referrers import read_digest_tag, referrers_tag
from ..retention import RetentionCandidate, RetentionPolicy
from ..subjects import follow_subjects

# A tag that is made of a digest has room for only the first half of a SHA-512.
_TRUNCATED_TAG = re.compile(r"sha512-[0-9a-f]{64}(?:\.[a-z]+)?")


@dataclasses.dataclass(frozen=True)
class RemoteManifest:
    """A manifest or an index of a repository. `members` are what an index lists, `blobs` the sizes of a manifest's config and layers."""

    descriptor: Descriptor
    members: tuple[Digest, ...] = ()
    subject: Digest | None = None
    config: Digest | None = None
    blobs: t.Mapping[Digest, int] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def digest(self) -> Digest:
        return self.descriptor.digest


@dataclasses.dataclass(frozen=True)
class RemoteTag:
    """A tag and the facts that the policy needs. `chosen` is whether it passes the filters, `protected` whether an option protects the image."""

    name: Reference
    digest: Digest
    platforms: tuple[str, ...] = ()
    image_id: Digest | None = None
    created: datetime.datetime | None = None
    chosen: bool = True
    protected: bool = False


@dataclasses.dataclass(frozen=True)
class RepositoryContents:
    """The known contents of a repository: its tags, and the manifests that tags, lists of referrers and protected digests lead to.

    `protected` are manifests without a tag that must be kept.
    """

    context: Reference
    tags: tuple[RemoteTag, ...]
    manifests: t.Mapping[Digest, RemoteManifest]
    protected: frozenset[Digest] = frozenset()

    @functools.cached_property
    def subjects(self) -> dict[Digest, frozenset[Digest]]:
        """The subjects of each referrer, by its manifest and by its tags. A manifest that also has an ordinary tag is an image."""
        by_tag = [(tag.digest, self._subject_of_tag(tag)) for tag in self.tags]
        by_manifest = [(manifest.digest, manifest.subject) for manifest in self.manifests.values()]
        ordinary = {digest for digest, subject in by_tag if subject is None}
        subjects: dict[Digest, set[Digest]] = {}
        for digest, subject in (*by_manifest, *by_tag):
            if subject is not None and digest not in ordinary:
                subjects.setdefault(digest, set()).add(subject)
        return {digest: frozenset(found) for digest, found in subjects.items()}

    @functools.cached_property
    def unknown_subjects(self) -> frozenset[Digest]:
        """The subjects that no tag leads to. They may still exist."""
        return frozenset(subject for found in self.subjects.values() for subject in found if subject not in self.manifests)

    @functools.cached_property
    def images(self) -> frozenset[Digest]:
        """The digests with a tag that aren't referrers."""
        return frozenset(candidate.digest for candidate in self._candidates if not candidate.referrer_of)

    def reach_members(self, digest: Digest) -> set[Digest]:
        """Return a manifest with all that it lists."""
        return self._walk({digest}, self._members)

    def content_of(self, digests: t.Iterable[Digest]) -> dict[Digest, int]:
        """Return the sizes of these manifests and of all their blobs."""
        sizes: dict[Digest, int] = {}
        for digest in digests:
            manifest = self.manifests[digest]
            sizes[digest] = manifest.descriptor.size
            sizes.update(manifest.blobs)
        return sizes

    def select_deletions(self, policy: RetentionPolicy, now: datetime.datetime) -> tuple[Digest, ...]:
        """Return the manifests that POLICY removes at the time NOW, each before all that it lists or refers to.

        A registry deletes a manifest with all its tags, so an image is either removed with all its tags or kept. The members of an index and the
        referrers of an image are removed with it, unless a manifest that is kept needs them.
        """
        removed = set(policy.select_removable(self._candidates, now))
        judged = {candidate.digest for candidate in self._candidates}
        kept = {candidate.digest for candidate in self._candidates if candidate not in removed}
        # A referrer of a protected manifest is no candidate, and is kept with it.
        kept |= self.protected | {tag.digest for tag in self.tags if tag.digest not in judged}
        needed = self._reach(kept)
        deleted = self._reach({candidate.digest for candidate in removed} - needed) - needed
        return self._in_order(deleted)

    @functools.cached_property
    def _candidates(self) -> list[RetentionCandidate]:
        """The candidates of the policy: one for each tag, without the referrers of protected manifests."""
        images_by_manifest = self._images_by_manifest()
        protected = self._reach(self.protected)
        candidates = []
        for tag in self.tags:
            owners = frozenset(follow_subjects(tag.digest, self.subjects, images_by_manifest)) if tag.digest in self.subjects else frozenset()
            # The tag has only a part of the digest, so the subject can't be looked up.
            is_lost = tag.digest not in self.subjects and _TRUNCATED_TAG.fullmatch(str(tag.name.tag)) is not None
            if protected.isdisjoint(owners):
                candidates.append(RetentionCandidate(tag.name, tag.digest, tag.created, tag.chosen, tag.protected or is_lost, owners))
        return candidates

    def _subject_of_tag(self, tag: RemoteTag) -> Digest | None:
        """Return the subject that the name of a tag gives, None for an ordinary tag and for a truncated one whose subject is unknown."""
        subject = read_digest_tag(tag.name.tag) or self._truncated.get(str(tag.name.tag).partition(".")[0])
        if subject is None and _TRUNCATED_TAG.fullmatch(str(tag.name.tag)) is not None:
            return self.manifests[tag.digest].subject
        return subject

    @functools.cached_property
    def _truncated(self) -> dict[str, Digest]:
        """The digests that are too long for a tag, by what a tag has of them."""
        return {referrers_tag(digest): digest for digest in self.manifests if digest.algorithm == "sha512"}

    def _images_by_manifest(self) -> dict[Digest, set[Digest]]:
        """Return for each manifest the tagged manifests that contain it, itself included."""
        images_by_manifest: dict[Digest, set[Digest]] = {}
        for root in {tag.digest for tag in self.tags}:
            for digest in self.reach_members(root):
                images_by_manifest.setdefault(digest, set()).add(root)
        return images_by_manifest

    @functools.cached_property
    def _referrers(self) -> dict[Digest, list[Digest]]:
        referrers: dict[Digest, list[Digest]] = {}
        for digest, subjects in self.subjects.items():
            for subject in subjects:
                referrers.setdefault(subject, []).append(digest)
        return referrers

    def _members(self, digest: Digest) -> t.Iterable[Digest]:
        return self.manifests[digest].members

    def _reach(self, roots: t.Collection[Digest]) -> set[Digest]:
        """Return ROOTS with all that they list, the referrers of all of these, and so on."""
        return self._walk(roots, lambda digest: (*self._members(digest), *self._referrers.get(digest, ())))

    def _walk(self, roots: t.Collection[Digest], follow: t.Callable[[Digest], t.Iterable[Digest]]) -> set[Digest]:
        """Return the manifests that FOLLOW leads to from ROOTS. Manifests that the registry doesn't have are left out."""
        found = {root for root in roots if root in self.manifests}
        pending = list(found)
        while pending:
            for digest in follow(pending.pop()):
                if digest in self.manifests and digest not in found:
                    found.add(digest)
                    pending.append(digest)
        return found

    def _in_order(self, deleted: set[Digest]) -> tuple[Digest, ...]:
        """Sort DELETED so that each manifest comes before all that it lists or refers to.

        The remaining manifests are then complete at every moment. The manifests of one image are deleted together, so that an interrupted run leaves few
        of them without a tag.
        """
        pointing: dict[Digest, list[Digest]] = {}
        for digest in sorted(deleted):
            for target in (*self._members(digest), *self.subjects.get(digest, ())):
                pointing.setdefault(target, []).append(digest)
        ordered: dict[Digest, None] = {}
        roots = [tag.digest for tag in self.tags if tag.digest in deleted]
        for root in (*roots, *sorted(deleted)):
            for digest in (root, *sorted(self.reach_members(root) & deleted)):
                _add_after(digest, pointing, ordered)
        return tuple(ordered)


def _add_after(digest: Digest, before: t.Mapping[Digest, t.Sequence[Digest]], ordered: dict[Digest, None]) -> None:
    """Add DIGEST to ORDERED, after all that must come BEFORE it. Tags can make a circle, which is broken at any place."""
    opened: set[Digest] = set()
    pending = [(digest, False)]
    while pending:
        current, is_ready = pending.pop()
        if is_ready:
            ordered.setdefault(current)
        elif current not in opened and current not in ordered:
            opened.add(current)
            pending.append((current, True))
            pending += [(other, False) for other in reversed(before.get(current, ()))]
