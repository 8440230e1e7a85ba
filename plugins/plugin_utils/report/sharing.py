# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room that images take on a host, and what it saves that they share their parts."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .answers import Host, Image


@dataclasses.dataclass(frozen=True)
class Room:
    """Bytes of one store: `apart` if nothing were shared, `disk` as it is, `own` what a single image needs alone, by its digest."""

    apart: int
    disk: int
    own: t.Mapping[str, int]

    @classmethod
    def of(cls, images: t.Collection[Image]) -> Room:
        """IMAGES are different ones: a further name takes no room."""
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
        """What parts take that only one image needs."""
        return sum(self.own.values())

    @property
    def shared(self) -> int:
        """What parts take, each stored once, that several images need."""
        return self.disk - self.alone
