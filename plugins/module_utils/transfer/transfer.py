# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One image on its way from a source to a sink, as a value."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference
from .interfaces import Sink, Source


@dataclasses.dataclass(frozen=True)
class Transfer:
    """GRAPH goes from SOURCE to SINK, where it gets NAMES.

    `moves` are the blobs that the sink is missing, `reused` those it has. `linked` are reused blobs that the sink mounts from another repository of its
    place; the value is the sink of this run that stores the blob there first, None if it is there already. `referrers` are published with the image,
    just before it. A transfer that isn't `pending` moves nothing and is only counted.

    `whole`: the images for this sink are published together or not at all. `free`: a name is given only if no other run has taken it since the plan.
    """

    source: Source
    sink: Sink
    graph: Graph
    names: tuple[Reference, ...]
    selection: Selection | None
    moves: tuple[Descriptor, ...]
    reused: tuple[Descriptor, ...]
    pending: bool = True
    linked: t.Mapping[Descriptor, Sink | None] = dataclasses.field(default_factory=dict)
    referrers: tuple[NamedGraph, ...] = ()
    whole: bool = False
    free: bool = False
