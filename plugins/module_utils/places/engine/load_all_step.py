# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load images into an engine: all of them or none."""

from __future__ import annotations

import dataclasses
import typing as t

from ...engine.interfaces import EngineImage
from ...errors import LongshoreError
from ...oci.digest import Digest
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Outcome, Step
from ...transfer.workers import Workers
from .images import EngineImages
from .load_step import LoadIntoEngine
from .outgoing_image import OutgoingImage
from .restore_names import keep_images, restore_names


@dataclasses.dataclass(frozen=True)
class LoadAll(Step):
    """Load images one after the other, because an engine loads one archive at a time.

    If one fails, the names that were already set are restored: they point at their earlier ones of IMAGES, those of the engine, or are removed.
    """

    images: EngineImages
    steps: t.Sequence[LoadIntoEngine]

    def blobs(self) -> tuple[t.Sequence[Descriptor], t.Sequence[Descriptor]]:
        return [blob for step in self.steps for blob in step.blobs()[0]], [blob for step in self.steps for blob in step.blobs()[1]]

    def rows(self) -> t.Sequence[ImagePlan]:
        return [row for step in self.steps for row in step.rows()]

    def apply(self, workers: Workers) -> Outcome:
        moved: list[Descriptor] = []
        done: list[Reference] = []
        pending = [step.load.outgoing for step in self.steps if step.load.is_pending]
        engine, present = self.images.engine, self.images.images
        unnamed = _find_unnamed(present, pending)
        # The last name is never set back: it either moves or stays.
        moving = {outgoing.name for outgoing in pending[:-1]}
        before = {name: image for image in present for name in image.names if name in moving}
        with keep_images(engine, before, engine.load_keeps_replaced) as images:
            for step in self.steps:
                outcome = step.apply(workers)
                if outcome.failures:
                    error: LongshoreError = next(iter(outcome.failures.values()))
                    restore_names(engine, done, images, unnamed, error)
                    return Outcome(dict.fromkeys(self.rows(), error))
                if step.load.is_pending:
                    done.append(step.load.request.name)
                moved += outcome.moved or ()
        return Outcome(moved=moved)


def _find_unnamed(present: t.Sequence[EngineImage], pending: t.Sequence[OutgoingImage]) -> dict[Reference, Digest]:
    """Return the new names of those PENDING images that the engine has already, without a name."""
    digests = {digest: image.digest for image in present if not image.names for digest in (image.digest, *image.digests)}
    return {outgoing.name: digests[key] for outgoing in pending for key in (outgoing.image_id, outgoing.digest) if key in digests}
