# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan new names for an image of a store or of an engine."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from ..oci.reference import Reference
from ..places.catalog import ImageCatalog
from ..places.facts import short_digest
from ..places.image_source import PlacedImage
from ..transfer.plan import ImagePlan, Plan, RefChange

_Image = t.TypeVar("_Image", bound=PlacedImage)


def plan_tag(catalog: ImageCatalog[_Image], source: Reference | Digest, targets: t.Sequence[Reference], *, keep: bool = False) -> Plan:
    """Plan to point TARGETS at the image SOURCE; with KEEP those that exist stay unchanged. All of them change together or none does.

    Raises ImageNotFound if the place doesn't have the source, StoreDamaged if it can't be read.
    """
    image = catalog.get_complete(source)
    before = {target: catalog.get_named(target) for target in dict.fromkeys(targets)}
    moved = {target: current for target, current in before.items() if current is None or (not keep and current.digest != image.digest)}
    rows = [_plan_target(catalog, target, current, image, target in moved) for target, current in before.items()]
    return catalog.plan_names(image, moved, rows, keep=keep)


def _plan_target(catalog: ImageCatalog[_Image], target: Reference, before: _Image | None, source: _Image, is_moved: bool) -> ImagePlan:
    """Return the row of one target."""
    after = source if is_moved or before is None else before
    was, will_be = catalog.state(before) if before is not None else None, catalog.state(after)
    moved_from = f", in place of {short_digest(was.digest)}" if was is not None else ""
    action = catalog.locate(f"tag {after.label} ({short_digest(will_be.digest)}) as {target}", "in") + moved_from
    return ImagePlan(
        requested=str(target),
        changes=(RefChange(catalog.locate(str(target), "in"), was, will_be),),
        actions=(action,) if is_moved else (),
        results={**catalog.facts(after, target), **catalog.common_facts, "previous_digest": str(was.digest) if was is not None else None},
    )
