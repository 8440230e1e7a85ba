# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the images that a user selects for removal, in any place."""

from __future__ import annotations

import re
import typing as t

from ..errors import InUse
from .digest import Digest
from .glob import compile_glob, is_glob
from .matching import Digests, NamedImage, find_in_repository, find_matching, own_digest
from .reference import Reference, parse_selector

# A text is a glob.
RemovalSelector = t.Union[Reference, Digest, str]

_SHORT_ID = re.compile(r"[0-9a-f]{7,63}")
_Image = t.TypeVar("_Image", bound=NamedImage)


def is_short_id(selector: RemovalSelector) -> bool:
    """Return whether SELECTOR, which is read as a name, looks like the short ID that other tools print."""
    return isinstance(selector, Reference) and _SHORT_ID.fullmatch(selector.repository.rpartition("/")[2]) is not None


def parse_removal_selector(text: str) -> RemovalSelector:
    """Parse a reference, or a full digest or ID. A glob is returned as text."""
    return text if is_glob(text) else parse_selector(text)


def select_for_removal(
    images: t.Sequence[_Image],
    selector: RemovalSelector,
    image_ids: Digests[_Image],
    digests: Digests[_Image] = own_digest,
    *,
    force: bool = False,
) -> list[_Image]:
    """Return the images that SELECTOR selects, one for each of their names. DIGESTS and IMAGE_IDS are those of `find_matching`.

    A digest or an ID means all names of the image, and `repository@digest` all names in that repository: if only one were removed, every later run would
    change something again. Raises InUse if these are several, unless FORCE.
    """
    if isinstance(selector, str):
        pattern = compile_glob(selector)
        return [image for image in images if image.name is not None and pattern.match(str(image.name))]
    if isinstance(selector, Reference) and selector.tag is not None:
        return [image for image in images if image.name == selector.name and (selector.digest is None or selector.digest in digests(image))]
    found = find_in_repository(images, selector, digests) if isinstance(selector, Reference) else find_matching(images, selector, image_ids, digests)
    names = sorted({str(image.name) for image in found if image.name is not None})
    if len(names) > 1 and not force:
        raise InUse(f"{selector} has several names ({', '.join(names)}); remove them by name, or all of them with force")
    return found
