# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the images that a user selects, and reject contradicting selections."""

from __future__ import annotations

import typing as t

from ..errors import InvalidOption, PlatformMissing
from .digest import Digest
from .platform import Platform, Selection
from .reference import Reference


class NamedImage(t.Protocol):
    """An image of a place, with or without a name."""

    @property
    def name(self) -> Reference | None: ...

    @property
    def digest(self) -> Digest: ...


_Image = t.TypeVar("_Image", bound=NamedImage)


Digests = t.Callable[[_Image], t.Collection[Digest]]


def own_digest(image: NamedImage) -> t.Collection[Digest]:
    return (image.digest,)


def find_matching(
    images: t.Sequence[_Image], selector: Reference | Digest, image_ids: Digests[_Image], digests: Digests[_Image] = own_digest
) -> list[_Image]:
    """Return the images with the name, the `repository@digest`, the digest or the image ID that SELECTOR is.

    DIGESTS are those that a place knows: some engines know an image by several. IMAGE_IDS reads documents, so it is only called if no image has the digest.
    """
    if isinstance(selector, Digest):
        return [image for image in images if selector in digests(image)] or [image for image in images if selector in image_ids(image)]
    name = selector.name
    named = [image for image in images if image.name == name]
    if selector.digest is None:
        return named
    exact = [image for image in named if selector.digest in digests(image)]
    return exact or find_in_repository(images, selector, digests)


def find_in_repository(images: t.Sequence[_Image], selector: Reference, digests: Digests[_Image] = own_digest) -> list[_Image]:
    """Return all names that the image with the digest of SELECTOR has in the repository of SELECTOR."""
    here = [image for image in images if image.name is not None and image.name.context == selector.context]
    return [image for image in here if selector.digest in digests(image)]


def reject_conflicting_references(references: t.Iterable[Reference]) -> None:
    """Raise InvalidOption if two references give one name to different images: the result would depend on their order."""
    references_by_name: dict[Reference, Reference] = {}
    for reference in references:
        first = references_by_name.setdefault(reference.name, reference)
        if first != reference:
            raise InvalidOption(f"{first} and {reference} are two images under one name; ask for one of them")


def check_single_platform(platform: Platform | None, selection: Selection, what: str) -> str | None:
    """Return a warning if WHAT, an image without an index, is for another platform than the selected ones; None if it is for one of them.

    Raises PlatformMissing instead if the user selected the platform. The host's platform is only a default, so it gets a warning.
    """
    if platform is None or selection.everything or any(platform in wanted.fallbacks() for wanted in selection.platforms):
        return None
    wanted_names = ", ".join(selection.texts())
    if selection.explicit:
        raise PlatformMissing(f"{what} is an image for {platform} only, not for {wanted_names}")
    return f"{what} is an image for {platform}, and this host is {wanted_names}"
