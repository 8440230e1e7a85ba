# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places that have blobs only."""

from __future__ import annotations

import typing as t

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor


class Blobs:
    """A place with layers, which records those that are read."""

    def __init__(self, *layers: bytes) -> None:
        self.descriptors = [Descriptor.of(media_types.OCI_LAYER_GZIP, data) for data in layers]
        self.content = {descriptor.digest: data for descriptor, data in zip(self.descriptors, layers)}
        self.read: list[Digest] = []

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[memoryview]:
        self.read.append(descriptor.digest)
        data = bytearray(self.content[descriptor.digest])
        buffer = bytearray(10)
        for start in range(0, len(data), 10):
            piece = data[start : start + 10]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]


class OrderedBlobs(Blobs):
    """A place that yields layers in its own order: the last one first."""

    def read_in_order(self, wanted: t.Collection[Descriptor]) -> t.Iterator[tuple[Descriptor, t.Iterator[memoryview]]]:
        for descriptor in reversed(list(wanted)):
            yield descriptor, self.read_blob(descriptor)

    def sort_blobs(self, wanted: t.Collection[Descriptor]) -> list[Descriptor]:
        return list(wanted)[::-1]
