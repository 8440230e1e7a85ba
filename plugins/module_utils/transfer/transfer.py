# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The value that describes the copy of one image from a source to a sink."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference

if t.TYPE_CHECKING:
    from .interfaces import Sink, Source


@dataclasses.dataclass(frozen=True, eq=False)
class Transfer:
    """Copy GRAPH from SOURCE to SINK, and name it NAMES there.

    `moves` are the blobs that the sink is missing, `reused` those that it has. `linked` are reused blobs that the sink mounts from another repository of
    the same registry; the value is the sink of this run that uploads the blob to that repository first, None if the repository has it already.
    `referrers` are published with the image, just before it. A transfer that isn't `pending` moves nothing and is only counted.

    If `whole`, the images for this sink are published together or not at all. If `free`, a name is set only if no other run has set it since the plan.
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

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """Return the graphs of the image and of its referrers."""
        return (self.graph, *(referrer.graph for referrer in self.referrers))
