# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to prune repositories of a registry by a retention policy."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import ImageNotFound, InvalidOption, LongshoreError, Unreachable
from ..oci.digest import Digest
from ..oci.glob import compile_glob, is_glob
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..places.facts import short_digest
from ..places.registry.contents import RemoteTag, RepositoryContents
from ..places.registry.repository_reader import RepositoryReader, TagCriteria, read_repositories
from ..places.registry.tag_guard import TagGuard
from ..transfer.plan import ImageFacts, ImagePlan, Outcome, Plan, RefChange, RefState, Step
from ..transfer.workers import Workers
from .registry_policy import RegistryPolicy

if t.TYPE_CHECKING:
    from ..registry.registries import Registries

# Status codes of registries that allow no deletion.
_DELETION_DISABLED = frozenset((405, 501))


@dataclasses.dataclass(frozen=True)
class _Deletion:
    """The deletion of a manifest with all its tags. `rows` are its images in the results."""

    digest: Digest
    tags: tuple[Reference, ...]
    rows: tuple[ImagePlan, ...]


@dataclasses.dataclass(frozen=True)
class _RepositoryPlan:
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

    plans: t.Sequence[_RepositoryPlan]

    def apply(self, workers: Workers) -> Outcome:
        failures: dict[ImagePlan, LongshoreError] = {}
        broken: list[LongshoreError] = []

        def prune(plan: _RepositoryPlan) -> None:
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
    plans: t.Sequence[_RepositoryPlan] = ()

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


def plan_prune_registry(
    registries: Registries,
    registry: str,
    repositories: t.Sequence[str],
    rules: RegistryPolicy,
    *,
    host: Platform,
    now: datetime.datetime,
    workers: Workers,
) -> RegistryPrunePlan:
    """Plan to remove the images that RULES remove from the REPOSITORIES of REGISTRY at the time NOW. These are names, and globs on the catalog.

    A repository that can't be read completely, or doesn't exist, is not changed, and has an error in the plan.
    Raises TooManyRemovals if more would be removed than RULES allow, and the errors of reading the catalog.
    """
    rules.filters.check_for_registry()
    criteria = TagCriteria(rules.filters, rules.tag_pattern, rules.protection, host, rules.policy.judges_names)
    chosen = choose_repositories(registries, registry, repositories)
    all_readers = [RepositoryReader(registries.repository(reference, direct=True), criteria) for reference in chosen.references]
    found = workers.map(RepositoryReader.list_tags, all_readers)
    readers = [reader for reader, is_there in zip(all_readers, found) if is_there]
    missing = [reader for reader, is_there in zip(all_readers, found) if not is_there and reader.context in chosen.named]
    read_repositories(readers, workers)
    plans = _plan_repositories(readers, rules, now, workers)
    if rules.at_most is not None:
        whole = [reader.contents for reader in readers if reader.error is None]
        total = sum(len(contents.images) for contents in whole)
        rules.at_most.check(sum(len(plan.contents.images & plan.deleted) for plan in plans), total, registry)
    rows = [row for plan in plans for deletion in plan.deletions for row in deletion.rows]
    frozen = [ImagePlan(reader.context.context, error=reader.error) for reader in readers if reader.error is not None]
    absent = [
        ImagePlan(reader.context.context, error=ImageNotFound(f"{registry} doesn't have the repository {reader.context.repository}", 404))
        for reader in missing
    ]
    return RegistryPrunePlan(
        [*rows, *frozen, *absent],
        steps=[_RemoveFromRegistry(plans)] if plans else [],
        extra_warnings=chosen.warnings,
        registry=registry,
        readers=readers,
        plans=plans,
    )


@dataclasses.dataclass(frozen=True)
class ChosenRepositories:
    """The repositories to prune. `named` are those that the task names without a glob."""

    references: tuple[Reference, ...]
    named: frozenset[Reference]
    warnings: tuple[str, ...]


def choose_repositories(registries: Registries, registry: str, texts: t.Sequence[str]) -> ChosenRepositories:
    """Return the repositories that TEXTS name, and those of the catalog that match the globs among them.

    Raises InvalidOption if there is no text, and the errors of reading the catalog.
    """
    from ..registry.tags import list_repositories, repository_reference

    if not any(texts):
        raise InvalidOption("repositories is empty; name repositories, or give globs such as */*")
    named = [_bare(repository_reference(registry, text)) for text in texts if not is_glob(text)]
    globs = {text: compile_glob(text) for text in texts if is_glob(text)}
    catalog = [_bare(reference) for reference in list_repositories(registries.endpoint(registry))] if globs else []
    matching = {text: [reference for reference in catalog if pattern.match(reference.repository)] for text, pattern in globs.items()}
    warnings = tuple(f"repositories: {text} matches no repository of {registry}" for text, found in matching.items() if not found)
    unique = dict.fromkeys([*named, *(reference for found in matching.values() for reference in found)])
    return ChosenRepositories(tuple(sorted(unique)), frozenset(named), warnings)


def _bare(reference: Reference) -> Reference:
    return Reference(reference.registry, reference.repository)


def _plan_repositories(
    readers: t.Sequence[RepositoryReader], rules: RegistryPolicy, now: datetime.datetime, workers: Workers
) -> tuple[_RepositoryPlan, ...]:
    """Return the deletions in each repository. Repositories that can't be read completely, or where nothing is deleted, are left out."""
    # As in a store, an image stays with all its names if one of them is protected.
    protected = {tag.digest for reader in readers for tag in reader.contents.tags if tag.protected}
    for reader in readers:
        reader.protect_tags(protected)
    pruned = [reader for reader in readers if reader.error is None and reader.contents.select_deletions(rules.policy, now)]
    # A protected image may have no tag, and share members with images that are deleted.
    workers.map(lambda reader: reader.protect_untagged(sorted(rules.protection.digests_in(reader.context))), pruned)
    plans = [_plan_repository(reader, reader.contents.select_deletions(rules.policy, now)) for reader in pruned if reader.error is None]
    return tuple(plan for plan in plans if plan.deletions)


def _plan_repository(reader: RepositoryReader, deleted: t.Sequence[Digest]) -> _RepositoryPlan:
    tags: dict[Digest, list[RemoteTag]] = {}
    for tag in reader.contents.tags:
        tags.setdefault(tag.digest, []).append(tag)
    return _RepositoryPlan(
        reader,
        tuple(
            _Deletion(digest, tuple(tag.name for tag in tags.get(digest, ())), tuple(_rows(reader.contents, digest, tags.get(digest, ()))))
            for digest in deleted
        ),
    )


def _rows(contents: RepositoryContents, digest: Digest, tags: t.Sequence[RemoteTag]) -> t.Iterator[ImagePlan]:
    """Yield a row for each tag of a deleted manifest, or one row if it has none."""
    descriptor = contents.manifests[digest].descriptor
    state = RefState(digest)
    size = sum(contents.content_of(contents.reach_members(digest)).values())
    for tag in tags:
        yield ImagePlan(
            requested=str(tag.name),
            image=ImageFacts(str(tag.name), digest, tag.image_id, descriptor.media_type, tag.platforms, size),
            changes=(RefChange(str(tag.name), state, None),),
            actions=(f"remove {tag.name} ({short_digest(digest)}) from its registry",),
        )
    if not tags:
        name = str(contents.context.with_digest(digest))
        yield ImagePlan(
            requested=name,
            image=ImageFacts(None, digest, contents.manifests[digest].config, descriptor.media_type, (), size),
            changes=(RefChange(name, state, None),),
            actions=(f"remove {name} from its registry, where no remaining image needs it",),
        )
