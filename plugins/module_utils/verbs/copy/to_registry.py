# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan copies to registries. An image that the target has already costs one request; blobs that another repository of the registry has are mounted."""

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
from .sources import RandomAccessSource, RegistrySource

if t.TYPE_CHECKING:
    from ...registry.repository import Repository


@dataclasses.dataclass(frozen=True)
class _TargetState:
    """The state of one target. `current` is what its name points at now, `digest` what it will point at.

    `graph` is None if the target has the image already, so that it was not read.
    """

    repository: Repository
    current: Descriptor | None
    digest: Digest
    graph: Graph | None
    referrers: FoundReferrers

    @property
    def is_present(self) -> bool:
        return self.current is not None and self.current.digest == self.digest


class RegistryCopyPlanner:
    """Plan all copies of a run whose targets are registries."""

    def __init__(self, destination: t.Callable[[Reference], Repository], referrers: bool, host: Platform) -> None:
        self._destination = destination
        self._referrers = referrers
        self._host = host
        self._tags: dict[str, DigestTags] = {}
        self._mounts = BlobMounts(destination, lambda registry, digest: ())

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        """Return a row for each job. Targets are inspected in parallel; then blobs are split one image after the other."""
        return [self._plan_or_error(job, state, workers) for job, state in zip(jobs, inspect_jobs(self._inspect_target, jobs, workers))]

    def _inspect_target(self, job: CopyJob) -> _TargetState:
        target = t.cast(Reference, job.target.reference)
        repository = self._destination(target)
        graph = None if job.takes_all else job.graph()
        digest = graph.root.digest if graph is not None else job.image_source.digest()
        if target.digest not in (None, digest):
            raise InvalidOption(f"{job.source} has the digest {digest} and can't be copied to {target}")
        current = repository.probe(target)
        is_present = current is not None and current.digest == digest
        if graph is None and not (is_present and not self._referrers):
            graph = job.graph()
        if graph is not None and not is_present:
            job.image_source.check_blobs(graph)
        return _TargetState(repository, current, digest, graph, self._find_referrers(job, repository, graph))

    def _find_referrers(self, job: CopyJob, target: Repository, graph: Graph | None) -> FoundReferrers:
        if not self._referrers or graph is None or not isinstance(job.image_source, RegistrySource):
            return FoundReferrers()
        source = job.image_source.source
        tags = self._tags.setdefault(source.name, DigestTags(source))
        return ReferrerFinder(source, target, tags).find(graph)

    def _plan_or_error(self, job: CopyJob, state: _TargetState | LongshoreError, workers: Workers) -> ImagePlan:
        if isinstance(state, LongshoreError):
            return job.fail(state)
        try:
            return self._plan_image(job, state, workers)
        except LongshoreError as error:
            return job.fail(error)

    def _plan_image(self, job: CopyJob, state: _TargetState, workers: Workers) -> ImagePlan:
        name = t.cast(Reference, job.name)
        was = RefState(state.current.digest) if state.current is not None else None
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
                **({} if state.graph is not None else _facts_without_graph(state)),
            },
            warnings=tuple(state.referrers.warnings),
        )

    def _split(self, job: CopyJob, state: _TargetState, graph: Graph, workers: Workers) -> BlobSplit:
        if isinstance(job.image_source, RegistrySource):
            self._mounts.add_present(job.image_source.source, [blob for part in (graph, *_missing_graphs(state)) for blob in part.blobs])
        if state.is_present:
            self._mounts.add_present(state.repository, graph.blobs)
            of_image = BlobSplit()
        else:
            of_image = self._mounts.split_image(graph, state.repository, workers)
        blobs = {blob.digest: blob for part in _missing_graphs(state) for blob in part.blobs}
        of_referrers = self._mounts.split([blob for blob in blobs.values() if blob not in graph.blobs], state.repository, workers)
        return BlobSplit((*of_image.moves, *of_referrers.moves), {**of_image.linked, **of_referrers.linked})

    def _transfer(self, job: CopyJob, name: Reference, state: _TargetState, graph: Graph, split: BlobSplit) -> Transfer:
        published = [*state.referrers.missing, *([] if state.is_present else [NamedGraph(graph, (name,), None)])]
        last = published[-1] if published else NamedGraph(graph, (name,), None)
        blobs = {blob.digest: blob for part in (graph, *_missing_graphs(state)) for blob in part.blobs}
        moved = {blob.digest for blob in split.moves}
        return Transfer(
            RandomAccessSource(job.image_source.source),
            self._mounts.sink(state.repository),
            last.graph,
            last.names,
            selection=None,
            moves=split.moves,
            reused=tuple(blob for digest, blob in blobs.items() if digest not in moved),
            pending=bool(published),
            linked=split.linked,
            referrers=tuple(published[:-1]),
        )


def _missing_graphs(state: _TargetState) -> list[Graph]:
    return [named.graph for named in state.referrers.missing]


def _facts_without_graph(state: _TargetState) -> dict[str, t.Any]:
    """Return the facts of an image that the target has already, as far as they are known without reading it."""
    media_type = state.current.media_type if state.current is not None else None
    return {"digest": str(state.digest), "media_type": media_type, "image_id": None, "platforms": None, "size": None}


def _actions(job: CopyJob, name: Reference, state: _TargetState, was: RefState | None, split: BlobSplit) -> tuple[str, ...]:
    actions: list[str] = []
    if not state.is_present:
        replaced = f" in place of {short_digest(was.digest)}" if was is not None else ""
        actions.append(f"copy {job.source} to {name} ({short_digest(state.digest)}){replaced}: {describe_transfer(split.moves)}")
    changed = sum(bool(row["changed"]) for row in state.referrers.rows)
    if changed:
        actions.append(f"copy {format_count(changed, 'referrer')} of {job.source} to {name.context}")
    elif state.referrers.missing:
        actions.append(f"complete the lists of referrers of {name} in {name.context}")
    return tuple(actions)
