# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Select the images that a user names."""

from __future__ import annotations

import typing as t

from ..errors import InvalidOption, PlatformMissing
from .digest import Digest
from .platform import Platform, Selection
from .reference import Reference


class Named(t.Protocol):
    """An image of a place under one name, or without any."""

    @property
    def name(self) -> Reference | None: ...

    @property
    def digest(self) -> Digest: ...


_Image = t.TypeVar("_Image", bound=Named)


def find_matching(images: t.Sequence[_Image], selector: Reference | Digest, image_ids: t.Callable[[_Image], t.Collection[Digest]]) -> list[_Image]:
    """The images that have a name, that are `repository@digest`, or that have a digest or else an ID. IMAGE_IDS is only asked for what is no digest."""
    if isinstance(selector, Digest):
        return [image for image in images if image.digest == selector] or [image for image in images if selector in image_ids(image)]
    name = selector.name
    named = [image for image in images if image.name == name]
    if selector.digest is None:
        return named
    exact = [image for image in named if image.digest == selector.digest]
    return exact or [
        image for image in images if image.digest == selector.digest and image.name is not None and image.name.context == selector.context
    ]


def reject_conflicting_references(references: t.Iterable[Reference]) -> None:
    """Raises InvalidOption where one name stands for two images: which of them it is in the end would be left to chance."""
    asked: dict[Reference, Reference] = {}
    for reference in references:
        first = asked.setdefault(reference.name, reference)
        if first != reference:
            raise InvalidOption(f"{first} and {reference} are two images under one name; ask for one of them")


def check_single_platform(platform: Platform | None, selection: Selection, what: str) -> str | None:
    """What to warn of where WHAT has no index to choose from, and is for a PLATFORM that isn't wanted; None where it fits.

    Raises PlatformMissing where a platform was asked for: a warning is for the host's own, which was only meant.
    """
    if platform is None or selection.everything or any(platform in wanted.fallbacks() for wanted in selection.platforms):
        return None
    asked = ", ".join(selection.words())
    if selection.explicit:
        raise PlatformMissing(f"{what} is an image for {platform} alone, not for {asked}")
    return f"{what} is an image for {platform}, and this host is {asked}"
