# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `pull_policy`: when an image that a place has is kept, and when its registry is asked. One table for the store and for engines."""

from __future__ import annotations

import enum

from ..errors import LongshoreError, RateLimited, RegistryError, Unreachable


class PullPolicy(enum.Enum):
    """Says whether a pull keeps an image that the place has completely, for the requested platforms.

    | policy | pinned by digest | known by its tag only | absent |
    |---|---|---|---|
    | always | kept, and its signatures may be asked for | compared with the registry | fetched |
    | missing | kept | kept | fetched |
    | newer | kept | compared; kept if the registry can't be asked now | fetched |
    | never | kept | kept | refused |
    """

    ALWAYS = "always"
    MISSING = "missing"
    NEWER = "newer"
    NEVER = "never"

    def keeps(self, *, is_pinned: bool) -> bool:
        """Return whether an image that the place has is kept without comparing its tag with the registry."""
        return is_pinned or self in (PullPolicy.MISSING, PullPolicy.NEVER)

    @property
    def forbids_requests(self) -> bool:
        return self is PullPolicy.NEVER

    @property
    def asks_for_signatures(self) -> bool:
        """Return whether the registry may be asked for signatures of an image that is kept. The other policies verify with what the place keeps."""
        return self is PullPolicy.ALWAYS

    def keeps_after(self, error: LongshoreError) -> bool:
        """Return whether an image that the place has is kept, with a warning, because asking the registry failed with ERROR, which may pass."""
        is_of_registry = isinstance(error, (Unreachable, RateLimited, RegistryError))
        return self is PullPolicy.NEWER and is_of_registry and is_temporary(error)


def is_temporary(error: LongshoreError) -> bool:
    """Return whether the registry is unreachable, has no quota left or fails, and not whether it refuses this image."""
    return not isinstance(error, RegistryError) or (error.status or 0) >= 500
