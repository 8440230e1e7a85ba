# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The retention policy of a task for a registry: the rules for any place, and those that only a registry has."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing as t
from fractions import Fraction

from ..errors import InvalidOption, TooManyRemovals
from ..limits import MAX_LOCK_FILE
from ..oci.lockfile import LockFile
from ..oci.regex import compile_regex
from ..places.filters import Filters
from ..places.protection import Protection
from ..places.retention import RetentionPolicy

_LIMIT = re.compile(r"([0-9]{1,9})|([0-9]{1,3}(?:\.[0-9]{1,6})?)%", re.ASCII)


@dataclasses.dataclass(frozen=True)
class RemovalLimit:
    """The option `at_most`: how many tagged digests a run may remove, as a `number` or as a `share` of all that the chosen repositories have."""

    text: str
    number: int | None = None
    share: Fraction | None = None

    @classmethod
    def parse(cls, text: str) -> RemovalLimit:
        """Parse a number such as `20`, or a share such as `50%`. Raises InvalidOption for any other text."""
        match = _LIMIT.fullmatch(text)
        if match is None or (match[2] is not None and Fraction(match[2]) > 100):
            raise InvalidOption(f"at_most: {text!r:.100} is neither a number of images, such as 20, nor a share of them up to 100%, such as 50%")
        return cls(text, int(match[1])) if match[1] is not None else cls(text, share=Fraction(match[2]) / 100)

    def check(self, removed: int, total: int, registry: str) -> None:
        """Raise TooManyRemovals if REMOVED of TOTAL digests are more than the limit."""
        allowed = self.number if self.number is not None else (self.share or 0) * total
        if removed > allowed:
            raise TooManyRemovals(
                f"the policy would remove {removed} of the {total} tagged digests in the chosen repositories of {registry},"
                f" and at_most allows {self.text}; nothing is removed"
            )


@dataclasses.dataclass(frozen=True)
class RegistryPolicy:
    """A retention policy for a registry: the rules of `policy`, and which tags they apply to."""

    policy: RetentionPolicy
    filters: Filters
    protection: Protection
    tag_pattern: re.Pattern[str] | None = None
    at_most: RemovalLimit | None = None

    @classmethod
    def parse(cls, params: t.Mapping[str, t.Any], policy: RetentionPolicy, filters: Filters, protection: Protection) -> RegistryPolicy:
        """Return the policy of a task. Raises InvalidOption, InvalidReference, and the errors of `read_locks`."""
        filters.check_for_registry()
        try:
            tag_pattern = compile_regex(params["tag_pattern"]) if params["tag_pattern"] is not None else None
        except re.error as error:
            raise InvalidOption(f"tag_pattern {params['tag_pattern']!r} is not a regular expression: {error}") from error
        protection = protection.with_digests(params["protect_digests"] or (), read_locks(params["protect_locks"] or ()))
        at_most = RemovalLimit.parse(params["at_most"]) if params["at_most"] is not None else None
        return cls(policy, filters, protection, tag_pattern, at_most)


def read_locks(values: t.Sequence[t.Any]) -> list[LockFile]:
    """Return lock files, each given as a dictionary, as text, or as a path on this host. Raises UnsupportedFormat, InvalidOption for a missing file."""
    return [_read_lock(value, f"protect_locks[{position}]") for position, value in enumerate(values)]


def _read_lock(value: object, what: str) -> LockFile:
    if isinstance(value, dict):
        return LockFile.parse(json.dumps(value).encode(), what)
    if not isinstance(value, str) or not value.strip():
        raise InvalidOption(f"{what} is neither the content of a lock file nor a path")
    if value.lstrip().startswith("{"):
        return LockFile.parse(value.encode("utf-8", "backslashreplace"), what)
    path = os.path.expanduser(value)
    from ..trusted_files import read_not_planted

    try:
        return LockFile.parse(read_not_planted(path, MAX_LOCK_FILE), path)
    except FileNotFoundError as error:
        raise InvalidOption(f"{what}: {path} doesn't exist on this host") from error
