# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what pruning deletes in the repositories of a registry, and count the bytes that this frees."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import ImageNotFound, LongshoreError, Unreachable
from ...oci.digest import Digest
from ...oci.reference import Reference
from ...transfer.plan import ImageFacts, ImagePlan, Outcome, Plan, Step
from ...transfer.workers import Workers
from .contents import RemoteTag, RepositoryContents
from .removed_image import RemovedImage
from .repository_reader import RepositoryReader
from .tag_guard import TagGuard

# Status codes of registries that allow no deletion.
_DELETION_DISABLED = frozenset((405, 501))


@dataclasses.dataclass(frozen=True)
class _Deletion:
    """The deletion of a manifest with all its tags. `rows` are its images in the results."""

    digest: Digest
    tags: tuple[Reference, ...]
    rows: tuple[ImagePlan, ...]


@dataclasses.dataclass(frozen=True)
class RepositoryPlan:
    """The deletions in one repository, in their order."""

    reader: RepositoryReader
    deletions: tuple[_Deletion, ...]

    @property
    def deleted(self) -> frozenset[Digest]:
        return frozenset(deletion.digest for deletion in self.deletions)

    @property
    def contents(self) -> RepositoryContents:
        return self.reader.contents

    def apply(self) -> tuple[int, LongshoreError | None]:
        """Delete the manifests. Return how many are deleted, and the error that ended this early."""
        done = 0
        guard = TagGuard(self.reader.repository, self.reader.tags)
        try:
            for deletion in self.deletions:
                guard.delete_manifest(deletion.digest)
                done += 1
        except LongshoreError as error:
            return done, error
        return done, None


@dataclasses.dataclass(frozen=True)
class _RemoveFromRegistry(Step):
    """Delete manifests in several repositories at once, in each one after the other. The first error in a repository ends the deletions there.

    If the registry can't be reached, or doesn't allow deletion at all, the remaining repositories fail with the same error.
    """

    plans: t.Sequence[RepositoryPlan]

    def apply(self, workers: Workers) -> Outcome:
        failures: dict[ImagePlan, LongshoreError] = {}
        broken: list[LongshoreError] = []

        def prune(plan: RepositoryPlan) -> None:
            done, error = (0, broken[0]) if broken else plan.apply()
            if isinstance(error, Unreachable) or (error is not None and error.status in _DELETION_DISABLED):
                broken.append(error)
            if error is not None:
                failures.update((row, error) for deletion in plan.deletions[done:] for row in deletion.rows)

        workers.map(prune, self.plans)
        if broken:
            # Several repositories may have met the same fault at once. The user needs to read it only once.
            failures.update((row, broken[0]) for row, error in failures.items() if type(error) is type(broken[0]))
        return Outcome(failures)


@dataclasses.dataclass(frozen=True)
class RegistryPrunePlan(Plan):
    """The plan that removes images from a registry. `readers` are all repositories that were read, `plans` the deletions in them."""

    registry: str = ""
    readers: t.Sequence[RepositoryReader] = ()
    plans: t.Sequence[RepositoryPlan] = ()

    def facts(self) -> dict[str, t.Any]:
        done = [
            (plan, deletion) for plan in self.plans for deletion in plan.deletions if not any(self.error_of(row) is not None for row in deletion.rows)
        ]
        deleted: dict[Reference, set[Digest]] = {}
        for plan, deletion in done:
            deleted.setdefault(plan.contents.context, set()).add(deletion.digest)
        usage = _Usage([reader.contents for reader in self.readers], deleted)
        return {
            **super().facts(),
            "registry": self.registry,
            "untagged": [str(tag) for _plan, deletion in done for tag in deletion.tags],
            "deleted": [str(digest) for digest in dict.fromkeys(deletion.digest for _plan, deletion in done)],
            "bytes_freed": usage.freed,
            "registry_size": usage.size,
            "repositories": [_repository_row(reader, usage, deleted) for reader in self.readers],
        }


