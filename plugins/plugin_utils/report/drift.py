# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare hosts with the lock file, and with each other."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing as t

from ...module_utils.oci.lockfile import LockedImage, LockFile
from .answers import Host, Image


class State(enum.Enum):
    """The state of a name on a host. The values appear on the page."""

    RIGHT = "as locked"
    REPACKED = "same image, repacked"
    OTHER = "another image"
    BROKEN = "not whole"
    MISSING = "missing"
    EXTRA = "not in the lock file"

    @property
    def is_drift(self) -> bool:
        """Return whether the state is drift. An extra image is shown but is no drift, since no locked name differs."""
        return self in (State.OTHER, State.BROKEN, State.MISSING)


@dataclasses.dataclass(frozen=True)
class Finding:
    """The state of NAME on HOST. `locked` and `found` are the digests in the lock file and on the host, None without one."""

    host: str
    name: str
    state: State
    locked: str | None
    found: str | None


def judge(locked: LockedImage, image: Image | None) -> State:
    """Return the state of IMAGE, which has the locked name on a host; it is None if the host has no such image.

    The digest decides. An image from a docker-archive has another digest, but the same ID on one of the platforms.
    """
    if image is None:
        return State.MISSING
    if not image.is_whole:
        return State.BROKEN
    if image.digest == str(locked.digest):
        return State.RIGHT
    return State.REPACKED if image.image_id in {str(platform.image_id) for platform in locked.platforms} else State.OTHER


def findings(host: Host, lock: LockFile) -> list[Finding]:
    """Return the findings for all locked names and all other names on HOST, none for a host without an answer."""
    if not host.was_asked:
        return []
    images = host.by_name
    found = []
    for locked in lock.images:
        name = str(locked.name)
        image = images.pop(name, None)
        found.append(Finding(host.name, name, judge(locked, image), str(locked.digest), image.digest if image is not None else None))
    return found + [Finding(host.name, name, State.EXTRA, None, image.digest) for name, image in sorted(images.items())]


def differing(hosts: t.Iterable[Host]) -> dict[str, dict[str, list[str]]]:
    """Return the names with different images on different hosts: for each name the hosts by digest, the most common digest first."""
    names: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for host in hosts:
        for name, image in host.by_name.items():
            names[name][image.digest].append(host.name)
    return {
        name: dict(sorted(digests.items(), key=lambda item: (-len(item[1]), item[0]))) for name, digests in sorted(names.items()) if len(digests) > 1
    }
