# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning copies to image layouts on disk, each of which is written as a store is: no entry is lost, and what strangers wrote stays."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import LongshoreError
from ...oci.graph import Graph
from ...oci.platform import Platform
from ...transfer.plan import ImagePlan, RefChange, RefState, Transfer
from ...transfer.workers import Workers
from ..facts import image_facts, moving, ref_state, short
from ..platforms import graph_after, is_damaged, recorded_platforms
from .job import Job, look_at
from .sources import Origins

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


@dataclasses.dataclass(frozen=True)
class LayoutCopies:
    """All copies of a run that go to image layouts."""

    origins: Origins
    host: Platform

    def plan(self, jobs: t.Sequence[Job], workers: Workers) -> list[ImagePlan]:
        return [
            job.failed(seen) if isinstance(seen, LongshoreError) else self._planned(job, seen)
            for job, seen in zip(jobs, look_at(self._look, jobs, workers))
        ]

    def _look(self, job: Job) -> Graph:
        """The image as the layout has it, where it has all of it; else as it is at its source."""
        store = self.origins.store(job.target.path)
        before = self._before(job, store)
        if job.takes_all and before is not None and before.digest == job.origin.digest():
            held = store.graph(before)
            if held is not None and not held.absent and not store.missing(before):
                return held
        graph = job.graph()
        job.origin.check(graph)
        return graph

    def _before(self, job: Job, store: Store) -> Entry | None:
        if job.name is not None:
            return store.index.named(job.name)
        return next(iter(store.index.with_digest(job.origin.digest())), None)

    def _planned(self, job: Job, graph: Graph) -> ImagePlan:
        store = self.origins.store(job.target.path)
        after = graph_after(store, graph, job.origin.read)
        label = str(job.name or graph.root.digest)
        was, will_be = ref_state(store, self._before(job, store)), RefState(graph.root.digest, tuple(after.platforms))
        moves = tuple(blob for blob in graph.blobs if not store.has(blob))
        plan = ImagePlan(
            asked=label,
            image=image_facts(str(job.name) if job.name is not None else None, after, job.selection, self.host),
            changes=(RefChange(f"{label} in {store.path}", was, will_be),),
            own={**job.facts, "previous_digest": str(was.digest) if was is not None else None, "endpoint": None, "referrers": []},
        )
        if was != will_be or is_damaged(store, graph):
            place = f" in place of {short(was.digest)}" if was is not None and was.digest != will_be.digest else ""
            plan.actions = (f"copy {job.source} to {label} in {store.path} ({short(will_be.digest)}){place}: {moving(moves)}",)
        names = (job.name,) if job.name is not None else ()
        reused = graph.blobs_without(moves)
        selection = recorded_platforms(graph, job.selection)
        plan.transfer = Transfer(job.origin.source, store, graph, names, selection, moves, reused, bool(plan.actions))
        return plan
