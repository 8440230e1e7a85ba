# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to prune a store or an engine by a retention policy: which images it chooses. Each place plans what that deletes."""

from __future__ import annotations

import datetime
import typing as t

from ..places.catalog import ImageCatalog
from ..places.filters import Filters
from ..places.image_source import PlacedImage
from ..places.protection import Protection
from ..places.retention import RetentionPolicy
from ..transfer.plan import Plan

_Image = t.TypeVar("_Image", bound=PlacedImage)


def plan_prune(catalog: ImageCatalog[_Image], policy: RetentionPolicy, filters: Filters, protection: Protection, now: datetime.datetime) -> Plan:
    """Plan to remove the images that POLICY removes at the time NOW. They pass FILTERS and are not protected."""
    candidates = catalog.list_candidates(policy, filters, protection)
    removed = set(policy.select_removable(candidates, now))
    return catalog.plan_pruning([image for image, candidate in zip(catalog.entries, candidates) if candidate in removed], policy)
