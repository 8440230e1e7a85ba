# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registries in a report: the results of `image_prune` in check mode, as tables."""

from __future__ import annotations

import dataclasses
import typing as t

from ...module_utils.errors import HostError
from ...module_utils.oci.text import format_size, sanitise
from ...module_utils.places.facts import format_count
from ..host_answers import HostAnswer
from .answers import Answer, describe_problem


@dataclasses.dataclass(frozen=True)
class RepositoryRow:
    """A repository. `going` are the tags that the policy would remove. `problem` says why it would remove nothing."""

    name: str
    tags: int
    images: int
    size: str
    shared: str
    going: tuple[str, ...]
    problem: str

    @classmethod
    def read(cls, row: HostAnswer) -> RepositoryRow:
        return cls(
            name=sanitise(row.text("name"), 255),
            tags=row.count("tags"),
            images=row.count("images"),
            size=format_size(row.count("size")),
            shared=format_size(row.count("size_shared")),
            going=tuple(sanitise(tag, 128) for tag in row.texts("removed_tags")),
            problem=sanitise(row.optional_text("msg") or ""),
        )


@dataclasses.dataclass(frozen=True)
class RegistrySection:
    """A registry with its repositories, or the problem if it didn't answer."""

    name: str
    summary: str = ""
    rows: tuple[RepositoryRow, ...] = ()
    problem: str = ""

    @classmethod
    def read(cls, name: str, answer: Answer) -> RegistrySection:
        """Read the answer of the host that asked the registry. A malformed one is a problem of this registry, so that the page still shows all others."""
        name = sanitise(name, 255)
        try:
            return cls._read(name, answer, HostAnswer(answer))
        except HostError as error:
            return cls(name, problem=error.message)

    @classmethod
    def _read(cls, name: str, answer: Answer, checked: HostAnswer) -> RegistrySection:
        if "repositories" not in checked:
            return cls(name, problem=describe_problem(answer) or "It wasn't asked.")
        rows = tuple(map(RepositoryRow.read, checked.answers("repositories")))
        going = format_count(sum(len(row.going) for row in rows), "tag")
        size = format_size(checked.count("registry_size"))
        summary = f"{size} in {len(rows)} {'repository' if len(rows) == 1 else 'repositories'}. The policy would remove {going}"
        # A repository that couldn't be read completely has its problem in its row.
        problem = describe_problem(answer) if answer.get("failed") and not any(row.problem for row in rows) else ""
        return cls(name, f"{summary} and free {format_size(checked.count('bytes_freed'))}.", rows, problem)


def read_registries(answers: t.Mapping[str, Answer]) -> list[RegistrySection]:
    return [RegistrySection.read(name, answer) for name, answer in answers.items()]
