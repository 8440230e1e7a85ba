# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to put an image's own layers on another base, in the store."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ImageNotFound, InvalidOption, InvalidReference, PlatformMissing
from ..oci.compose import BASE_DIGEST, BASE_NAME, Base
from ..oci.digest import Digest
from ..oci.manifest import Manifest
from ..oci.platform import Platform, Selection
from ..oci.rebase import rebase_image
from ..oci.reference import Reference
from ..oci.text import sanitise
from ..transfer.plan import TransferPlan
from .bases import StoredBase
from .made import ComposedImage, MadeContent, compose_graph, plan_made_image

if t.TYPE_CHECKING:
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class RebaseOptions:
    """The image to rebase, its bases, and its new name. `old_base` is None if the image's annotations name it; `selection` is None for all platforms."""

    name: Reference
    image: Reference | Digest
    old_base: Reference | Digest | None
    new_base: Reference | Digest
    selection: Selection | None = None


def plan_rebase(store: Store, options: RebaseOptions, host: Platform) -> TransferPlan:
    """Plan to store the rebased image under its new name.

    Raises ImageNotFound or StoreDamaged for an image that isn't in the store, PlatformMissing for a platform that one of them is missing, InvalidOption if
    the image isn't based on its old base.
    """
    image, new_base = StoredBase.find(store, options.image), StoredBase.find(store, options.new_base)
    is_all = options.selection is None or options.selection.everything
    platforms = (image.list_platforms() or [host]) if options.selection is None or is_all else list(options.selection.platforms)
    made = [ComposedImage(platform, *_rebase(store, options, image, new_base, platform)) for platform in platforms]
    is_index = image.entry.descriptor.is_index if is_all else len(platforms) > 1
    graph, documents = compose_graph(made, is_index=is_index, annotations=image.index_annotations() if is_index else {})
    return TransferPlan([plan_made_image(store, options.name, graph, MadeContent(store, documents), host)])


def _rebase(store: Store, options: RebaseOptions, image: StoredBase, new_base: StoredBase, platform: Platform) -> tuple[Manifest, bytes]:
    own = image.read(platform, exactly=True)
    old_base = StoredBase.find(store, options.old_base) if options.old_base is not None else _find_old_base(store, own)
    bases: list[Base] = []
    for stored in (old_base, new_base):
        try:
            bases.append(stored.read(platform, exactly=True))
        except PlatformMissing as error:
            raise PlatformMissing(f"{image.entry.label} is for {platform} too, but {error.message}") from error
    return rebase_image(own, bases[0], bases[1])


def _find_old_base(store: Store, image: Base) -> StoredBase:
    """Return the base that the annotations of an image name. Raises InvalidOption if they name none, ImageNotFound if the store doesn't have it."""
    label = image.name or str(image.digest)
    text = image.manifest.annotations.get(BASE_DIGEST)
    if text is None:
        raise InvalidOption(f"{label} has no annotation {BASE_DIGEST} that says what it is based on; give old_base")
    try:
        digest = Digest.parse(text)
    except InvalidReference as error:
        raise InvalidOption(f"{label}: the annotation {BASE_DIGEST} is not a digest but {sanitise(text, 100)!r}; give old_base") from error
    if store.find_entry(digest) is None:
        name = sanitise(image.manifest.annotations.get(BASE_NAME, ""), 300)
        raise ImageNotFound(
            f"the old base of {label}, {name or 'an image'} with the digest {digest}, is not in {store.path}; pull it by this digest first"
        )
    return StoredBase.find(store, digest)
