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
from ...transfer.plan import ImagePlan, RefChange, RefState, Step
from ...transfer.workers import Workers
from ..copy_job import CopyJob, inspect_jobs
from ..facts import describe_transfer, format_count, image_facts, short_digest
from ..platforms import reject_sparse
from ..referrer_plan import ReferrerPlan
from ..same_image import find_same_image
from .blob_mounts import BlobMounts, BlobSplit, MountCandidates
from .referrers import describe_changes, make_transfer, plan_for_registry, split_with_referrers
from .source import RegistrySource

if t.TYPE_CHECKING:
    from ...registry.repository import Repository
    from ...store.store import Store

# The past tense of a verb, and how its sentences join source and target.
_WORDS = {"copy": ("copied", "to"), "push": ("pushed", "as")}


@dataclasses.dataclass(frozen=True)
class _TargetState:
    """The state of one target. `current` is what its name points at now, `digest` what it will point at.

    `graph` is None if the target has the image already, so that it was not read.
    """

    repository: Repository
    current: Descriptor | None
    digest: Digest
    graph: Graph | None
    referrers: ReferrerPlan

    @property
    def is_present(self) -> bool:
        return self.current is not None and self.current.digest == self.digest


class RegistryCopyPlanner:
    """Plan all copies of a run whose targets are registries."""

    steps: t.Sequence[Step] = ()

    def __init__(self, destination: t.Callable[[Reference], Repository], referrers: bool, host: Platform, store: Store | None = None) -> None:
        """STORE is the source of all images, if it is one: it knows repositories to mount blobs from, and remembers where they went."""
        self._destination = destination
        self._referrers = referrers
        self._host = host
        self._store = store
        self._mounts = BlobMounts(destination, MountCandidates(store) if store is not None else lambda registry, digest: ())

    def plan(self, jobs: t.Sequence[CopyJob], workers: Workers) -> list[ImagePlan]:
        """Return a row for each job. Targets are inspected in parallel; then blobs are split one image after the other."""
        return [self._plan_or_error(job, state, workers) for job, state in zip(jobs, inspect_jobs(self._inspect_target, jobs, workers))]

    def _inspect_target(self, job: CopyJob) -> _TargetState:
        target = t.cast(Reference, job.target.reference)
        repository = self._destination(target)
        current = repository.probe(target)
        same = find_same_image(job.image_source, current, str(target), repository.read_document, self._host) if job.takes_all else None
        graph = same if same is not None or job.takes_all else job.graph()
        digest = graph.root.digest if graph is not None else job.image_source.digest()
        if target.digest not in (None, digest):
            raise InvalidOption(f"{job.source} has the digest {digest} and can't be {_WORDS[job.verb][0]} to {target}")
        is_present = current is not None and current.digest == digest
        if graph is None and not (is_present and not self._referrers and job.image_source.costs_requests):
            graph = job.graph()
        if graph is not None and not is_present:
            reject_sparse(graph, job.source)
            job.image_source.check_blobs(graph)
        return _TargetState(repository, current, digest, graph, self._plan_referrers(job, repository, graph))

    def _plan_referrers(self, job: CopyJob, target: Repository, graph: Graph | None) -> ReferrerPlan:
        return plan_for_registry(target, job.find_referrers(graph)) if self._referrers and graph is not None else ReferrerPlan()

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
            transfer=make_transfer(
                job.image_source.source,
                self._mounts,
                state.repository,
                NamedGraph(state.graph, (name,), None),
                split,
                state.referrers,
                is_present=state.is_present,
            )
            if state.graph is not None and split is not None
            else None,
            results={
                **job.facts,
                "previous_digest": str(was.digest) if was is not None else None,
                "endpoint": state.repository.endpoint.url,
                "referrers": list(state.referrers.rows),
                **({} if state.graph is not None else _facts_without_graph(state)),
            },
            warnings=state.referrers.warnings,
        )

    def _split(self, job: CopyJob, state: _TargetState, graph: Graph, workers: Workers) -> BlobSplit:
        if isinstance(job.image_source, RegistrySource):
            self._mounts.add_present(job.image_source.source, [*graph.blobs, *state.referrers.missing_blobs(graph.blobs)])
        if self._store is not None:
            for blob in (*(() if state.is_present else graph.blobs), *state.referrers.missing_blobs(graph.blobs)):
                self._store.blob_origins.add(blob.digest, state.repository.name)
        if state.is_present:
            self._mounts.add_present(state.repository, graph.blobs)
            of_image = BlobSplit()
        else:
            of_image = self._mounts.split_image(graph, state.repository, workers)
        return split_with_referrers(self._mounts, of_image, graph, state.referrers, state.repository, workers)


def _facts_without_graph(state: _TargetState) -> dict[str, t.Any]:
    """Return the facts of an image that the target has already, as far as they are known without reading it."""
    media_type = state.current.media_type if state.current is not None else None
    return {"digest": str(state.digest), "media_type": media_type, "image_id": None, "platforms": None, "size": None}


def _describe_split(split: BlobSplit) -> str:
    """Return what a copy sends, for a sentence. A promotion often sends nothing."""
    mounts = f"{format_count(len(split.linked), 'blob')} mounted from other repositories" if split.linked else ""
    if split.moves:
        return f"{describe_transfer(split.moves)}{f', {mounts}' if mounts else ''}"
    return f"nothing to send, {mounts}" if mounts else "all blobs are there, only the tag is set"


def _actions(job: CopyJob, name: Reference, state: _TargetState, was: RefState | None, split: BlobSplit) -> tuple[str, ...]:
    actions: list[str] = []
    if not state.is_present:
        replaced = f" in place of {short_digest(was.digest)}" if was is not None else ""
        target = "" if job.source == str(name) else f" {_WORDS[job.verb][1]} {name}"
        actions.append(f"{job.verb} {job.source}{target} ({short_digest(state.digest)}){replaced}: {_describe_split(split)}")
    return (*actions, *describe_changes(state.referrers, job.verb, job.source, name))
