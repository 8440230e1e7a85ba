# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to push images of an engine to registries, as copies."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest
from ..oci.location import REGISTRY, Location
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.copy_job import CopyJob
from ..places.registry.target import RegistryCopyPlanner
from ..places.sources import ImageSources, Places
from ..transfer.plan import TransferPlan
from ..transfer.workers import Workers
from .push import reject_shared_destinations

if t.TYPE_CHECKING:
    from ..trust.policy import Policy


def plan_push_engine(
    scheme: str,
    pairs: t.Sequence[tuple[Reference | Digest, Reference]],
    *,
    places: Places,
    selection: Selection | None,
    host: Platform,
    workers: Workers,
    trust: Policy | None = None,
) -> TransferPlan:
    """Plan to push images of the engine with the location SCHEME, each with its destination.

    `selection` is None for all platforms that the engine has. An image that TRUST refuses has its error in its row: an engine holds no signatures, so TRUST
    accepts only images that need none. Raises InvalidOption for two images with one destination.
    """
    reject_shared_destinations(pairs)
    sources = ImageSources(places, host)
    unique = list(dict.fromkeys(pairs))
    jobs = [CopyJob(Location(scheme, image=name), Location(REGISTRY, destination), selection, sources, trust, "push") for name, destination in unique]
    rows = RegistryCopyPlanner(places.destination, False, host).plan(jobs, workers)
    return TransferPlan(
        [
            dataclasses.replace(row, results={**{key: value for key, value in row.results.items() if key != "destination"}, "source": str(name)})
            for row, (name, _destination) in zip(rows, unique)
        ]
    )