class _Usage:
    """The sizes of the content of repositories, each digest counted once. DELETED are the manifests that are deleted from each of them."""

    def __init__(self, repositories: t.Sequence[RepositoryContents], deleted: t.Mapping[Reference, t.Collection[Digest]]) -> None:
        sizes: dict[Digest, int] = {}
        self._holders: dict[Digest, int] = {}
        staying: set[Digest] = set()
        for contents in repositories:
            content = contents.content_of(contents.manifests)
            sizes.update(content)
            for digest in content:
                self._holders[digest] = self._holders.get(digest, 0) + 1
            gone = deleted.get(contents.context, ())
            staying.update(contents.content_of(digest for digest in contents.manifests if digest not in gone))
        self.size = sum(sizes.values())
        self.freed = sum(size for digest, size in sizes.items() if digest not in staying)

    def of(self, contents: RepositoryContents) -> tuple[int, int]:
        """Return the size of a repository's content, and the size of the part that other repositories have too."""
        content = contents.content_of(contents.manifests)
        return sum(content.values()), sum(size for digest, size in content.items() if self._holders[digest] > 1)


def _repository_row(reader: RepositoryReader, usage: _Usage, deleted: t.Mapping[Reference, t.Collection[Digest]]) -> dict[str, t.Any]:
    contents = reader.contents
    gone = deleted.get(contents.context, ())
    size, shared = usage.of(contents)
    return {
        "name": contents.context.context,
        "tags": len(reader.tags),
        "images": len(contents.images),
        "size": size,
        "size_shared": shared,
        "removed_tags": [str(tag.name.tag) for tag in contents.tags if tag.digest in gone],
        "removed_images": len(contents.images.intersection(gone)),
        "frozen": reader.error is not None,
        "msg": reader.error.message if reader.error is not None else None,
    }


def plan_pruning(
    registry: str,
    readers: t.Sequence[RepositoryReader],
    plans: t.Sequence[RepositoryPlan],
    missing: t.Sequence[RepositoryReader],
    warnings: tuple[str, ...],
) -> RegistryPrunePlan:
    """Return the plan with the deletions PLANS. READERS are all repositories that were read, MISSING those that the registry doesn't have."""
    rows = [row for plan in plans for deletion in plan.deletions for row in deletion.rows]
    frozen = [ImagePlan(reader.context.context, error=reader.error) for reader in readers if reader.error is not None]
    absent = [
        ImagePlan(reader.context.context, error=ImageNotFound(f"{registry} doesn't have the repository {reader.context.repository}", 404))
        for reader in missing
    ]
    return RegistryPrunePlan(
        [*rows, *frozen, *absent],
        steps=[_RemoveFromRegistry(plans)] if plans else [],
        extra_warnings=warnings,
        registry=registry,
        readers=readers,
        plans=plans,
    )


def plan_repository(reader: RepositoryReader, deleted: t.Sequence[Digest]) -> RepositoryPlan:
    tags: dict[Digest, list[RemoteTag]] = {}
    for tag in reader.contents.tags:
        tags.setdefault(tag.digest, []).append(tag)
    return RepositoryPlan(
        reader,
        tuple(
            _Deletion(digest, tuple(tag.name for tag in tags.get(digest, ())), tuple(_rows(reader.contents, digest, tags.get(digest, ()))))
            for digest in deleted
        ),
    )


def _rows(contents: RepositoryContents, digest: Digest, tags: t.Sequence[RemoteTag]) -> t.Iterator[ImagePlan]:
    """Yield a row for each tag of a deleted manifest, or one row if it has none."""
    manifest = contents.manifests[digest]
    size = sum(contents.content_of(contents.reach_members(digest)).values())
    for tag in tags:
        facts = ImageFacts(str(tag.name), digest, tag.image_id, manifest.descriptor.media_type, tag.platforms, size).facts()
        yield RemovedImage(str(tag.name), tag.name, digest, facts).row()
    if not tags:
        facts = ImageFacts(None, digest, manifest.config, manifest.descriptor.media_type, (), size).facts()
        yield RemovedImage(str(contents.context.with_digest(digest)), None, digest, facts).row(", where no remaining image needs it")
