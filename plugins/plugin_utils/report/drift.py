# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare stores and engines with the lock file, and with each other."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing as t

from ...module_utils.oci.lockfile import LockedImage, LockFile
from .answers import Identity, Image
from .places import Place, PlaceName


class State(enum.Enum):
    """The state of a name in a store or an engine. The values appear on the page."""

    AS_LOCKED = "as locked"
    REPACKED = "same image, repacked"
    OTHER = "another image"
    INCOMPLETE = "incomplete"
    MISSING = "missing"
    EXTRA = "not in the lock file"

    @property
    def is_drift(self) -> bool:
        """Return whether the state is drift. An extra image is shown but is no drift, since no locked name differs."""
        return self in (State.OTHER, State.INCOMPLETE, State.MISSING)


@dataclasses.dataclass(frozen=True)
class Finding:
    """The state of a name in a place. `locked` and `found` identify the images in the lock file and there, None without one."""

    place: PlaceName
    name: str
    state: State
    locked: Identity | None
    found: Identity | None


def judge(locked: LockedImage, image: Image | None, in_engine: bool) -> State:
    """Return the state of IMAGE, which has the locked name in a place; it is None if the place has no such image.

    The digest decides. An image from a docker-archive has another digest, but the same ID on one of the platforms. An engine has one platform of an index
    under the digest of its manifest, or keeps only the ID.
    """
    if image is None:
        return State.MISSING
    if not image.is_complete:
        return State.INCOMPLETE
    if image.digest == str(locked.digest):
        return State.AS_LOCKED
    same_id = image.image_id in {str(platform.image_id) for platform in locked.platforms}
    if in_engine and (image.digest in {str(platform.digest) for platform in locked.platforms} or (image.digest is None and same_id)):
        return State.AS_LOCKED
    return State.REPACKED if same_id else State.OTHER


def findings(place: Place, lock: LockFile) -> list[Finding]:
    """Return the findings for all locked names and all other names in PLACE, none for one without an answer."""
    if not place.was_asked:
        return []
    images = place.by_name
    found = []
    for locked in lock.images:
        name = str(locked.name)
        image = images.pop(name, None)
        state = judge(locked, image, place.is_engine)
        found.append(Finding(place.name, name, state, Identity(str(locked.digest)), image.identity if image is not None else None))
    return found + [Finding(place.name, name, State.EXTRA, None, image.identity) for name, image in sorted(images.items())]


def differing(places: t.Iterable[Place]) -> dict[str, dict[Identity, list[PlaceName]]]:
    """Return the names with different images in different places: for each name the places by image, the most common image first."""
    names: dict[str, dict[Identity, list[PlaceName]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for place in places:
        for name, image in place.by_name.items():
            names[name][image.identity].append(place.name)
    return {name: dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))) for name, found in sorted(names.items()) if len(found) > 1}
