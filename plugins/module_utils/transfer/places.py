# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a place has to offer so that images can be copied from it or to it. Store and registry rooms fulfil this by shape; they don't know it."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor

Chunks = t.Iterable[t.Union[bytes, bytearray, memoryview]]
Content = t.Callable[[Descriptor], Chunks]


class Source(t.Protocol):
    """A place that can be read."""

    def open(self, descriptor: Descriptor) -> Chunks:
        """The bytes of a blob, unverified: whoever takes them in checks them."""


@t.runtime_checkable
class OrderedSource(t.Protocol):
    """A place whose blobs can only be had in an order of its own: those that are wanted are taken in one reading."""

    def stream(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, Chunks]]:
        """Each of WANTED with its bytes, to be read before the next is asked for."""


class SinkWriter(t.Protocol):
    """Leave to write for one run."""

    def __enter__(self) -> SinkWriter: ...

    def __exit__(self, *unused: object) -> None: ...

    def lacking(self, graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """The blobs of GRAPH to bring now, of which PLANNED were lacking when the plan was made."""

    def ingest(self, descriptor: Descriptor, content: Content) -> None:
        """Takes in one blob, verified; safe to call from several threads."""

    def discard(self) -> None:
        """Takes back the blobs that this run has brought and nothing else needs, where no image of them is to be kept."""

    def publish(self, images: t.Sequence[NamedGraph]) -> None:
        """Gives names to images whose blobs are all there: all of them or, where it fails, none."""


class Sink(t.Protocol):
    """A place that can be written."""

    def writer(self, needed: t.Iterable[Digest]) -> SinkWriter: ...
