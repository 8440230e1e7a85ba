# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set names in an engine: all of them or none."""

from __future__ import annotations

import dataclasses
import typing as t

from ...engine.interfaces import ManagedEngine
from ...errors import EngineError
from ...oci.reference import Reference
from ...transfer.plan import Outcome, Step
from ...transfer.workers import Workers
from .images import NamedEngineImage
from .restore_names import keep_images, restore_names


@dataclasses.dataclass(frozen=True)
class TagInEngine(Step):
    """Set names one after the other. If one fails, those that were already set are restored."""

    engine: ManagedEngine
    source: NamedEngineImage
    moved: t.Mapping[Reference, NamedEngineImage | None]

    def apply(self, unused_workers: Workers) -> Outcome:
        done: list[Reference] = []
        # The last name is never set back: it either moves or stays.
        before = {target: entry.image for target, entry in list(self.moved.items())[:-1] if entry is not None}
        with keep_images(self.engine, before, self.engine.tag_keeps_replaced) as images:
            try:
                for target in self.moved:
                    self.engine.tag(self.source.image, target)
                    done.append(target)
            except EngineError as error:
                source = self.source.image
                unnamed = {} if source.names else dict.fromkeys(self.moved, source.digest)
                restore_names(self.engine, done, images, unnamed, error)
                raise
        return Outcome()
