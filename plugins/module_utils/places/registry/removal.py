# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what a removal deletes at a registry: tags, and the manifests that nothing needs afterwards.

A registry deletes a manifest with all its tags. So all tags of the repository are read first. If other tags have the same digest, or if the index of another
tag lists it, only the requested tag is deleted.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import InUse, LongshoreError
from ...oci.digest import Digest
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Outcome, Plan, RefChange, RefState, Step
from ...transfer.workers import Workers
from ..catalog import refused_row, with_removed_referrers
from .referrers_to_remove import ReferrersToRemove, find_referrers_to_remove
from .removed_image import RegistryRows, RemovedImage
from .tag_guard import TagGuard
from .tags import RepositoryTag, read_tags

if t.TYPE_CHECKING:
    from ...registry.repository import Repository

MAX_LISTED = 5


@dataclasses.dataclass(frozen=True)
class FoundImage:
    """An image that a reference names at its registry. `found` is what the name points at."""

    reference: Reference
    repository: Repository
    found: Descriptor

    def row(self, note: str = "") -> ImagePlan:
        """Return the row of its removal. NOTE is the end of the action."""
        facts = {"digest": str(self.found.digest), "media_type": self.found.media_type, "endpoint": self.repository.endpoint.url}
        name = self.reference.name
        return RemovedImage(str(name), name, self.found.digest, {"name": str(name), **facts}).row(note)


@dataclasses.dataclass(frozen=True)
class _Removal:
    """One deletion: of a manifest with all its tags or, if the tags `sharing` need its digest, of a tag `alone`. `images` are its rows in the results.

    The tags `parents`, whose indexes list the manifest, and its `referrers` are deleted first. If that fails for one of them, the manifest is kept.
    """

    repository: Repository
    found: Descriptor
    images: tuple[ImagePlan, ...]
    tags: tuple[Reference, ...]
    alone: bool = False
    sharing: tuple[Reference, ...] = ()
    parents: tuple[Reference, ...] = ()
    referrers: ReferrersToRemove = dataclasses.field(default_factory=ReferrersToRemove)

    @property
    def untagged(self) -> list[str]:
        return [str(tag) for tag in (*self.tags, *(tag for manifest in self.referrers.manifests for tag in manifest.tags))]

    @property
    def deleted(self) -> list[str]:
        return [] if self.alone else [str(found.digest) for found in (self.found, *(manifest.found for manifest in self.referrers.manifests))]

    def delete(self, guard: TagGuard) -> LongshoreError | None:
        """Delete it, and return the error if that fails or if GUARD finds that the tags of the repository changed."""
        try:
            if not self.alone:
                for manifest in self.referrers.manifests:
                    guard.delete_manifest(manifest.found.digest)
                guard.delete_manifest(self.found.digest)
            elif not guard.delete_tag(self.tags[0]):
                what = f"{self.tags[0]}: {self.repository.registry} can't delete a tag alone, and {_list_some(self.sharing)} may need its digest"
                raise InUse(f"{what}; force would delete the digest, and with it every tag that has it")
        except LongshoreError as error:
            return error
        return None


@dataclasses.dataclass(frozen=True)
class _RemoveFromRegistries(Step):
    """Delete indexes before their members, which may be indexes too."""

    removals: t.Sequence[_Removal]
    guards: t.Mapping[str, TagGuard]

    def apply(self, workers: Workers) -> Outcome:
        kept: set[Reference] = set()

        def delete(removal: _Removal) -> LongshoreError | None:
            parents = [tag for tag in removal.parents if tag in kept]
            if parents and not removal.alone:
                return InUse(f"{removal.images[0].requested} stays, since {_list_some(parents)} could not be removed and needs it")
            return removal.delete(self.guards[removal.repository.name])

        errors: dict[ImagePlan, LongshoreError] = {}
        for removals in _parents_first(self.removals):
            for removal, error in zip(removals, workers.map(delete, removals)):
                if error is not None:
                    kept.update(removal.tags)
                    errors.update(dict.fromkeys(removal.images, error))
        return Outcome(errors)


def _parents_first(removals: t.Sequence[_Removal]) -> t.Iterator[list[_Removal]]:
    """Yield REMOVALS in groups: each manifest in a later group than the indexes that list it."""
    pending = list(removals)
    while pending:
        tags = {tag for removal in pending for tag in removal.tags}
        yield [removal for removal in pending if tags.isdisjoint(removal.parents)]
        pending = [removal for removal in pending if not tags.isdisjoint(removal.parents)]


@dataclasses.dataclass(frozen=True)
class RemoteRemovalPlan(Plan):
    """Deletions at registries."""

    removals: tuple[_Removal, ...] = ()

    def facts(self) -> dict[str, t.Any]:
        done = [removal for removal in self.removals if not any(self.error_of(image) for image in removal.images)]
        return {
            **super().facts(),
            "untagged": [tag for removal in done for tag in removal.untagged],
            "deleted": [digest for removal in done for digest in removal.deleted],
            "bytes_freed": 0,
        }


