# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of the hosts: the results of `image_info` about their stores and engines as values, with the fields that a report needs."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ...module_utils.errors import HostError
from ...module_utils.oci.text import sanitise
from ...module_utils.oci.times import parse_time
from ..host_answers import HostAnswer
from .bases import Base
from .signatures import Verification, describe_referrers

# The result of a module that a host has registered. Only Ansible's own members can be relied on.
Answer = t.Mapping[str, t.Any]

VERSION_LABEL = "org.opencontainers.image.version"
# Reproducible builds have the creation year 1970, or 1980, which is the first year that a zip file can store.
_FIRST_TRUE_YEAR = 1981


@dataclasses.dataclass(frozen=True, order=True)
class Identity:
    """What identifies an image: the digest of its index or manifest, or its ID if nothing on the page knows a digest."""

    digest: str
    is_id: bool = False


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in a store or an engine, under one name or none.

    `digest` or `image_id` is None if the engine doesn't report it. `content` has the size of each blob and document by digest; it is empty if the engine
    doesn't report them. `manifests` are the digests that its index lists, `attached` the kinds of its signatures and other referrers.
    `base` is None for an image that names none, and unless `has_checked_base`, which says that the host was asked for it.
    """

    name: str | None
    identity: Identity
    digest: str | None
    image_id: str | None
    platforms: tuple[str, ...]
    size: int
    created: datetime.date | None
    version: str
    content: t.Mapping[str, int] = dataclasses.field(repr=False)
    manifests: tuple[str, ...] = ()
    verification: Verification | None = None
    attached: str = ""
    base: Base | None = None
    has_checked_base: bool = False

    @classmethod
    def read(cls, found: object) -> Image:
        """Read a row of a host's answer. Raises HostError if it is malformed."""
        row = HostAnswer(found, "images")
        name, digest, image_id = row.optional_text("name"), row.optional_digest("digest"), row.optional_digest("image_id")
        if digest is None and image_id is None:
            raise HostError("the answer of the host is malformed: an image has neither a digest nor an ID")
        verification = row.optional_answer("verification")
        base = row.optional_answer("base") if "base" in row else None
        return cls(
            name=None if name is None else sanitise(name),
            identity=Identity(digest) if digest is not None else Identity(str(image_id), is_id=True),
            digest=digest,
            image_id=image_id,
            platforms=tuple(sanitise(platform, 80) for platform in row.texts("platforms")),
            size=row.count("size"),
            created=_day(row.optional_text("created")),
            version=_version(row.answer("labels")),
            content={part.digest("digest"): part.count("size") for part in row.answers("content")},
            manifests=tuple(child.digest("digest") for child in row.answers("manifests")),
            verification=Verification.read(verification) if verification is not None else None,
            attached=describe_referrers(row.answers("referrers")),
            base=Base.read(base) if base is not None else None,
            has_checked_base="base" in row,
        )

    @property
    def is_complete(self) -> bool:
        """Return whether at least one of its platforms is complete."""
        return self.image_id is not None or bool(self.platforms)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Return the digest and the image ID, as far as they are known."""
        return tuple(word for word in (self.digest, self.image_id) if word is not None)


def describe_problem(answer: Answer) -> str:
    """Return the error message of an answer. If Python did not start, Ansible reports only that output is missing; stderr has the reason."""
    stderr = str(answer.get("module_stderr") or "").strip().rpartition("\n")[2]
    return sanitise(f"{answer.get('msg') or ''}{f' ({stderr})' if stderr else ''}")


def loop_item(answer: Answer) -> Answer:
    """Return the item of the loop whose result an answer is, such as the settings of an engine. Ansible adds it to the result."""
    variable = answer.get("ansible_loop_var", "item") if isinstance(answer, dict) else None
    item = answer.get(variable) if isinstance(variable, str) else None
    return t.cast("Answer", item) if isinstance(item, dict) else {}


def _version(labels: HostAnswer) -> str:
    return sanitise(labels.text(VERSION_LABEL), 80) if VERSION_LABEL in labels else ""


def _day(created: str | None) -> datetime.date | None:
    """Return the day on which an image was created, in UTC; None if it has no valid time or that of a reproducible build."""
    try:
        moment = parse_time(created).astimezone(datetime.timezone.utc) if created is not None else None
    except (ValueError, OverflowError):
        return None
    return moment.date() if moment is not None and moment.year >= _FIRST_TRUE_YEAR else None
