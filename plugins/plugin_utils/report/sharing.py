# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk usage of images on a host, and the bytes that shared content saves."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .answers import Host, Image


@dataclasses.dataclass(frozen=True)
class Room:
    """The bytes of one store: `apart` without sharing, `disk` with sharing, `own` those that only one image needs, by its digest."""

    apart: int
    disk: int
    own: t.Mapping[str, int]

    @classmethod
    def of(cls, images: t.Collection[Image]) -> Room:
        """Return the usage of IMAGES, which must be different ones: another name needs no bytes."""
        sizes = {part: size for image in images for part, size in image.content.items()}
        users = collections.Counter(part for image in images for part in image.content)
        own = {image.digest: sum(size for part, size in image.content.items() if users[part] == 1) for image in images}
        return cls(sum(sum(image.content.values()) for image in images), sum(sizes.values()), own)

    @classmethod
    def of_host(cls, host: Host) -> Room:
        return cls.of(host.by_digest.values())

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
