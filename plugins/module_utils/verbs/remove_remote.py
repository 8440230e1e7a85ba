# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a removal at a registry: which tags go, and which manifests nothing needs any more then.

A registry deletes a manifest with all of its tags. So all tags of a repository are looked at first: by a tag that shares its digest with others, or that an
index of another tag lists, only that tag itself is deleted.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InUse, LongshoreError, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.manifest import Descriptor, Index, read_manifest
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, Plan, RefChange, RefState
from ..transfer.workers import Workers
from .facts import short_digest

if t.TYPE_CHECKING:
    from ..registry.repository import Repository

MAX_TOLD = 5


@dataclasses.dataclass
class _RequestedImage:
    """An image that is to go: its row, and what its name points at, None where it isn't there."""

    reference: Reference
    row: ImagePlan
    repository: Repository | None = None
    found: Descriptor | None = None


@dataclasses.dataclass(frozen=True)
class _Tag:
    """A tag of a repository, and the digests that its index lists. `digest` is None for one that can't be understood, and so may need anything."""

    reference: Reference
    digest: Digest | None
    listed: frozenset[Digest] = frozenset()


@dataclasses.dataclass
class _Removal:
    """One deletion: of a manifest with all of its tags, or of a tag alone, since others are `sharing` its digest. `images` are the rows that it is about.

    It comes after that of the tags `above`, whose indexes list the manifest: where one of them stays, so does the manifest.
    """

    repository: Repository
    found: Descriptor
    images: list[ImagePlan]
    tags: tuple[Reference, ...]
    alone: bool = False
    sharing: tuple[Reference, ...] = ()
    above: tuple[Reference, ...] = ()

    @property
    def failed(self) -> bool:
        return any(image.error is not None for image in self.images)

    def carry_out(self) -> None:
        from ..registry.deletion import delete_manifest, delete_tag

        try:
            if not self.alone:
                delete_manifest(self.repository, self.found.digest)
            elif not delete_tag(self.repository, self.tags[0]):
                what = f"{self.tags[0]}: {self.repository.registry} can't delete a tag alone, and {_told(self.sharing)} may need its digest"
                raise InUse(f"{what}; force would delete the digest, and with it every tag that has it")
        except LongshoreError as error:
            self.fail(error)

    def fail(self, error: LongshoreError) -> None:
        for image in self.images:
            image.error = error


@dataclasses.dataclass
class RemoteRemovalPlan(Plan):
    """Deletions at registries: indexes before the manifests that they may list."""

    removals: tuple[_Removal, ...] = ()

    def apply(self, workers: Workers) -> None:
        workers.map(_Removal.carry_out, [removal for removal in self.removals if removal.found.is_index])
        kept = {tag for removal in self.removals if removal.failed for tag in removal.tags}
        parts = [removal for removal in self.removals if not removal.found.is_index]
        for removal in parts:
            above = [tag for tag in removal.above if tag in kept]
            if above and not removal.alone:
                removal.fail(InUse(f"{removal.images[0].requested} stays, since {_told(above)} could not be removed and needs it"))
        workers.map(_Removal.carry_out, [removal for removal in parts if not removal.failed])

    def facts(self) -> dict[str, t.Any]:
        done = [removal for removal in self.removals if not removal.failed]
        return {
            **super().facts(),
            "untagged": [str(tag) for removal in done for tag in removal.tags],
            "deleted": [str(removal.found.digest) for removal in done if not removal.alone],
            "bytes_freed": 0,
        }


def plan_remove_remote(
    references: t.Sequence[Reference], opened: t.Callable[[Reference], Repository], force: bool, workers: Workers
) -> RemoteRemovalPlan:
    """What goes when REFERENCES are removed at their registries; what isn't there is no change. With FORCE other tags of a digest go with it."""

    def look_up(reference: Reference) -> _RequestedImage:
        row = ImagePlan(str(reference.name))
        try:
            repository = opened(reference)
            found = repository.probe(reference.name)
        except LongshoreError as error:
            row.error = error
            return _RequestedImage(reference, row)
        if found is None or reference.digest not in (None, found.digest):
            return _RequestedImage(reference, row)
        row.results = {"digest": str(found.digest), "media_type": found.media_type, "endpoint": repository.endpoint.url}
        return _RequestedImage(reference, row, repository, found)

    asked = workers.map(look_up, list(dict.fromkeys(references)))
    tags = _all_tags(asked, workers)
    leaving = {one.reference.name for one in asked if one.found is not None and one.row.error is None}
    removals = [removal for group in _by_digest(asked) for removal in _plan_digest(group, tags[group[0].reference.context], leaving, force)]
    rows = {id(row): row for row in (*(one.row for one in asked), *(image for removal in removals for image in removal.images))}
    return RemoteRemovalPlan(list(rows.values()), removals=tuple(removals))


