# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Search registries for repositories and their tags."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing as t

from ..errors import ImageNotFound, InvalidOption, UnsupportedFormat
from ..oci.manifest import Index, read_manifest
from ..oci.reference import DOCKER_HUB, Reference
from ..oci.regex import compile_regex
from ..oci.version_range import VersionRange
from ..oci.versions import Version, version_order
from ..registry import tags as listing
from ..registry.search import FoundRepository, search_repositories
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.registries import Registries


@dataclasses.dataclass(frozen=True)
class SearchQuery:
    """The conditions of a search: at most LIMIT repositories, and only those that match the conditions, which only docker.io supports.

    With EXACT the result is the repository named TERM, without a search.
    """

    term: str
    limit: int = 25
    official: bool | None = None
    min_stars: int | None = None
    exact: bool = False

    def check(self, registry: str) -> None:
        """Raise InvalidOption for conditions that REGISTRY doesn't support."""
        if self.limit < 1:
            raise InvalidOption(f"limit is {self.limit}; it can't be less than 1")
        if registry == DOCKER_HUB and not self.term.strip():
            raise InvalidOption(f"term is empty; {DOCKER_HUB} has too many repositories to list them all")
        for option, value in (("official", self.official), ("min_stars", self.min_stars)):
            if registry != DOCKER_HUB and value is not None:
                raise InvalidOption(f"{option} works only with {DOCKER_HUB}, not with {registry}")
            if self.exact and value is not None:
                raise InvalidOption(f"{option} works only with a search; exact makes none")

    def fits(self, found: FoundRepository) -> bool:
        return (self.official is None or found.official == self.official) and (found.stars or 0) >= (self.min_stars or 0)


@dataclasses.dataclass(frozen=True)
class TagChoice:
    """The conditions for tags. With `versions` or `newest` only tags that are versions are returned, the newest first."""

    pattern: re.Pattern[str] | None = None
    versions: VersionRange | None = None
    newest: int | None = None

    @classmethod
    def parse(cls, pattern: str | None, versions: str | None, newest: int | None) -> TagChoice:
        """Return the conditions of a task. Raises InvalidOption for an invalid regular expression, range or number."""
        try:
            compiled = compile_regex(pattern) if pattern is not None else None
        except re.error as error:
            raise InvalidOption(f"tag_pattern {pattern!r} is not a regular expression: {error}") from error
        if newest is not None and newest < 1:
            raise InvalidOption(f"newest is {newest}; it can't be less than 1")
        return cls(compiled, VersionRange.parse(versions) if versions is not None else None, newest)

    def select(self, tags: t.Iterable[str]) -> list[str]:
        """Return the tags that match, in alphabetical order or the newest first."""
        chosen = sorted(tag for tag in tags if self.pattern is None or self.pattern.search(tag))
        if self.versions is None and self.newest is None:
            return chosen
        versions = [(tag, version) for tag, version in ((tag, Version.read(tag)) for tag in chosen) if version is not None]
        matching = [tag for tag, version in versions if self.versions is None or version in self.versions]
        return sorted(matching, key=version_order, reverse=True)[: self.newest]


def find_repositories(
    registries: Registries, registry: str, wanted: SearchQuery, choice: TagChoice | None, workers: Workers, *, types: bool = False
) -> list[dict[str, t.Any]]:
    """Return a row for each repository: those of docker.io by stars, others in the order of their registry. With CHOICE their tags are listed too.

    With TYPES the manifest of each chosen tag is read, for the type of its image or artifact.
    """
    rows = _find_repositories(registries, registry, wanted, choice, workers)
    if types:
        tags = [(row, tag) for row in rows for tag in row["tags"]]
        found = workers.map(lambda item: _read_type(registries, Reference.parse(f"{item[0]['name']}:{item[1]}")), tags)
        for row in rows:
            row["tag_types"] = []
        for (row, tag), kind in zip(tags, found):
            row["tag_types"].append({"tag": tag, **kind})
    return rows


def _read_type(registries: Registries, reference: Reference) -> dict[str, str | None]:
    """Return the type of a tag. It has none if its manifest has been deleted since the list, or is in a format that no module reads."""
    repository = registries.repository(reference)
    try:
        root = repository.fetch_manifest(reference)
        document = read_manifest(repository.read_document(root), root.media_type, str(reference))
    except (ImageNotFound, UnsupportedFormat):
        return {"media_type": None, "artifact_type": None}
    repository.forget_documents()
    return {"media_type": root.media_type, "artifact_type": None if isinstance(document, Index) else document.kind}


def _find_repositories(
    registries: Registries, registry: str, wanted: SearchQuery, choice: TagChoice | None, workers: Workers
) -> list[dict[str, t.Any]]:

    def read_tags(one: FoundRepository) -> list[Reference] | None:
        return listing.list_tags(registries.repository(one.reference))

    if wanted.exact:
        one = FoundRepository(listing.repository_reference(registry, wanted.term))
        found_tags = read_tags(one)
        return [_row(one, choice, found_tags)] if found_tags is not None else []
    found = list(itertools.islice(filter(wanted.fits, search_repositories(registries, registry, wanted.term)), wanted.limit))
    found.sort(key=lambda one: -(one.stars or 0))
    return workers.map(lambda one: _row(one, choice, read_tags(one) if choice is not None else None), found)


def _row(found: FoundRepository, choice: TagChoice | None, tags: t.Sequence[Reference] | None) -> dict[str, t.Any]:
    facts: dict[str, t.Any] = {
        "name": found.reference.context,
        "description": found.description,
        "stars": found.stars,
        "official": found.official,
        "automated": found.automated,
    }
    if choice is not None:
        facts["tags"] = choice.select(str(tag.tag) for tag in tags or ())
    return facts
