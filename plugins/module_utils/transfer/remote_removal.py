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
from .describe import short
from .plan import ImagePlan, Plan, RefChange, RefState
from .workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository

MAX_TOLD = 5


@dataclasses.dataclass
class _Asked:
    """An image that is to go: what its name points at, None where it isn't there."""

    reference: Reference
    repository: Repository | None = None
    found: Descriptor | None = None
    error: LongshoreError | None = None


@dataclasses.dataclass(frozen=True)
class _Tag:
    """A tag of a repository, and the digests that its index lists. `digest` is None for one that can't be understood, and so may need anything."""

    reference: Reference
    digest: Digest | None
    listed: frozenset[Digest] = frozenset()


@dataclasses.dataclass
class _Removal:
    """One deletion: of a manifest with all of its tags, or of a tag alone, since others `share` its digest. IMAGES are the rows that it is about."""

    repository: Repository
    found: Descriptor
    images: list[ImagePlan]
    tags: tuple[Reference, ...]
    alone: bool = False
    sharing: tuple[Reference, ...] = ()

    def carry_out(self) -> None:
        from ..registry.deletion import delete_manifest, delete_tag

        try:
            if not self.alone:
                delete_manifest(self.repository, self.found.digest)
            elif not delete_tag(self.repository, self.tags[0]):
                registry = self.repository.registry
                raise InUse(
                    f"{self.tags[0]}: {registry} can't delete a tag alone, and {_told(self.sharing)} may need its digest; with force it goes anyway"
                )
        except LongshoreError as error:
            for image in self.images:
                image.error = error


@dataclasses.dataclass
class RemoteRemovalPlan(Plan):
    """Deletions at registries: indexes before the manifests that they may list."""

    removals: tuple[_Removal, ...] = ()

    def apply(self, workers: Workers) -> None:
        for of_index in (True, False):
            workers.map(_Removal.carry_out, [removal for removal in self.removals if removal.found.is_index == of_index])

    def facts(self) -> dict[str, t.Any]:
        done = [removal for removal in self.removals if all(image.error is None for image in removal.images)]
        return {
            **super().facts(),
            "untagged": [str(tag) for removal in done for tag in removal.tags],
            "deleted": [str(removal.found.digest) for removal in done if not removal.alone],
            "bytes_freed": 0,
        }


def plan_remote_removal(
    references: t.Sequence[Reference], opened: t.Callable[[Reference], Repository], force: bool, workers: Workers
) -> RemoteRemovalPlan:
    """What goes when REFERENCES are removed at their registries; what isn't there is no change. With FORCE other tags of a digest go with it."""

    def look_up(reference: Reference) -> _Asked:
        try:
            repository = opened(reference)
            found = repository.probe(reference.name)
        except LongshoreError as error:
            return _Asked(reference, error=error)
        return _Asked(reference, repository, found if found is not None and reference.digest in (None, found.digest) else None)

    asked = workers.map(look_up, list(dict.fromkeys(references)))
    tags = _all_tags(asked, workers)
    rows = {id(one): _row(one) for one in asked}
    removals: list[_Removal] = []
    further: list[ImagePlan] = []
    for group in _by_digest(asked):
        there = tags.get(group[0].reference.context, [])
        planned = _plan_digest(group, there, {one.reference.name for one in asked}, rows, force)
        removals += planned
        known = {id(row) for row in rows.values()}
        further += [image for removal in planned for image in removal.images if id(image) not in known]
    return RemoteRemovalPlan([*rows.values(), *further], removals=tuple(removals))


def _row(asked: _Asked) -> ImagePlan:
    row = ImagePlan(str(asked.reference.name), error=asked.error)
    if asked.found is not None and asked.repository is not None:
        row.own = {"digest": str(asked.found.digest), "media_type": asked.found.media_type, "endpoint": asked.repository.endpoint.url}
    return row


def _by_digest(asked: t.Sequence[_Asked]) -> list[list[_Asked]]:
    """Those that are there, by repository and digest."""
    groups: dict[tuple[str, Digest], list[_Asked]] = {}
    for one in asked:
        if one.found is not None and one.error is None:
            groups.setdefault((one.reference.context, one.found.digest), []).append(one)
    return list(groups.values())


