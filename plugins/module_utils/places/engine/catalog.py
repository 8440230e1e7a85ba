# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine as a catalog of images."""

from __future__ import annotations

import typing as t

from ...oci.digest import Digest
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Plan, RefState, Results
from .images import NamedEngineImage
from .reader import EngineReader, digests_of

if t.TYPE_CHECKING:
    from ...oci.removal_matching import RemovalSelector
    from ..filters import Filters
    from ..protection import Protection
    from ..retention import RetentionCandidate, RetentionPolicy


class EngineCatalog(EngineReader):
    """The images of an engine in one task, for reading and changing."""

    store = None

    @property
    def common_facts(self) -> Results:
        return {"engine": self.engine.title}

    def locate(self, text: str, preposition: str) -> str:
        return f"{text} {preposition} {self.engine.title}"

    def state(self, image: NamedEngineImage) -> RefState:
        return image.state

    def facts(self, image: NamedEngineImage, name: Reference | None) -> Results:
        return {**image.facts, "name": str(name) if name is not None else None}

    def get_complete(self, selector: Reference | Digest) -> NamedEngineImage:
        return self.get(selector)

    def plan_names(
        self, source: NamedEngineImage, moved: t.Mapping[Reference, NamedEngineImage | None], rows: t.Sequence[ImagePlan], *, keep: bool
    ) -> Plan:
        """Plan the names as one step. If one can't be set, those that were already set are restored."""
        from .leftovers import remove_leftovers
        from .naming import TagInEngine

        plan = Plan(rows, steps=[TagInEngine(self.engine, source, moved)] if moved else [], all_or_nothing=True)
        return remove_leftovers(plan, self.engine, self.images.names)

    def plan_removal(self, chosen: t.Sequence[NamedEngineImage | ImagePlan], *, prune: bool, force: bool) -> Plan:
        """Plan a removal. Engines delete content by themselves, so PRUNE has no effect."""
        from .removal import plan_removal

        return plan_removal(self, self.images, chosen, force=force)

    def list_candidates(self, policy: RetentionPolicy, filters: Filters, protection: Protection) -> list[RetentionCandidate]:
        from .candidates import list_candidates

        return list_candidates(self.images, self.image_ids, policy, filters, protection)

    def plan_pruning(self, leaving: t.Sequence[NamedEngineImage], unused_policy: RetentionPolicy) -> Plan:
        from .removal import plan_pruning

        return plan_pruning(self, self.images, leaving)

    def select_for_removal(self, selector: RemovalSelector, *, force: bool) -> list[NamedEngineImage]:
        """Return the images that SELECTOR, which may also be a glob, selects for removal. None of them is read-only.

        Raises as `select`, and InUse for several names, unless FORCE.
        """
        from ...oci.removal_matching import select_for_removal

        removable = [entry for entry in self.entries if not entry.image.read_only]
        with self.reading_ids(selector) as image_ids:
            return select_for_removal(removable, selector, image_ids, digests_of, force=force)
