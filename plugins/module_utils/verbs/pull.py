# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to pull images into a store or an engine. One table says when an image that the place has is kept."""

from __future__ import annotations

import enum
import functools
import typing as t

from ..errors import ImageNotFound, LongshoreError, RateLimited, RegistryError, TrustRefusal, Unreachable
from ..oci.matching import reject_conflicting_references
from ..oci.reference import Reference

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile
    from ..transfer.plan import TransferPlan

_Image = t.TypeVar("_Image")
_Pulled = t.TypeVar("_Pulled")


class PullPolicy(enum.Enum):
    """The option `pull_policy`."""

    ALWAYS = "always"
    MISSING = "missing"
    NEWER = "newer"
    NEVER = "never"

    def keeps_after(self, error: LongshoreError) -> bool:
        """Return whether an image is kept because its registry is unreachable, has no quota left or fails with ERROR, and doesn't refuse this image."""
        may_pass = isinstance(error, (Unreachable, RateLimited)) or (isinstance(error, RegistryError) and (error.status or 0) >= 500)
        return self is PullPolicy.NEWER and may_pass


class Current(enum.IntEnum):
    """How a place has an image: the columns of the table."""

    ABSENT = 0
    TAGGED = 1  # by its name only
    PINNED = 2  # by the digest that is asked for


class Choice(enum.Enum):
    """What a pull does with an image."""

    FETCH = "fetch"
    COMPARE = "compare"  # with the registry, and fetch what differs
    VERIFY = "verify"  # keep it; its registry may be asked for signatures and other referrers
    KEEP = "keep"  # without a request
    REFUSE = "refuse"


_CHOICES = {
    PullPolicy.ALWAYS: (Choice.FETCH, Choice.COMPARE, Choice.VERIFY),
    PullPolicy.MISSING: (Choice.FETCH, Choice.KEEP, Choice.KEEP),
    PullPolicy.NEWER: (Choice.FETCH, Choice.COMPARE, Choice.KEEP),
    PullPolicy.NEVER: (Choice.REFUSE, Choice.KEEP, Choice.KEEP),
}

# The rows that differ if only the registry has the signatures.
_CHOICES_WITHOUT_SIGNATURES = {
    PullPolicy.ALWAYS: (Choice.FETCH, Choice.COMPARE, Choice.COMPARE),
    PullPolicy.MISSING: (Choice.FETCH, Choice.VERIFY, Choice.VERIFY),
    PullPolicy.NEWER: (Choice.FETCH, Choice.COMPARE, Choice.COMPARE),
}


def choose(policy: PullPolicy, current: Current, *, lacks_signatures: bool = False) -> Choice:
    """Return what a pull does with an image. With LACKS_SIGNATURES trust needs some, and the place keeps none."""
    rows = {**_CHOICES, **_CHOICES_WITHOUT_SIGNATURES} if lacks_signatures else _CHOICES
    return rows[policy][current]


class PullPlace(t.Protocol[_Image, _Pulled]):
    """A place that images are pulled into: the store or an engine, each with its options of this run."""

    @property
    def place(self) -> str:
        """The place in messages."""

    @property
    def lacks_signatures(self) -> bool:
        """Whether trust needs signatures, and the place keeps none."""

    def find(self, reference: Reference, *, under_other_names: bool) -> _Image | None:
        """Return the image that REFERENCE means, which may be incomplete. UNDER_OTHER_NAMES, an engine's image of a digest may have any name."""

    def keep(self, reference: Reference, image: _Image, *, ask: bool, warning: str = "") -> _Pulled | None:
        """Return the pull that fetches nothing; None if IMAGE isn't complete for the requested platforms.

        With ASK its registry may be asked for referrers. Raises what `check_trust` raises.
        """

    def fetch(self, reference: Reference) -> _Pulled:
        """Return the pull of the image that the registry has, verified. Raises the errors of the registry, and of trust."""

    def fail(self, requested: str, error: LongshoreError) -> _Pulled:
        """Return the pull that failed with ERROR."""

    def hint(self, reference: Reference) -> str:
        """Return where an absent image may be instead, for a message."""

    def plan(self, references: t.Sequence[Reference], pull: t.Callable[[Reference], _Pulled]) -> TransferPlan:
        """Return the plan of all pulls; PULL plans one, and raises no error."""


def plan_pull(place: PullPlace[_Image, _Pulled], references: t.Sequence[Reference], policy: PullPolicy, lock: LockFile | None = None) -> TransferPlan:
    """Plan to pull REFERENCES from their registries into PLACE; with LOCK each name is pulled by its locked digest.

    An image that can't be pulled has its error in its row; the others are pulled. Raises InvalidOption for one name with two digests, and the errors of
    reading PLACE.
    """
    unique = list(dict.fromkeys(references))
    reject_conflicting_references(unique)
    return place.plan(unique, functools.partial(_pull_or_fail, place, policy, lock))


def _pull_or_fail(place: PullPlace[_Image, _Pulled], policy: PullPolicy, lock: LockFile | None, requested: Reference) -> _Pulled:
    try:
        return _pull(place, policy, requested if lock is None else lock.pin(requested))
    except LongshoreError as error:
        return place.fail(str(requested.name), error)


def _pull(place: PullPlace[_Image, _Pulled], policy: PullPolicy, reference: Reference) -> _Pulled:
    """Plan one pull as the table says. An image that should be kept and isn't complete counts as absent."""
    image = place.find(reference, under_other_names=policy is PullPolicy.NEVER)
    current = Current.ABSENT if image is None else Current.TAGGED if reference.digest is None else Current.PINNED
    choice = choose(policy, current, lacks_signatures=place.lacks_signatures)
    if image is not None and choice in (Choice.KEEP, Choice.VERIFY):
        kept = place.keep(reference, image, ask=choice is Choice.VERIFY)
        if kept is not None:
            return kept
        choice = choose(policy, Current.ABSENT)
    if choice is Choice.REFUSE:
        state = "not" if image is None else "incomplete, or not for the requested platforms,"
        raise ImageNotFound(f"{reference} is {state} in {place.place}, and pull_policy 'never' forbids to pull it{place.hint(reference)}")
    try:
        return place.fetch(reference)
    except LongshoreError as error:
        if image is None or choice is not Choice.COMPARE or not policy.keeps_after(error):
            raise
        return _keep_uncompared(place, reference, image, error)


def _keep_uncompared(place: PullPlace[_Image, _Pulled], reference: Reference, image: _Image, error: LongshoreError) -> _Pulled:
    """Keep IMAGE with a warning, because its registry failed with ERROR. Raises ERROR for an incomplete image, and TrustRefusal."""
    try:
        kept = place.keep(reference, image, ask=False, warning=f"{reference.name} was not compared with its registry: {error.message}")
    except TrustRefusal:
        if not place.lacks_signatures:
            raise
        kept = None  # the registry has the signature, so its error is the reason
    if kept is None:
        raise error
    return kept
