# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of the hosts: the results of `image_info` as values, with the fields that a report needs."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...module_utils.oci.text import sanitise
from ...module_utils.oci.times import parse_time

Answer = t.Mapping[str, t.Any]

VERSION_LABEL = "org.opencontainers.image.version"
# Reproducible builds have the creation year 1970, or 1980, which is the first year that a zip file can store.
_FIRST_TRUE_YEAR = 1981


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in a host's store, under one name or none. `content` has the size of each of its blobs and documents by digest."""

    name: str | None
    digest: str
    image_id: str | None
    platforms: tuple[str, ...]
    size: int
    created: datetime.date | None
    version: str
    content: t.Mapping[str, int] = dataclasses.field(repr=False)

    @classmethod
    def read(cls, row: Answer) -> Image:
        return cls(
            name=None if row["name"] is None else sanitise(row["name"]),
            digest=sanitise(row["digest"]),
            image_id=row["image_id"],
            platforms=tuple(sanitise(platform, 80) for platform in row["platforms"]),
            size=row["size"],
            created=_day(row["created"]),
            version=sanitise(str(row["labels"].get(VERSION_LABEL, "")), 80),
            content={part["digest"]: part["size"] for part in row["content"]},
        )

    @property
    def is_whole(self) -> bool:
        """Return whether at least one of its platforms is complete."""
        return self.image_id is not None


@dataclasses.dataclass(frozen=True)
class Host:
    """A host and the images in its store, or the problem why it gave no answer."""

    name: str
    store: str = ""
    images: tuple[Image, ...] = ()
    problem: str = ""

    @classmethod
    def read(cls, name: str, answer: Answer) -> Host:
        name = sanitise(name, 255)
        if answer.get("unreachable") or answer.get("failed") or "images" not in answer:
            return cls(name, problem=describe_problem(answer) or "It wasn't asked: an earlier task failed on it.")
        return cls(name, sanitise(str(answer.get("store", ""))), tuple(Image.read(row) for row in answer["images"]))

    @property
    def was_asked(self) -> bool:
        return not self.problem

    @property
    def by_name(self) -> dict[str, Image]:
        return {image.name: image for image in self.images if image.name is not None}

    @property
    def by_digest(self) -> dict[str, Image]:
        """Return each image once, even if it has several names."""
        return {image.digest: image for image in reversed(self.images)}


def read_hosts(answers: t.Mapping[str, Answer]) -> list[Host]:
    return [Host.read(name, answer) for name, answer in answers.items()]


def describe_problem(answer: Answer) -> str:
    """Return the error message of an answer. If Python did not start, Ansible reports only that output is missing; stderr has the reason."""
    stderr = str(answer.get("module_stderr") or "").strip().rpartition("\n")[2]
    return sanitise(f"{answer.get('msg') or ''}{f' ({stderr})' if stderr else ''}")


def _day(created: str | None) -> datetime.date | None:
    """Return the day on which an image was created, in UTC; None if it has no valid time or that of a reproducible build."""
    try:
        moment = parse_time(created).astimezone(datetime.timezone.utc) if created is not None else None
    except (ValueError, OverflowError):
        return None
    return moment.date() if moment is not None and moment.year >= _FIRST_TRUE_YEAR else None
