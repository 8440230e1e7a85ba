# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: what a run will change, worked out by reading only. Check mode shows it, a real run applies it, both return its facts."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import LongshoreError
from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference
from .interfaces import CheckedSink, Sink, Source
from .workers import Workers


@dataclasses.dataclass(frozen=True)
class RefState:
    """What a name points at. `platforms` are those that are whole at that place; None where the place doesn't tell."""

    digest: Digest
    platforms: tuple[str, ...] | None = None

    def facts(self) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {"digest": str(self.digest)}
        if self.platforms is not None:
            facts["platforms"] = list(self.platforms)
        return facts


@dataclasses.dataclass(frozen=True)
class RefChange:
    """One name before and after; None where it isn't there."""

    name: str
    before: RefState | None
    after: RefState | None


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """An image as every module returns it. `size` is the stored bytes of the platforms that are here."""

    name: str | None
    digest: Digest
    image_id: Digest | None
    media_type: str
    platforms: tuple[str, ...]
    size: int

    def facts(self) -> dict[str, t.Any]:
        return {
            "name": self.name,
            "digest": str(self.digest),
            "image_id": None if self.image_id is None else str(self.image_id),
            "media_type": self.media_type,
            "platforms": list(self.platforms),
            "size": self.size,
        }


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One image on its way: GRAPH goes from SOURCE to SINK, where it gets NAMES. `moves` are the blobs that the sink lacks, `reused` those it has.

    One that isn't `pending` is there already, and only counted. `linked` are those of the reused blobs that the sink has to take over from another part
    of its place, with the sink of this run that gets them there before, if any. `companions` are published with the image, just before it. Images for a
    `whole` sink get there all at once or not at all. Names that have to be `free` are given only where no other run has given them since.
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


@dataclasses.dataclass
class ImagePlan:
    """What becomes of one image that was asked for. One with an `error` failed; its names stay as they are."""

    requested: str
    image: ImageFacts | None = None
    changes: tuple[RefChange, ...] = ()
    actions: tuple[str, ...] = ()
    transfer: Transfer | None = None
    results: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: LongshoreError | None = None

    @property
    def changed(self) -> bool:
        return bool(self.actions) and self.error is None

    def facts(self) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {"name": self.requested} if self.image is None else self.image.facts()
        facts.update(self.results, changed=self.changed)
        if self.error is not None:
            facts.update(failed=True, msg=self.error.message, error=self.error.cause)
        return facts


@dataclasses.dataclass
class Plan:
    """All that one run does. `own` are the results that only this module has, `further_actions` what changes beside the images.

    With `together` all images change at once or, where one fails, none.
    """

    images: list[ImagePlan]
    results: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    all_or_nothing: bool = False
    extra_actions: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.actions())

    @property
    def errors(self) -> list[LongshoreError]:
        """Each error once: several names may fail with one image."""
        return list(dict.fromkeys(image.error for image in self.images if image.error is not None))

    @property
    def transfers(self) -> list[Transfer]:
        """Each transfer once, in the order asked for: several names may travel with one image."""
        unique = {id(image.transfer): image.transfer for image in self.images if image.transfer is not None and image.error is None}
        return list(unique.values())

    def actions(self) -> list[str]:
        return [*(action for image in self.images if image.error is None for action in image.actions), *self.extra_actions]

    def warnings(self) -> list[str]:
        return [warning for image in self.images for warning in image.warnings]

    def diff(self) -> dict[str, dict[str, t.Any]]:
        before: dict[str, t.Any] = {}
        after: dict[str, t.Any] = {}
        for image in self.images:
            for change in image.changes:
                if change.before is not None:
                    before.setdefault(change.name, change.before.facts())
                state = change.after if image.error is None else change.before
                if state is not None:
                    after[change.name] = state.facts()
        return {"before": before, "after": after}

    def facts(self) -> dict[str, t.Any]:
        """The results of this run beside those of its images."""
        return dict(self.results)

    def sinks(self) -> list[Sink]:
        """The places that the plan writes to."""
        return [transfer.sink for transfer in self.transfers if transfer.pending]

    def check_sinks(self) -> None:
        """Raises InputOutputError for a place that can't be written: check mode says so as the run that follows would."""
        for sink in self.sinks():
            if isinstance(sink, CheckedSink):
                sink.check_writable()

    def apply(self, workers: Workers) -> None:
        """Carries the plan out. An image that fails gets its error; the others are done."""
        pending = [transfer for transfer in self.transfers if transfer.pending]
        if pending:
            from .executor import execute

            execute(self, pending, workers)


class TransferPlan(Plan):
    """A plan of a verb that moves bytes, and counts them: blobs are configs and layers, each digest once."""

    def blobs(self) -> tuple[list[Descriptor], list[Descriptor]]:
        """The blobs that are moved, and those that are there already."""
        moved = [blob for transfer in self.transfers for blob in transfer.moves]
        return moved, [blob for transfer in self.transfers for blob in transfer.reused]

    def facts(self) -> dict[str, t.Any]:
        moves, there = self.blobs()
        moved = {blob.digest: blob.size for blob in moves}
        reused = {blob.digest: blob.size for blob in there if blob.digest not in moved}
        return {
            **super().facts(),
            "bytes_transferred": sum(moved.values()),
            "bytes_reused": sum(reused.values()),
            "blobs_transferred": len(moved),
            "blobs_reused": len(reused),
        }