# What else is there.


def _all_tags(asked: t.Sequence[_Asked], workers: Workers) -> dict[str, list[_Tag]]:
    """All tags of the repositories that something is to leave. Where they can't be known, what was asked for there gets the error."""
    from ..registry import listing

    repositories = {one.reference.context: one.repository for one in asked if one.found is not None and one.repository is not None}

    def list_tags(repository: Repository) -> list[tuple[Repository, Reference]] | LongshoreError:
        try:
            return [(repository, tag) for tag in sorted(listing.tags(repository) or ())]
        except LongshoreError as error:
            return error

    def look_at(tag: tuple[Repository, Reference]) -> _Tag | LongshoreError | None:
        try:
            return _look_at(*tag)
        except LongshoreError as error:
            return error

    listed = dict(zip(repositories, workers.map(list_tags, list(repositories.values()))))
    wanted = [tag for found in listed.values() if not isinstance(found, LongshoreError) for tag in found]
    tags: dict[str, list[_Tag]] = {context: [] for context in repositories}
    errors = {context: found for context, found in listed.items() if isinstance(found, LongshoreError)}
    for tag, found in zip(wanted, workers.map(look_at, wanted)):
        if isinstance(found, LongshoreError):
            errors[tag[1].context] = found
        elif found is not None:
            tags[found.reference.context].append(found)
    for one in asked:
        one.error = one.error or errors.get(one.reference.context)
    return tags


def _look_at(repository: Repository, reference: Reference) -> _Tag | None:
    try:
        found = repository.probe(reference)
        if found is None:
            return None
        index = read_manifest(repository.read(found), found.media_type, str(reference)) if found.is_index else None
    except UnsupportedFormat:
        return _Tag(reference, None)
    listed = frozenset(child.digest for child in index.manifests) if isinstance(index, Index) else frozenset()
    return _Tag(reference, found.digest, listed)


# What goes.


def _plan_digest(
    group: t.Sequence[_Asked], there: t.Sequence[_Tag], leaving: t.Collection[Reference], rows: t.Mapping[int, ImagePlan], force: bool
) -> list[_Removal]:
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
        return _alone(group, rows, (*others, *listing, *unclear))
    images = [rows[id(one)] for one in group]
    tags = tuple(dict.fromkeys([*(one.reference.name for one in group if one.reference.tag is not None), *others]))
    for one in group:
        rows[id(one)].actions = (f"remove {one.reference.name} ({short(digest)}) from its registry",)
    for other in others:
        actions = (f"remove {other} ({short(digest)}) from its registry, since it has the same digest",)
        images.append(ImagePlan(str(other), own=dict(rows[id(first)].own), actions=actions))
    if listing:
        images[0].warnings = (f"the index of {_told(listing)} lists {digest} and isn't whole any more",)
    for image in images:
        image.changes = (RefChange(image.asked, RefState(digest), None),)
    return [_Removal(first.repository, first.found, images, tags)]


def _alone(group: t.Sequence[_Asked], rows: t.Mapping[int, ImagePlan], sharing: tuple[Reference, ...]) -> list[_Removal]:
    """The tags of GROUP go alone, and what they point at stays for those that are SHARING it; so a digest can't go."""
    removals: list[_Removal] = []
    for one in group:
        row = rows[id(one)]
        if one.found is None or one.repository is None:
            continue
        if one.reference.tag is None:
            row.error = InUse(f"{one.reference} may be needed by {_told(sharing)}; remove those first, or use force")
            continue
        row.actions = (f"remove {one.reference.name} ({short(one.found.digest)}) from its registry, and keep the digest for {_told(sharing)}",)
        row.changes = (RefChange(row.asked, RefState(one.found.digest), None),)
        removals.append(_Removal(one.repository, one.found, [row], (one.reference.name,), True, sharing))
    return removals


def _told(references: t.Sequence[Reference]) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(references) - MAX_TOLD} more" if len(references) > MAX_TOLD else ""
    return ", ".join(str(reference) for reference in references[:MAX_TOLD]) + more
