# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images a retention policy lets go: a decision about facts, made without looking at any place."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.reference import Reference
from ..oci.times import parse_age
from ..oci.versions import version_order

_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)

_Order = tuple[datetime.datetime, tuple[t.Any, ...], Digest]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One image under one name, or without any. `created` is None where the image doesn't tell it.

    `chosen` is whether it passes the filters, and `protected` whether the policy protects this name. `companion_of` are images that this one says
    something of, as a signature does: it stays and goes with them.
    """

    name: Reference | None
    digest: Digest
    created: datetime.datetime | None = None
    chosen: bool = True
    protected: bool = False
    companion_of: frozenset[Digest] = frozenset()


@dataclasses.dataclass(frozen=True)
class Policy:
    """What is let go is what no rule keeps.

    Unnamed images go where `dangling` is set. Named ones go only where `keep` or `older_than` is: `keep` keeps the newest images of each repository,
    with all of their names there; `older_than` keeps every image, unnamed ones too, that isn't older or doesn't tell its age.
    """

    dangling: bool = True
    keep: int | None = None
    older_than: datetime.timedelta | None = None

    @classmethod
    def parse(cls, dangling: bool, keep: int | None, older_than: str | None) -> Policy:
        """Raises InvalidOption for less than no images, and for what is no age."""
        if keep is not None and keep < 0:
            raise InvalidOption(f"keep is {keep}; it can't be less than 0")
        return cls(dangling, keep, parse_age(older_than) if older_than is not None else None)

    @property
    def judges_names(self) -> bool:
        """Whether images with names may go, by their ages."""
        return self.keep is not None or self.older_than is not None

    def let_go(self, candidates: t.Sequence[Candidate], now: datetime.datetime) -> list[Candidate]:
        """Those of CANDIDATES that go, in their order."""
        own = [candidate for candidate in candidates if not candidate.companion_of]
        gone = self._judged(own, now)
        staying = {candidate.digest for candidate in own if candidate not in gone}
        # A companion of an image that was never here goes by the rules for all.
        here = {candidate.digest for candidate in own}
        orphans = [candidate for candidate in candidates if candidate.companion_of and not candidate.companion_of & here]
        followers = [candidate for candidate in candidates if candidate.companion_of & here and not candidate.companion_of & staying]
        gone = {*gone, *self._judged(orphans, now), *(follower for follower in followers if not follower.protected)}
        return [candidate for candidate in candidates if candidate in gone]

    def _judged(self, candidates: t.Sequence[Candidate], now: datetime.datetime) -> set[Candidate]:
        """Those that go, each judged by itself and by the others of its repository. An image with a protected name stays, with all of its names."""
        protected = {candidate.digest for candidate in candidates if candidate.protected}
        newest = self._newest([candidate for candidate in candidates if candidate.chosen])
        return {
            candidate
            for candidate in candidates
            if candidate.chosen
            and candidate.digest not in protected
            and self._is_subject_to_rules(candidate)
            and (_repository(candidate), candidate.digest) not in newest
            and self._is_old(candidate, now)
        }

    def _is_subject_to_rules(self, candidate: Candidate) -> bool:
        return self.dangling if candidate.name is None else self.judges_names

    def _is_old(self, candidate: Candidate, now: datetime.datetime) -> bool:
        return self.older_than is None or (candidate.created is not None and now - candidate.created > self.older_than)

    def _newest(self, candidates: t.Sequence[Candidate]) -> set[tuple[str, Digest]]:
        """The newest images of each repository: by the time they were made, then by the version of their best tag. Without a time they are the oldest."""
        repositories: dict[str, dict[Digest, _Order]] = {}
        for candidate in candidates:
            if candidate.name is not None:
                images = repositories.setdefault(_repository(candidate), {})
                order = (candidate.created or _LONG_AGO, version_order(candidate.name.tag or ""), candidate.digest)
                images[candidate.digest] = max(images.get(candidate.digest, order), order)
        return {
            (repository, digest)
            for repository, images in repositories.items()
            for digest in sorted(images, key=images.__getitem__, reverse=True)[: self.keep or 0]
        }


def _repository(candidate: Candidate) -> str:
    return candidate.name.context if candidate.name is not None else ""
