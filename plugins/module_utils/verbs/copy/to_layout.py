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
from ...transfer.plan import ImagePlan, RefChange, RefState
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..facts import describe_transfer, image_facts, ref_state, short_digest
from ..platforms import is_damaged, merge_with_store, platforms_to_record
from .job import CopyJob, inspect_jobs
from .sources import ImageSources

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


@dataclasses.dataclass(frozen=True)
class LayoutCopyPlanner:
    """All copies of a run that go to image layouts."""

    origins: ImageSources
    host: Platform

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        return [
            job.failed(seen) if isinstance(seen, LongshoreError) else self._planned(job, seen)
            for job, seen in zip(jobs, inspect_jobs(self._look, jobs, workers))
        ]

    def _look(self, job: CopyJob) -> Graph:
        """The image as the layout has it, where it has all of it; else as it is at its source."""
        store = self.origins.store(job.target.path)
        before = self._before(job, store)
        if job.takes_all and before is not None and before.digest == job.image_source.digest():
            held = store.read_graph(before)
            if held is not None and not held.absent and not store.find_missing_blobs(before):
                return held
        graph = job.graph()
        job.image_source.check_blobs(graph)
        return graph

    def _before(self, job: CopyJob, store: Store) -> Entry | None:
        if job.name is not None:
            return store.index.get_named(job.name)
        return next(iter(store.index.find_by_digest(job.image_source.digest())), None)

    def _planned(self, job: CopyJob, graph: Graph) -> ImagePlan:
        store = self.origins.store(job.target.path)
        after = merge_with_store(store, graph, job.image_source.read_document)
        label = str(job.name or graph.root.digest)
        was, will_be = ref_state(store, self._before(job, store)), RefState(graph.root.digest, tuple(after.platforms))
        moves = tuple(blob for blob in graph.blobs if not store.has_blob(blob))
        pending = was != will_be or is_damaged(store, graph)
        place = f" in place of {short_digest(was.digest)}" if was is not None and was.digest != will_be.digest else ""
        action = f"copy {job.source} to {label} in {store.path} ({short_digest(will_be.digest)}){place}: {describe_transfer(moves)}"
        return ImagePlan(
            requested=label,
            image=image_facts(str(job.name) if job.name is not None else None, after, job.selection, self.host),
            changes=(RefChange(f"{label} in {store.path}", was, will_be),),
            actions=(action,) if pending else (),
            transfer=Transfer(
                job.image_source.source,
                store,
                graph,
                (job.name,) if job.name is not None else (),
                platforms_to_record(graph, job.selection),
                moves=moves,
                reused=graph.blobs_without(moves),
                pending=pending,
            ),
            results={**job.facts, "previous_digest": str(was.digest) if was is not None else None, "endpoint": None, "referrers": []},
        )
