# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of several images a user means."""

from __future__ import annotations

import typing as t

from .digest import Digest
from .reference import Reference


class Called(t.Protocol):
    """An image of a place under one name, or without any."""

    @property
    def name(self) -> Reference | None: ...

    @property
    def digest(self) -> Digest: ...


_Image = t.TypeVar("_Image", bound=Called)


def find_all(images: t.Sequence[_Image], selector: Reference | Digest, image_ids: t.Callable[[_Image], t.Collection[Digest]]) -> list[_Image]:
    """The images that have a name, that are `repository@digest`, or that have a digest or else an ID. IMAGE_IDS is only asked for what is no digest."""
    if isinstance(selector, Digest):
        return [image for image in images if image.digest == selector] or [image for image in images if selector in image_ids(image)]
    named = [image for image in images if image.name == selector.name]
    if selector.digest is None:
        return named
    exact = [image for image in named if image.digest == selector.digest]
    return exact or [
        image for image in images if image.digest == selector.digest and image.name is not None and image.name.context == selector.context
    ]