def plan_removal(chosen: t.Sequence[FoundImage | ImagePlan], *, force: bool, workers: Workers) -> RemoteRemovalPlan:
    """Plan to delete the images of CHOSEN, with their referrers; the rows among them are of images that are absent or can't be read.

    With FORCE all other tags of a digest are deleted with it.
    """
    read = read_tags({one.repository.name: one.repository for one in chosen if isinstance(one, FoundImage)}, workers)
    rows: dict[str, ImagePlan] = {}
    removable: list[FoundImage] = []
    for one in chosen:
        if isinstance(one, ImagePlan):
            rows[one.requested] = one
            continue
        error = read[one.repository.name].error
        if error is None:
            removable.append(one)
        row = one.row()
        rows[row.requested] = row if error is None else refused_row(row, error)
    removed = {image.reference.name for image in removable}
    removals: list[_Removal] = []
    for group in _by_digest(removable):
        planned, refused = _plan_digest(group, read[group[0].repository.name].tags, removed, force)
        removals += planned
        rows.update((row.requested, row) for row in refused)
    removals, with_unknown_referrers = _add_referrers(removals, {name: found.tags for name, found in read.items()}, workers)
    # A row replaces that of the same name and keeps its position; names that go with a digest come last.
    rows.update((row.requested, row) for row in (*(row for removal in removals for row in removal.images), *with_unknown_referrers))
    guards = {name: found.guard for name, found in read.items()}
    return RemoteRemovalPlan(
        list(rows.values()),
        steps=[_RemoveFromRegistries(removals, guards)] if removals else [],
        removals=tuple(removals),
    )


def _by_digest(images: t.Sequence[FoundImage]) -> list[list[FoundImage]]:
    """Group IMAGES by repository and digest."""
    groups: dict[tuple[str, Digest], list[FoundImage]] = {}
    for image in images:
        groups.setdefault((image.repository.name, image.found.digest), []).append(image)
    return list(groups.values())


def _add_referrers(
    removals: t.Sequence[_Removal], tags: t.Mapping[str, t.Sequence[RepositoryTag]], workers: Workers
) -> tuple[list[_Removal], list[ImagePlan]]:
    """Return REMOVALS with the referrers to remove with each manifest, and the rows of images that are kept because their referrers can't be read."""
    removed = {tag for removal in removals for tag in removal.tags}
    planned = {(removal.repository.name, removal.found.digest) for removal in removals}

    def find(removal: _Removal) -> ReferrersToRemove | LongshoreError:
        try:
            return (
                ReferrersToRemove()
                if removal.alone
                else find_referrers_to_remove(removal.repository, removal.found, tags[removal.repository.name], removed)
            )
        except LongshoreError as error:
            return error

    added: list[_Removal] = []
    with_unknown_referrers: list[ImagePlan] = []
    for removal, found in zip(removals, workers.map(find, removals)):
        if isinstance(found, LongshoreError):
            with_unknown_referrers += [refused_row(image, found) for image in removal.images]
            continue
        # An index and its members can be removed together, and have the same referrers.
        name = removal.repository.name
        own = found.without({digest for repository, digest in planned if repository == name})
        planned.update((name, manifest.found.digest) for manifest in own.manifests)
        first, *others = (_with_referrers(image, own) for image in removal.images)
        images = (dataclasses.replace(first, warnings=(*first.warnings, *own.warnings)), *others)
        added.append(dataclasses.replace(removal, images=images, referrers=own))
    return added, with_unknown_referrers


def _with_referrers(image: ImagePlan, found: ReferrersToRemove) -> ImagePlan:
    """Return IMAGE, the row of a removed name, with the referrers that are removed with it."""
    tags = [(tag, manifest.found.digest) for manifest in found.manifests for tag in manifest.tags]
    facts = [referrer.facts(changed=True) for referrer in found.referrers]
    return with_removed_referrers(RegistryRows(), image, facts, (RefChange(str(tag), RefState(digest), None) for tag, digest in tags))


def _plan_digest(
    group: t.Sequence[FoundImage], tags: t.Sequence[RepositoryTag], removed: t.Collection[Reference], force: bool
) -> tuple[list[_Removal], list[ImagePlan]]:
    """Plan the deletion of one digest of a repository, and return it with the rows of images that can't be deleted.

    GROUP are the names by which the digest was requested, TAGS all tags of the repository, REMOVED all names that this run deletes.
    """
    first = group[0]
    digest = first.found.digest
    remaining = [tag for tag in tags if tag.reference not in removed]
    others = [tag.reference for tag in remaining if tag.digest == digest]
    indexes = [tag.reference for tag in remaining if digest in tag.members]
    unclear = [tag.reference for tag in remaining if tag.digest is None]
    if not force and (others or indexes or unclear):
        return _plan_tags_alone(group, (*others, *indexes, *unclear))
    warning = f"the index of {_list_some(indexes)} lists {digest} and is incomplete now" if indexes else None
    rows = [image.row() for image in group]
    if warning is not None:
        rows[0] = dataclasses.replace(rows[0], warnings=(warning,))
    rows += [FoundImage(other, first.repository, first.found).row(", since it has the same digest") for other in others]
    names = dict.fromkeys((*(image.reference.name for image in group if image.reference.tag is not None), *others))
    parents = tuple(tag.reference for tag in tags if digest in tag.members and tag.reference in removed)
    return [_Removal(first.repository, first.found, tuple(rows), tuple(names), parents=parents)], []


def _plan_tags_alone(group: t.Sequence[FoundImage], sharing: tuple[Reference, ...]) -> tuple[list[_Removal], list[ImagePlan]]:
    """Plan to delete the tags of GROUP alone and keep their digest, which SHARING need. An image that was requested by digest can't be deleted then."""
    removals: list[_Removal] = []
    refused: list[ImagePlan] = []
    for image in group:
        if image.reference.tag is None:
            error = InUse(f"{image.reference} may be needed by {_list_some(sharing)}; remove those first, or use force")
            refused.append(refused_row(image.row(), error))
            continue
        row = image.row(f", and keep the digest for {_list_some(sharing)}")
        removals.append(_Removal(image.repository, image.found, (row,), (image.reference.name,), alone=True, sharing=sharing))
    return removals, refused


def _list_some(references: t.Sequence[Reference]) -> str:
    """Return the first of several names, and how many more there are."""
    more = f" and {len(references) - MAX_LISTED} more" if len(references) > MAX_LISTED else ""
    return ", ".join(str(reference) for reference in references[:MAX_LISTED]) + more
