# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk usage of the images in a store or an engine, and the bytes that shared content saves."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .answers import Identity, Image
from .places import Place


@dataclasses.dataclass(frozen=True)
class Room:
    """The bytes of one place: `apart` without sharing, `disk` with sharing, `own` those that only one image needs.

    `unsplit` is the size of images whose content the engine doesn't report; how much of it they share is unknown, and it is in no other number.
    """

    apart: int
    disk: int
    own: t.Mapping[Identity, int]
    unsplit: int = 0

    @classmethod
    def of(cls, images: t.Collection[Image]) -> Room:
        """Return the usage of IMAGES, which must be different ones: another name needs no bytes."""
        sizes = {part: size for image in images for part, size in image.content.items()}
        users = collections.Counter(part for image in images for part in image.content)
        own = {image.identity: sum(size for part, size in image.content.items() if users[part] == 1) for image in images}
        unsplit = sum(image.size for image in images if not image.content)
        return cls(sum(sum(image.content.values()) for image in images), sum(sizes.values()), own, unsplit)

    @classmethod
    def of_place(cls, place: Place) -> Room:
        return cls.of(place.by_identity.values())

    @property
    def most(self) -> int:
        """Return the bytes that the images need at most."""
        return self.disk + self.unsplit

    @property
    def saved(self) -> int:
        return self.apart - self.disk

    @property
    def alone(self) -> int:
        """Return the bytes of content that only one image needs."""
        return sum(self.own.values())

    @property
    def shared(self) -> int:
        """Return the bytes of content that several images need, each stored once."""
        return self.disk - self.alone