def _by_digest(asked: t.Sequence[_RequestedImage]) -> list[list[_RequestedImage]]:
    """Those that are there, by repository and digest."""
    groups: dict[tuple[str, Digest], list[_RequestedImage]] = {}
    for one in asked:
        if one.found is not None and one.row.error is None:
            groups.setdefault((one.reference.context, one.found.digest), []).append(one)
    return list(groups.values())


# What else is there.


def _all_tags(asked: t.Sequence[_RequestedImage], workers: Workers) -> dict[str, list[_Tag]]:
    """All tags of the repositories that something is to leave. Where they can't be known, what was asked for there gets the error."""
    from ..registry import tags as listing

    errors: dict[str, LongshoreError] = {}
    repositories = {one.repository.name: one.repository for one in asked if one.repository is not None}

    def list_tags(repository: Repository) -> list[Reference]:
        try:
            return sorted(listing.list_tags(repository) or ())
        except LongshoreError as error:
            errors[repository.name] = error
            return []

    known: dict[Digest, frozenset[Digest]] = {}

    def look_at(reference: Reference) -> _Tag | None:
        try:
            return _look_at(repositories[reference.context], reference, known)
        except LongshoreError as error:
            errors[reference.context] = error
            return None

    listed = [reference for found in workers.map(list_tags, list(repositories.values())) for reference in found]
    tags: dict[str, list[_Tag]] = {name: [] for name in repositories}
    for tag in workers.map(look_at, listed):
        if tag is not None:
            tags[tag.reference.context].append(tag)
    for one in asked:
        one.row.error = one.row.error or errors.get(one.reference.context)
    return tags


def _look_at(repository: Repository, reference: Reference, known: dict[Digest, frozenset[Digest]]) -> _Tag | None:
    """What a tag points at. KNOWN holds the indexes that were read, for the other tags: a registry may list a hundred thousand for one large index."""
    try:
        found = repository.probe(reference)
        if found is None:
            return None
        if found.is_index and found.digest not in known:
            index = read_manifest(repository.read_document(found), found.media_type, str(reference))
            known[found.digest] = frozenset(child.digest for child in index.manifests) if isinstance(index, Index) else frozenset()
    except UnsupportedFormat:
        return _Tag(reference, None)
    return _Tag(reference, found.digest, known.get(found.digest, frozenset()))


# What goes.


def _plan_digest(group: t.Sequence[_RequestedImage], there: t.Sequence[_Tag], leaving: t.Collection[Reference], force: bool) -> list[_Removal]:
    """What becomes of one digest of a repository: GROUP are the names by which it was asked for, LEAVING all names that go in this run."""
    first = group[0]
    if first.found is None or first.repository is None:
        return []
    digest = first.found.digest
    staying = [tag for tag in there if tag.reference not in leaving]
    others = [tag.reference for tag in staying if tag.digest == digest]
    listing = [tag.reference for tag in staying if digest in tag.listed]
    unclear = [tag.reference for tag in staying if tag.digest is None]
    if not force and (others or listing or unclear):
        return _alone(group, (*others, *listing, *unclear))
    images = [one.row for one in group]
    for row in images:
        row.actions = (f"remove {row.requested} ({short_digest(digest)}) from its registry",)
    for other in others:
        actions = (f"remove {other} ({short_digest(digest)}) from its registry, since it has the same digest",)
        images.append(ImagePlan(str(other), results=dict(first.row.results), actions=actions))
    if listing:
        images[0].warnings = (f"the index of {_told(listing)} lists {digest} and isn't whole any more",)
    for row in images:
        row.changes = (RefChange(row.requested, RefState(digest), None),)
    tags = dict.fromkeys((*(one.reference.name for one in group if one.reference.tag is not None), *others))
    above = tuple(tag.reference for tag in there if digest in tag.listed and tag.reference in leaving)
    return [_Removal(first.repository, first.found, images, tuple(tags), above=above)]


def _alone(group: t.Sequence[_RequestedImage], sharing: tuple[Reference, ...]) -> list[_Removal]:
    """The tags of GROUP go alone, and what they point at stays for those that are SHARING it; so a digest can't go."""
    removals: list[_Removal] = []
    for one in group:
        if one.found is None or one.repository is None:
            continue
        if one.reference.tag is None:
            one.row.error = InUse(f"{one.reference} may be needed by {_told(sharing)}; remove those first, or use force")
            continue
        name, digest = one.row.requested, one.found.digest
        one.row.actions = (f"remove {name} ({short_digest(digest)}) from its registry, and keep the digest for {_told(sharing)}",)
        one.row.changes = (RefChange(name, RefState(digest), None),)
        removals.append(_Removal(one.repository, one.found, [one.row], (one.reference.name,), True, sharing))
    return removals


def _told(references: t.Sequence[Reference]) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(references) - MAX_TOLD} more" if len(references) > MAX_TOLD else ""
    return ", ".join(str(reference) for reference in references[:MAX_TOLD]) + more
