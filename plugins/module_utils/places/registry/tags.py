# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tags of a repository, and what they need: a registry deletes a manifest with all of its tags."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ...errors import ImageNotFound, LongshoreError, UnsupportedFormat
from ...limits import MAX_LEVELS
from ...oci.digest import Digest
from ...oci.manifest import Descriptor, Index, read_manifest
from ...oci.reference import Reference
from ...oci.text import sanitise
from ...transfer.workers import Workers
from .tag_guard import TagGuard

if t.TYPE_CHECKING:
    from ...registry.repository import Repository
    from ...registry.tags import TagList


@dataclasses.dataclass(frozen=True)
class RepositoryTag:
    """A tag of a repository, and the `members` of its index at every level. `found` is None if its manifest, or that of a member, has an unknown format,
    or if no client can request its name: then it may need any digest.
    """

    reference: Reference
    found: Descriptor | None
    members: frozenset[Digest] = frozenset()

    @property
    def digest(self) -> Digest | None:
        return self.found.digest if self.found is not None else None


@dataclasses.dataclass(frozen=True)
class RepositoryTags:
    """All tags of a repository, and the guard that deletes there while they are unchanged. `error` is why some of them can't be read."""

    tags: t.Sequence[RepositoryTag]
    guard: TagGuard
    error: LongshoreError | None = None


def read_tags(repositories: t.Mapping[str, Repository], workers: Workers) -> dict[str, RepositoryTags]:
    """Return the tags of each repository, by the repository's name."""
    from ...registry.tags import TagList, read_tag_list

    started = time.monotonic()
    errors: dict[str, LongshoreError] = {}

    def read_names(repository: Repository) -> TagList:
        try:
            return read_tag_list(repository) or TagList()
        except LongshoreError as error:
            errors[repository.name] = error
            return TagList()

    indexes: dict[Digest, frozenset[Digest]] = {}

    def read_tag(reference: Reference) -> RepositoryTag | None:
        try:
            return _inspect_tag(repositories[reference.context], reference, indexes)
        except LongshoreError as error:
            errors[reference.context] = error
            return None

    lists = dict(zip(repositories, workers.map(read_names, list(repositories.values()))))
    names = [name for listed in lists.values() for name in sorted(listed.tags)]
    found = dict(zip(names, workers.map(read_tag, names)))
    finished = time.monotonic()
    return {
        name: _collect_tags(repository, lists[name], found, (finished, finished - started), errors.get(name))
        for name, repository in repositories.items()
    }


def _collect_tags(
    repository: Repository,
    listed: TagList,
    found: t.Mapping[Reference, RepositoryTag | None],
    checked: tuple[float, float],
    error: LongshoreError | None,
) -> RepositoryTags:
    by_name = {name: found[name] for name in sorted(listed.tags)}
    tags = [tag for tag in by_name.values() if tag is not None]
    unreadable = {tag.reference for tag in tags if tag.digest is None}
    digests = {name: tag.digest if tag is not None else None for name, tag in by_name.items() if name not in unreadable}
    guard = TagGuard(repository, digests, {*(str(name.tag) for name in unreadable), *listed.unusable}, checked)
    # Nobody can find out what these tags need. Their names are only shown.
    unusable = [RepositoryTag(Reference(repository.registry, repository.repository, repr(sanitise(name, 100))), None) for name in listed.unusable]
    return RepositoryTags([*tags, *unusable], guard, error)


def _inspect_tag(repository: Repository, reference: Reference, indexes: dict[Digest, frozenset[Digest]]) -> RepositoryTag | None:
    """Return what a tag points at, None if it is gone.

    INDEXES caches the indexes that were read: a registry may list a hundred thousand tags for one large index.
    """
    try:
        found = repository.probe(reference)
        if found is None:
            return None
        if found.digest not in indexes:
            indexes[found.digest] = frozenset(list_members(repository, found))
    except UnsupportedFormat:
        return RepositoryTag(reference, None)
    return RepositoryTag(reference, found, indexes[found.digest])


def list_members(repository: Repository, image: Descriptor) -> list[Digest]:
    """Return the digests of all that an index lists, at every level. A registry may have an index without its members.

    Raises UnsupportedFormat and the errors of the registry.
    """
    members: dict[Digest, None] = {}
    pending = [image] if image.is_index else []
    for _level in range(MAX_LEVELS):
        children = [child for index in pending for child in _read_index(repository, index) if child.digest not in members]
        members.update(dict.fromkeys(child.digest for child in children))
        pending = [child for child in children if child.is_index]
    return list(members)


def _read_index(repository: Repository, index: Descriptor) -> t.Sequence[Descriptor]:
    try:
        parsed = read_manifest(repository.read_document(index), index.media_type, f"{repository.name}@{index.digest}")
    except ImageNotFound:
        return ()
    return parsed.manifests if isinstance(parsed, Index) else ()
