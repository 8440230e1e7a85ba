# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan copies to image layouts on disk. A layout is written like a store: no entry is lost, and entries of other tools stay."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import LongshoreError
from ...oci.graph import Graph
from ...oci.platform import Platform
from ...transfer.plan import ImagePlan, RefChange, RefState, Step
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..artifact_sources import ArtifactSources
from ..copy_job import CopyJob, inspect_jobs
from ..facts import describe_record, describe_transfer, image_facts, ref_state, short_digest
from ..platforms import is_damaged, merge_with_store, platforms_to_record
from ..referrer_plan import ReferrerPlan
from ..same_image import find_same_image

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


@dataclasses.dataclass(frozen=True)
class LayoutCopyPlanner:
    """Plan all copies of a run whose targets are image layouts."""

    sources: ArtifactSources
    host: Platform
    referrers: bool = False
    steps: t.Sequence[Step] = ()

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        return [
            job.fail(found) if isinstance(found, LongshoreError) else self._plan_image(job, *found)
            for job, found in zip(jobs, inspect_jobs(self._read_image, jobs, workers))
        ]

    def _read_image(self, job: CopyJob) -> tuple[Graph, ReferrerPlan]:
        graph = self._read_graph(job)
        return graph, self._plan_referrers(job, graph) if self.referrers else ReferrerPlan()

    def _plan_referrers(self, job: CopyJob, graph: Graph) -> ReferrerPlan:
        from .referrers import plan_for_store

        store = self.sources.store(job.target)
        return plan_for_store(store, job.find_referrers(graph), (job.name,) if job.name is not None else ())

    def _read_graph(self, job: CopyJob) -> Graph:
        """Return the image from the layout if that has all of it, else from its source."""
        store = self.sources.store(job.target)
        before = self._current_entry(job, store)
        if job.takes_all and before is not None and self._is_same(job, store, before):
            stored = store.read_graph(before)
            if stored is not None and not stored.absent and not store.find_missing_blobs(before):
                return stored
        graph = job.graph()
        job.image_source.check_blobs(graph)
        return graph

    def _is_same(self, job: CopyJob, store: Store, before: Entry) -> bool:
        if find_same_image(job.image_source, before.descriptor, before.label, store.read_document, self.host) is not None:
            return True
        return before.digest == job.image_source.digest()

    def _current_entry(self, job: CopyJob, store: Store) -> Entry | None:
        if job.name is not None:
            return store.index.get_named(job.name)
        return next(iter(store.index.find_by_digest(job.image_source.digest())), None)

    def _plan_image(self, job: CopyJob, graph: Graph, referrers: ReferrerPlan) -> ImagePlan:
        store = self.sources.store(job.target)
        after = merge_with_store(store, graph, lambda descriptor: store.read_document(descriptor) or job.image_source.read_document(descriptor))
        label = str(job.name or graph.root.digest)
        before, recorded = self._current_entry(job, store), platforms_to_record(graph, job.selection)
        was, will_be = ref_state(store, before), RefState(graph.root.digest, tuple(after.platforms))
        of_image = store.list_missing(graph.blobs)
        added = store.list_missing(referrers.missing_blobs(graph.blobs))
        moves = (*of_image, *added)
        changed = was != will_be or is_damaged(store, graph)
        replaced = f" in place of {short_digest(was.digest)}" if was is not None and was.digest != will_be.digest else ""
        action = f"copy {job.source} to {label} in {store.path} ({short_digest(will_be.digest)}){replaced}: {describe_transfer(of_image)}"
        actions = [*([action] if changed else describe_record(label, before, graph, recorded)), *referrers.actions("copy", label, added)]
        return ImagePlan(
            requested=label,
            image=image_facts(str(job.name) if job.name is not None else None, after, job.selection, self.host),
            changes=(RefChange(f"{label} in {store.path}", was, will_be), *referrers.changes_in(store.path)),
            actions=tuple(actions),
            transfer=Transfer(
                job.image_source.source,
                store,
                graph,
                (job.name,) if job.name is not None else (),
                recorded,
                moves=moves,
                reused=(*graph.blobs_without(moves), *referrers.blobs_without((*graph.blobs, *moves))),
                pending=bool(actions),
                referrers=referrers.missing,
            ),
            results={
                **job.facts,
                "previous_digest": str(was.digest) if was is not None else None,
                "endpoint": None,
                "referrers": list(referrers.rows),
            },
            warnings=referrers.warnings,
        )
