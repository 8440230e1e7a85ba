# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a delivery: store -> engine."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..engine.interfaces import ManagedEngine
from ..errors import InvalidOption, LongshoreError
from ..oci.digest import Digest
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.engine.images import EngineImages
from ..places.engine.load_planner import LoadPlanner
from ..places.engine.load_step import LoadIntoEngine
from ..places.engine.planned_load import FailedLoad, Load, LoadRequest
from ..places.store.source import LayoutSource
from ..places.verification import Verification, check_names
from ..transfer.plan import TransferPlan

if t.TYPE_CHECKING:
    from ..store.store import Store
    from ..trust.policy import TrustPolicy


def plan_deliver(
    store: Store,
    engine: ManagedEngine,
    names: t.Sequence[Reference | Digest],
    *,
    platform: Platform | None,
    host: Platform,
    trust: TrustPolicy | None = None,
) -> TransferPlan:
    """Plan to load images of STORE into ENGINE; without PLATFORM for the platform of the engine.

    The engine lists its images once, and its layers only if it is missing one of the images. Images that TRUST refuses are errors in their rows. Raises
    EngineError if the engine can't be reached.
    """
    store.reload()
    planner = LoadPlanner(EngineImages(engine, host), Selection((platform,)) if platform is not None else None)
    loads = planner.plan([_request(store, name, trust) for name in dict.fromkeys(names)])
    rows = [planner.row(load, engine_keys=True) for load in loads]
    steps = [
        LoadIntoEngine(engine, load, row, verifies=False, failure="could not be delivered")
        for load, row in zip(loads, rows)
        if isinstance(load, Load)
    ]
    return TransferPlan(rows, steps=steps)


def _request(store: Store, requested: Reference | Digest, trust: TrustPolicy | None) -> LoadRequest | FailedLoad:
    """Return what to load. It has an error for an image that doesn't exist, and for one without a name."""
    try:
        entry = store.get_entry(requested)
        name = entry.name if isinstance(requested, Digest) else requested.name
        if name is None:
            raise InvalidOption(f"{requested} has no name to be delivered under; give it one with image_tag")
    except LongshoreError as error:
        return FailedLoad(str(requested), error)
    image = LayoutSource(store, entry, (name,))
    verify = functools.partial(_verify, store, trust, entry.name, name) if trust is not None else None
    return LoadRequest(str(name), name, entry.label, f"deliver {name}", image, functools.partial(_find_document, store), verify=verify)


def _verify(store: Store, trust: TrustPolicy, name: Reference | None, new_name: Reference, graph: Graph) -> Verification:
    from ..store.referrers import referrers_in_store

    place = referrers_in_store(store)
    return check_names(trust, (name,), new_name, graph, lambda given: [place.of_name(given)])


def _find_document(store: Store, descriptor: Descriptor, unused_names: t.Collection[Reference]) -> bytes | None:
    status = store.blob_status(descriptor.digest)
    return store.read_document(dataclasses.replace(descriptor, size=status.st_size)) if status is not None else None
