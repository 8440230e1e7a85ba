# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a removal from a store or an engine: which images it chooses. Each place plans what that deletes."""

from __future__ import annotations

import typing as t

from ..oci.removal_matching import RemovalSelector
from ..places.catalog import ImageCatalog, choose_for_removal
from ..places.image_source import PlacedImage
from ..transfer.plan import Plan

_Image = t.TypeVar("_Image", bound=PlacedImage)


def plan_remove(catalog: ImageCatalog[_Image], selectors: t.Sequence[RemovalSelector], *, prune: bool = True, force: bool = False) -> Plan:
    """Plan to remove the images of SELECTORS; an absent image is no change. With PRUNE the blobs that only they need are deleted too.

    Raises InUse for a digest or ID with several names, unless FORCE; `repository@digest` means the names in that repository.
    """
    return catalog.plan_removal(choose_for_removal(catalog, selectors, force=force), prune=prune, force=force)
