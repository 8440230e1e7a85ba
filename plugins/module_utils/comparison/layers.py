# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the layers of two images, and count the bytes that one needs beside the other."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest

KEPT, REPACKED, ADDED, REMOVED, CHANGED = "kept", "repacked", "added", "removed", "changed"


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer: the digest of its blob, that of its uncompressed tar if the config says so, and the size of the blob."""

    digest: Digest
    diff_id: Digest | None
    size: int

    def has_content_of(self, other: Layer) -> bool:
        """Return True if both are the same tar, however each is compressed."""
        return self.digest == other.digest or (self.diff_id is not None and self.diff_id == other.diff_id)


@dataclasses.dataclass(frozen=True)
class LayerChange:
    """A layer of one image or of both. `previous` is the blob with the same content in the first image, if both have it."""

    change: str
    layer: Layer
    previous: Layer | None = None

    def row(self) -> dict[str, t.Any]:
        return {
            "change": self.change,
            "digest": str(self.layer.digest),
            "previous_digest": str(self.previous.digest) if self.previous is not None else None,
            "diff_id": str(self.layer.diff_id) if self.layer.diff_id is not None else None,
            "size": self.layer.size,
        }


def compare_layers(before: t.Sequence[Layer], after: t.Sequence[Layer]) -> list[LayerChange]:
    """Return the layers of AFTER in their order, each kept, repacked (the same tar, compressed otherwise) or added, and then those that were removed.

    A layer that an image has twice counts twice.
    """
    left = list(before)
    changes: list[LayerChange] = []
    for layer in after:
        same = next((other for other in left if other.digest == layer.digest), None)
        same = same or next((other for other in left if other.has_content_of(layer)), None)
        if same is None:
            changes.append(LayerChange(ADDED, layer))
            continue
        left.remove(same)
        changes.append(LayerChange(KEPT if same.digest == layer.digest else REPACKED, layer, same))
    return [*changes, *(LayerChange(REMOVED, layer) for layer in left)]


def count_shared_bottom(before: t.Sequence[Layer], after: t.Sequence[Layer]) -> int:
    """Return how many layers, from the lowest one up, are the same in both images."""
    number = 0
    for one, other in zip(before, after):
        if not one.has_content_of(other):
            break
        number += 1
    return number
