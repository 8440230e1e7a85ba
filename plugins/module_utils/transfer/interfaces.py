# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interfaces of places that images are copied from and to. The store, registries and archives implement them as protocols, without importing this file."""

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
        """Return the bytes of a blob. They are not verified: the sink verifies them.

        The chunks may share one buffer: each is valid only until the next one is read.
        """


@t.runtime_checkable
class RemoteSource(Source, t.Protocol):
    """A place behind a network. A blob can be read from any offset, and several ranges of one blob at once."""

    def read_blob(self, descriptor: Descriptor, offset: int = 0) -> Chunks: ...

    def read_range(self, descriptor: Descriptor, start: int, stop: int) -> tuple[bool, t.Generator[bytes | memoryview, None, None]]:
        """Return False and the bytes from START to STOP, or True and the whole blob if the place ignores ranges."""


@t.runtime_checkable
class MirroredSource(t.Protocol):
    """A place that is read through mirrors, which may send wrong bytes."""

    def report_bad_blob(self, descriptor: Descriptor) -> bool:
        """Record that a mirror sent wrong bytes for this blob. Return True if another source can still serve it."""


@t.runtime_checkable
class DescribedSource(t.Protocol):
    """A source that can describe for messages where it stores a blob."""

    def describe_blob(self, digest: Digest) -> str:
        """Return where a blob is, such as the name of a file in an archive, or the source itself if that is unknown."""


@t.runtime_checkable
class OrderedSource(t.Protocol):
    """A place that can only be read from start to end, such as a compressed archive: all wanted blobs are read in one pass."""

    def read_in_order(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, Chunks]]:
        """Yield each blob of WANTED with its bytes. The caller must read them before it requests the next blob."""

    def sort_blobs(self, wanted: t.Collection[Descriptor]) -> list[Descriptor]:
        """Return the blobs of WANTED in the order in which `read_in_order` yields them."""


class SinkWriter(t.Protocol):
    """A writer that holds the leases of one run while it is open.

    If it PUBLISHES_TOGETHER, `publish_images` names several images in one step: all of them or, on an error, none.
    """

    @property
    def publishes_together(self) -> bool: ...

    def __enter__(self) -> SinkWriter: ...

    def __exit__(self, *unused: object) -> None: ...

    def find_missing_blobs(self, graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """Return the blobs of GRAPH that must be stored now. PLANNED were missing when the plan was made."""

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Verify and store one blob. Several threads may call this."""

    def discard(self) -> None:
        """Delete the blobs that this run stored and that nothing else needs. Called if none of its images is published."""

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
        """Name images whose blobs are all stored."""


class PartialBlob(t.Protocol):
    """A blob that is not complete yet. It is written from the front to the end, or in ranges in any order."""

    size: int

    @property
    def front(self) -> int:
        """Return the number of bytes at the front that have no gap."""

    def start_appending(self) -> None:
        """Prepare for appending. Must be called before `append`."""

    def append(self, data: bytes | bytearray | memoryview) -> None: ...

    def start_ranges(self) -> None:
        """Prepare for writing ranges. Must be called before `write_at`."""

    def missing_ranges(self) -> t.Sequence[tuple[int, int]]:
        """Return the missing byte ranges, each as start and stop."""

    def write_at(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Write DATA at the offset START. Several threads may call this."""

    def record_range(self, start: int, stop: int) -> None:
        """Record that these bytes are written and survive a crash."""

    def hash_more(self) -> None:
        """Hash the new bytes at the front while they are still in the page cache."""


@t.runtime_checkable
class ResumingWriter(SinkWriter, t.Protocol):
    """A writer that keeps the part of a blob that it has when the source fails."""

    def put_blob_resumably(self, descriptor: Descriptor, fill: t.Callable[[PartialBlob], None], content: Content) -> None:
        """Verify and store one blob. FILL fetches the missing bytes.

        CONTENT returns the whole blob. It is used if the partial file can't be used, for example because another run is writing it.
        """


class Sink(t.Protocol):
    """A place that can be written."""

    def open_writer(self, needed: t.Iterable[Digest]) -> SinkWriter: ...


@t.runtime_checkable
class LocalSink(Sink, t.Protocol):
    """A place on this machine's disk."""

    @property
    def path(self) -> str:
        """Return the file or folder that the user gave."""


@t.runtime_checkable
class CheckedSink(Sink, t.Protocol):
    """A place that can check without writing whether it is writable."""

    def check_writable(self) -> None:
        """Raise InputOutputError if the place can't be written."""
