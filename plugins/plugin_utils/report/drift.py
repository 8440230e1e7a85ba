# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far hosts are from the lock file, and from each other."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing as t

from ...module_utils.oci.lockfile import LockedImage, LockFile
from .answers import Host, Image


class State(enum.Enum):
    """What has become of a name on a host. The words are those of the page."""

    RIGHT = "as locked"
    REPACKED = "same image, repacked"
    OTHER = "another image"
    BROKEN = "not whole"
    MISSING = "missing"
    EXTRA = "not in the lock file"

    @property
    def is_drift(self) -> bool:
        """An extra image is no less what was locked: it is told, and held against nobody."""
        return self in (State.OTHER, State.BROKEN, State.MISSING)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What NAME is on HOST, where the lock file wants LOCKED. Digests are None where there is none."""

    host: str
    name: str
    state: State
    locked: str | None
    found: str | None


def judge(locked: LockedImage, image: Image | None) -> State:
    """What IMAGE is, which has the locked name; None for no image.

    The digest decides. An image that went through an archive of Docker has another one, and the same ID on one of the platforms.
    """
    if image is None:
        return State.MISSING
    if not image.is_whole:
        return State.BROKEN
    if image.digest == str(locked.digest):
        return State.RIGHT
    return State.REPACKED if image.image_id in {str(platform.image_id) for platform in locked.platforms} else State.OTHER


def findings(host: Host, lock: LockFile) -> list[Finding]:
    """All locked names on HOST, and its further names; nothing for a host that couldn't be asked."""
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
    """The names that don't mean one image on all hosts that have them: for each the hosts by digest, the most common one first."""
    names: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for host in hosts:
        for name, image in host.by_name.items():
            names[name][image.digest].append(host.name)
    return {
        name: dict(sorted(digests.items(), key=lambda item: (-len(item[1]), item[0]))) for name, digests in sorted(names.items()) if len(digests) > 1
    }
