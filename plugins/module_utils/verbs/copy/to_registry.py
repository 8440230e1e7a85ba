# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning copies to registries: what is there already costs one request, and what the registry has elsewhere moves no bytes."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import InvalidOption, LongshoreError
from ...oci.digest import Digest
from ...oci.graph import Graph, NamedGraph
from ...oci.manifest import Descriptor
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...registry.referrers import DigestTags
from ...transfer.plan import ImagePlan, RefChange, RefState
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..blob_mounts import BlobMounts, BlobSplit
from ..facts import describe_transfer, format_count, image_facts, short_digest
from .job import CopyJob, inspect_jobs
from .referrers import FoundReferrers, ReferrerFinder
from .sources import AnyOrder, RegistrySource

if t.TYPE_CHECKING:
    from ...registry.repository import Repository


@dataclasses.dataclass(frozen=True)
class _TargetState:
    """What there is to know before anything is divided. `graph` is None for an image that is there already and wasn't read."""

    repository: Repository
    there: Descriptor | None
    digest: Digest
    graph: Graph | None
    referrers: FoundReferrers

    @property
    def is_there(self) -> bool:
        return self.there is not None and self.there.digest == self.digest


class RegistryCopyPlanner:
    """All copies of a run that go to registries."""

    def __init__(self, destination: t.Callable[[Reference], Repository], referrers: bool, host: Platform) -> None:
        self._destination = destination
        self._referrers = referrers
        self._host = host
        self._tags: dict[str, DigestTags] = {}
        self._mounts = BlobMounts(destination, lambda registry, digest: ())

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        """A row for each job: all are looked at at once, and then divided one after the other."""
        return [self._planned_or_error(job, state, workers) for job, state in zip(jobs, inspect_jobs(self._look, jobs, workers))]

    def _look(self, job: CopyJob) -> _TargetState:
        target = t.cast(Reference, job.target.reference)
        repository = self._destination(target)
        graph = None if job.takes_all else job.graph()
        digest = graph.root.digest if graph is not None else job.image_source.digest()
        if target.digest not in (None, digest):
            raise InvalidOption(f"{job.source} has the digest {digest} and can't be copied to {target}")
        there = repository.probe(target)
        is_there = there is not None and there.digest == digest
        if graph is None and not (is_there and not self._referrers):
            graph = job.graph()
        if graph is not None and not is_there:
            job.image_source.check_blobs(graph)
        return _TargetState(repository, there, digest, graph, self._find_referrers(job, repository, graph))

    def _find_referrers(self, job: CopyJob, target: Repository, graph: Graph | None) -> FoundReferrers:
        if not self._referrers or graph is None or not isinstance(job.image_source, RegistrySource):
            return FoundReferrers()
        source = job.image_source.source
        tags = self._tags.setdefault(source.name, DigestTags(source))
        return ReferrerFinder(source, target, tags).find(graph)

    def _planned_or_error(self, job: CopyJob, state: _TargetState | LongshoreError, workers: Workers) -> ImagePlan:
        if isinstance(state, LongshoreError):
            return job.failed(state)
        try:
            return self._planned(job, state, workers)
        except LongshoreError as error:
            return job.failed(error)

    def _planned(self, job: CopyJob, state: _TargetState, workers: Workers) -> ImagePlan:
        name = t.cast(Reference, job.name)
        was = RefState(state.there.digest) if state.there is not None else None
        split = self._split(job, state, state.graph, workers) if state.graph is not None else None
        return ImagePlan(
            requested=str(name),
            image=image_facts(str(name), state.graph, job.selection, self._host) if state.graph is not None else None,
            changes=(RefChange(str(name), was, RefState(state.digest)), *state.referrers.changes),
            actions=_actions(job, name, state, was, split) if split is not None else (),
            transfer=self._transfer(job, name, state, state.graph, split) if state.graph is not None and split is not None else None,
            results={
                **job.facts,
                "previous_digest": str(was.digest) if was is not None else None,
                "endpoint": state.repository.endpoint.url,
                "referrers": state.referrers.rows,
                **({} if state.graph is not None else _unread(state)),
            },
            warnings=tuple(state.referrers.warnings),
        )

    def _split(self, job: CopyJob, state: _TargetState, graph: Graph, workers: Workers) -> BlobSplit:
        if isinstance(job.image_source, RegistrySource):
            self._mounts.has(job.image_source.source, [blob for part in (graph, *_graphs(state)) for blob in part.blobs])
        if state.is_there:
            self._mounts.has(state.repository, graph.blobs)
            own = BlobSplit()
        else:
            own = self._mounts.lacking(graph, state.repository, workers)
        further = {blob.digest: blob for part in _graphs(state) for blob in part.blobs}
        beside = self._mounts.divide([blob for blob in further.values() if blob not in graph.blobs], state.repository, workers)
        return BlobSplit((*own.moves, *beside.moves), {**own.linked, **beside.linked})

    def _transfer(self, job: CopyJob, name: Reference, state: _TargetState, graph: Graph, split: BlobSplit) -> Transfer:
        published = [*state.referrers.lacking, *([] if state.is_there else [NamedGraph(graph, (name,), None)])]
        last = published[-1] if published else NamedGraph(graph, (name,), None)
        blobs = {blob.digest: blob for part in (graph, *_graphs(state)) for blob in part.blobs}
        moved = {blob.digest for blob in split.moves}
        return Transfer(
            AnyOrder(job.image_source.source),
            self._mounts.destination(state.repository),
            last.graph,
            last.names,
            selection=None,
            moves=split.moves,
            reused=tuple(blob for digest, blob in blobs.items() if digest not in moved),
            pending=bool(published),
            linked=split.linked,
            referrers=tuple(published[:-1]),
        )


def _graphs(state: _TargetState) -> list[Graph]:
    return [named.graph for named in state.referrers.lacking]


def _unread(state: _TargetState) -> dict[str, t.Any]:
    """The facts of an image that is there already, as far as they are known without reading it."""
    media_type = state.there.media_type if state.there is not None else None
    return {"digest": str(state.digest), "media_type": media_type, "image_id": None, "platforms": None, "size": None}


def _actions(job: CopyJob, name: Reference, state: _TargetState, was: RefState | None, split: BlobSplit) -> tuple[str, ...]:
    actions: list[str] = []
    if not state.is_there:
        place = f" in place of {short_digest(was.digest)}" if was is not None else ""
        actions.append(f"copy {job.source} to {name} ({short_digest(state.digest)}){place}: {describe_transfer(split.moves)}")
    changed = sum(bool(row["changed"]) for row in state.referrers.rows)
    if changed:
        actions.append(f"copy {format_count(changed, 'referrer')} of {job.source} to {name.context}")
    elif state.referrers.lacking:
        actions.append(f"complete the lists of referrers of {name} in {name.context}")
    return tuple(actions)
