# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planned changes of the referrers of one image."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph, exclude_blobs
from ..oci.manifest import Descriptor
from ..transfer.plan import RefChange
from .facts import describe_transfer, format_count


@dataclasses.dataclass(frozen=True)
class ReferrerPlan:
    """The referrers of one image. `missing` are those that the target doesn't have yet, in the order in which they must be published.

    `rows` are the referrers in the results, `blobs` their configs and layers.
    """

    rows: tuple[dict[str, t.Any], ...] = ()
    changes: tuple[RefChange, ...] = ()
    missing: tuple[NamedGraph, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> str:
        """Return the number of referrers that change, for a sentence."""
        return format_count(sum(bool(row["changed"]) for row in self.rows), "referrer")

    @property
    def is_changed(self) -> bool:
        return any(row["changed"] for row in self.rows)

    def actions(self, verb: str, name: str, moves: t.Sequence[Descriptor]) -> list[str]:
        """Return the sentence for the referrers of NAME that change, if any do. MOVES are the blobs that this needs."""
        return [f"{verb} {self.count} of {name}: {describe_transfer(moves)}"] if self.is_changed else []

    def changes_in(self, path: str) -> list[RefChange]:
        """Return the changes with PATH in their names, because a task may change several places."""
        return [dataclasses.replace(change, name=f"{change.name} in {path}") for change in self.changes]

    def missing_blobs(self, image: t.Iterable[Descriptor]) -> tuple[Descriptor, ...]:
        """Return the blobs of the missing referrers that are not among the blobs IMAGE, each once."""
        blobs = {blob.digest: blob for referrer in self.missing for blob in referrer.graph.blobs}
        return exclude_blobs(blobs.values(), image)

    def blobs_without(self, others: t.Iterable[Descriptor]) -> tuple[Descriptor, ...]:
        """Return the blobs of all referrers that are not among OTHERS."""
        return exclude_blobs(self.blobs, others)


def unique_blobs(graphs: t.Iterable[Graph]) -> tuple[Descriptor, ...]:
    """Return the blobs of GRAPHS, each digest once."""
    blobs: dict[Digest, Descriptor] = {}
    for graph in graphs:
        for blob in graph.blobs:
            blobs.setdefault(blob.digest, blob)
    return tuple(blobs.values())
