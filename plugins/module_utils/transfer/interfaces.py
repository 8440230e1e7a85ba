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

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        """The bytes of a blob, unverified: whoever takes them in checks them."""


@t.runtime_checkable
class RemoteSource(Source, t.Protocol):
    """A place behind a network: its blobs can be had from any byte on, and parts of one blob at once."""

    def read_blob(self, descriptor: Descriptor, offset: int = 0) -> Chunks: ...

    def read_range(self, descriptor: Descriptor, start: int, stop: int) -> tuple[bool, t.Generator[bytes, None, None]]:
        """The bytes from START to STOP; or True and the whole blob, where only that can be had."""


@t.runtime_checkable
class MirroredSource(t.Protocol):
    """A place that has others before it, which may give wrong bytes."""

    def report_bad_blob(self, descriptor: Descriptor) -> bool:
        """Notes that a blob turned out to be another. Returns whether whoever asks again is given it by another place."""


@t.runtime_checkable
class DescribedSource(t.Protocol):
    """A source that can say where it holds a blob, for messages."""

    def describe_blob(self, digest: Digest) -> str:
        """Return the place of a blob, such as the name of a file in an archive; the source itself if it doesn't know."""


@t.runtime_checkable
class OrderedSource(t.Protocol):
    """A place whose blobs can only be had in an order of its own: those that are wanted are taken in one reading."""

    def read_in_order(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, Chunks]]:
        """Each of WANTED with its bytes, to be read before the next is asked for."""


class SinkWriter(t.Protocol):
    """Leave to write for one run."""

    def __enter__(self) -> SinkWriter: ...

    def __exit__(self, *unused: object) -> None: ...

    def find_missing_blobs(self, graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """The blobs of GRAPH to bring now, of which PLANNED were lacking when the plan was made."""

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Takes in one blob, verified; safe to call from several threads."""

    def discard(self) -> None:
        """Takes back the blobs that this run has brought and nothing else needs, where no image of them is to be kept."""

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
        """Gives names to images whose blobs are all there: all of them or, where it fails, none."""


class PartialBlob(t.Protocol):
    """A blob that isn't there in full yet. It grows from its front on, or in pieces of any order."""

    size: int

    @property
    def front(self) -> int:
        """How many bytes are there without a gap."""

    def start_appending(self) -> None:
        """Leave to append."""

    def append(self, data: bytes | bytearray | memoryview) -> None: ...

    def start_ranges(self) -> None:
        """Leave to write pieces."""

    def missing_ranges(self) -> t.Sequence[tuple[int, int]]:
        """What lacks, from start to stop."""

    def write_at(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Safe to call from several threads."""

    def record_range(self, start: int, stop: int) -> None:
        """These bytes are there, and will be after a death."""

    def hash_more(self) -> None:
        """Hashes what came at the front, now that it is at hand."""


@t.runtime_checkable
class ResumingWriter(SinkWriter, t.Protocol):
    """A writer that keeps what it has of a blob when the source fails."""

    def put_blob_resumably(self, descriptor: Descriptor, fill: t.Callable[[PartialBlob], None], content: Content) -> None:
        """Takes in one blob, verified, of which FILL brings what lacks; CONTENT is all of it, for when there is no leave to fill."""


class Sink(t.Protocol):
    """A place that can be written."""

    def open_writer(self, needed: t.Iterable[Digest]) -> SinkWriter: ...


@t.runtime_checkable
class CheckedSink(Sink, t.Protocol):
    """A place that tells without being written whether it can be."""

    def check_writable(self) -> None:
        """Raises InputOutputError where it can't be written."""
