# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The retention policy: which images it removes. It decides from facts and reads no place."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.reference import Reference
from ..oci.times import parse_age
from ..oci.versions import version_order

_OLDEST = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
# Builds that don't record their time write the start of Unix time, or the zero time of Go.
_FIRST_KNOWN = datetime.datetime(1971, 1, 1, tzinfo=datetime.timezone.utc)

_Order = tuple[datetime.datetime, tuple[t.Any, ...], Digest]


@dataclasses.dataclass(frozen=True)
class RetentionCandidate:
    """One image under one name, or without a name. `created` is None if the image has no creation time.

    `chosen` is whether it passes the filters, and `protected` whether the policy protects this name. `referrer_of` are images that this one
    refers to, as a signature does: it is kept and removed with them.
    """

    name: Reference | None
    digest: Digest
    created: datetime.datetime | None = None
    chosen: bool = True
    protected: bool = False
    referrer_of: frozenset[Digest] = frozenset()

    @property
    def known_time(self) -> datetime.datetime | None:
        """Return the creation time, None if it is unknown, as it is for a time of 1970 or before."""
        return self.created if self.created is not None and self.created >= _FIRST_KNOWN else None


@dataclasses.dataclass(frozen=True)
class RetentionPolicy:
    """The rules of a policy. It removes the images that no rule keeps.

    Unnamed images are removed if `dangling` is set, named ones only if `keep` or `older_than` is. `keep` keeps the newest images of each repository, with
    all their names there; `older_than` keeps every image, unnamed ones too, that is not older or has no creation time.
    """

    dangling: bool = True
    keep: int | None = None
    older_than: datetime.timedelta | None = None

    @classmethod
    def parse(cls, dangling: bool, keep: int | None, older_than: str | None) -> RetentionPolicy:
        """Return the policy of a task. Raises InvalidOption for a negative number, and for text that is no age."""
        if keep is not None and keep < 0:
            raise InvalidOption(f"keep is {keep}; it can't be less than 0")
        return cls(dangling, keep, parse_age(older_than) if older_than is not None else None)

    @property
    def judges_names(self) -> bool:
        """Return whether named images may be removed, so that their creation times are needed."""
        return self.keep is not None or self.older_than is not None

    def select_removable(self, candidates: t.Sequence[RetentionCandidate], now: datetime.datetime) -> list[RetentionCandidate]:
        """Return those of CANDIDATES that are removed, in their order."""
        images = [candidate for candidate in candidates if not candidate.referrer_of]
        removed = self._apply_rules(images, now)
        kept = {candidate.digest for candidate in images if candidate not in removed}
        # A referrer whose subject is not here is treated like any other image.
        present = {candidate.digest for candidate in images}
        orphans = [candidate for candidate in candidates if candidate.referrer_of and not candidate.referrer_of & present]
        with_removed_image = [candidate for candidate in candidates if candidate.referrer_of & present and not candidate.referrer_of & kept]
        removed = {*removed, *self._apply_rules(orphans, now), *(referrer for referrer in with_removed_image if not referrer.protected)}
        return [candidate for candidate in candidates if candidate in removed]

    def _apply_rules(self, candidates: t.Sequence[RetentionCandidate], now: datetime.datetime) -> set[RetentionCandidate]:
        """Return the candidates that the rules remove. An image with a protected name is kept, with all its names."""
        protected = {candidate.digest for candidate in candidates if candidate.protected}
        newest = self._find_newest([candidate for candidate in candidates if candidate.chosen])
        return {
            candidate
            for candidate in candidates
            if candidate.chosen
            and candidate.digest not in protected
            and self._is_subject_to_rules(candidate)
            and (_repository(candidate), candidate.digest) not in newest
            and self._is_old(candidate, now)
        }

    def _is_subject_to_rules(self, candidate: RetentionCandidate) -> bool:
        return self.dangling if candidate.name is None else self.judges_names

    def _is_old(self, candidate: RetentionCandidate, now: datetime.datetime) -> bool:
        return self.older_than is None or (candidate.known_time is not None and now - candidate.known_time > self.older_than)

    def _find_newest(self, candidates: t.Sequence[RetentionCandidate]) -> set[tuple[str, Digest]]:
        """Return the newest images of each repository: by creation time, then by the version of their highest tag. Images without a time are the oldest."""
        repositories: dict[str, dict[Digest, _Order]] = {}
        for candidate in candidates:
            if candidate.name is not None:
                images = repositories.setdefault(_repository(candidate), {})
                order = (candidate.known_time or _OLDEST, version_order(candidate.name.tag or ""), candidate.digest)
                images[candidate.digest] = max(images.get(candidate.digest, order), order)
        return {
            (repository, digest)
            for repository, images in repositories.items()
            for digest in sorted(images, key=images.__getitem__, reverse=True)[: self.keep or 0]
        }


def _repository(candidate: RetentionCandidate) -> str:
    return candidate.name.context if candidate.name is not None else ""
