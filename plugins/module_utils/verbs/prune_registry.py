# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to prune repositories of a registry: which ones are meant, and which images a policy removes. `places/registry/pruning` plans what that deletes."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import InvalidOption
from ..oci.glob import compile_glob, is_glob
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..places.registry.pruning import RegistryPrunePlan, RepositoryPlan, plan_pruning, plan_repository
from ..places.registry.repository_reader import RepositoryReader, TagCriteria, read_repositories
from ..transfer.workers import Workers
from .registry_policy import RegistryPolicy

if t.TYPE_CHECKING:
    from ..registry.registries import Registries


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
    return plan_pruning(registry, readers, plans, missing, chosen.warnings)


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
) -> tuple[RepositoryPlan, ...]:
    """Return the deletions in each repository. Repositories that can't be read completely, or where nothing is deleted, are left out."""
    # As in a store, an image stays with all its names if one of them is protected.
    protected = {tag.digest for reader in readers for tag in reader.contents.tags if tag.protected}
    for reader in readers:
        reader.protect_tags(protected)
    pruned = [reader for reader in readers if reader.error is None and reader.contents.select_deletions(rules.policy, now)]
    # A protected image may have no tag, and share members with images that are deleted.
    workers.map(lambda reader: reader.protect_untagged(sorted(rules.protection.digests_in(reader.context))), pruned)
    plans = [plan_repository(reader, reader.contents.select_deletions(rules.policy, now)) for reader in pruned if reader.error is None]
    return tuple(plan for plan in plans if plan.deletions)
