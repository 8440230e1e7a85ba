# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: what a run will change, computed by reading only. Check mode shows it, a real run applies it, and both return its facts."""

from __future__ import annotations

import abc
import dataclasses
import itertools
import typing as t

from ..errors import LongshoreError, TrustRefusal
from ..oci.digest import Digest
from ..oci.manifest import Descriptor
from ..oci.text import sanitise_message
from .transfer import Transfer
from .workers import Workers

if t.TYPE_CHECKING:
    from .interfaces import Sink

Results = t.Mapping[str, t.Any]
_Plan = t.TypeVar("_Plan", bound="Plan")


@dataclasses.dataclass(frozen=True)
class RefState:
    """The image that a name points at. `platforms` are those that are complete at that place, None if that is unknown.

    With `is_id`, the place keeps no digests of manifests, and `digest` is the image ID, which is that of the config.
    """

    digest: Digest
    platforms: tuple[str, ...] | None = None
    is_id: bool = False

    def facts(self) -> dict[str, t.Any]:
        """Return the state as it appears in a diff."""
        facts: dict[str, t.Any] = {"image_id" if self.is_id else "digest": str(self.digest)}
        if self.platforms is not None:
            facts["platforms"] = list(self.platforms)
        return facts


@dataclasses.dataclass(frozen=True)
class RefChange:
    """One name before and after; None means that the name doesn't exist."""

    name: str
    before: RefState | None
    after: RefState | None


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """An image as every module returns it. `size` is the number of stored bytes of the platforms that are present."""

    name: str | None
    digest: Digest
    image_id: Digest | None
    media_type: str
    platforms: tuple[str, ...]
    size: int

    def facts(self) -> dict[str, t.Any]:
        """Return the image as it appears in a row of `images`."""
        return {
            "name": self.name,
            "digest": str(self.digest),
            "image_id": None if self.image_id is None else str(self.image_id),
            "media_type": self.media_type,
            "platforms": list(self.platforms),
            "size": self.size,
        }


@dataclasses.dataclass(frozen=True, eq=False)
class ImagePlan:
    """The planned change of one requested image. An image with an `error` can't be changed, and its names stay unchanged.

    `results` are the row's keys that only this module has; `results_of_failure` replace some of them if applying the plan fails.
    """

    requested: str
    image: ImageFacts | None = None
    changes: tuple[RefChange, ...] = ()
    actions: tuple[str, ...] = ()
    transfer: Transfer | None = None
    results: Results = dataclasses.field(default_factory=dict)
    results_of_failure: Results = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: LongshoreError | None = None

    def facts(self, error: LongshoreError | None) -> dict[str, t.Any]:
        """Return the image's row in the results; ERROR is its error, from planning or from applying the plan."""
        facts: dict[str, t.Any] = {"name": self.requested} if self.image is None else self.image.facts()
        facts.update(self.results, changed=bool(self.actions) and error is None)
        if error is not None:
            facts.update(self.results_of_failure, failed=True, msg=error.message, error=error.cause)
            if isinstance(error, TrustRefusal):
                facts["verification"] = dict(error.verification)
        return facts


Failures = t.Mapping[ImagePlan, LongshoreError]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a step: the errors of images that failed, and the blobs that it moved if they differ from the plan."""

    failures: Failures = dataclasses.field(default_factory=dict)
    moved: t.Sequence[Descriptor] | None = None


class Step(abc.ABC):
    """Work of a plan other than copying blobs to a sink: deleting, writing one file, loading an archive into an engine."""

    @abc.abstractmethod
    def apply(self, workers: Workers) -> Outcome:
        """Do the work. Raise an error that concerns all images; return the errors of single images in the outcome."""

    def sinks(self) -> t.Sequence[Sink]:
        """Return the places that the step writes to, so that check mode can test whether they are writable."""
        return ()

    def blobs(self) -> tuple[t.Sequence[Descriptor], t.Sequence[Descriptor]]:
        """Return the blobs that the step moves, and those that it reuses."""
        return (), ()

    def expected(self) -> t.Sequence[Descriptor]:
        """Return the blobs that are added to the progress when the step starts."""
        return self.blobs()[0]

    def rows(self) -> t.Sequence[ImagePlan]:
        """Return the images whose failure means that the step moved nothing."""
        return ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """The changes of one run: the transfers of its images, then its steps in order.

    `results` are the results that only this module has, `extra_actions` the changes that belong to no image, and `files` the paths that get the mode and the
    owner of the task, None for its option `path`. With `all_or_nothing` all images change at once or, if one fails, none. After the plan was applied,
    `applied` is true, `failures` holds the errors and `outcomes` the outcome of each step.
    """

    has_rows: t.ClassVar[bool] = True  # False for a verb that is not about images, which returns no `images`

    images: t.Sequence[ImagePlan]
    results: Results = dataclasses.field(default_factory=dict)
    steps: t.Sequence[Step] = ()
    all_or_nothing: bool = False
    extra_actions: tuple[str, ...] = ()
    extra_warnings: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    applied: bool = False
    failures: Failures = dataclasses.field(default_factory=dict)
    outcomes: t.Sequence[Outcome] = ()

    def error_of(self, image: ImagePlan) -> LongshoreError | None:
        """Return the error of IMAGE, from planning or from applying the plan."""
        return image.error or self.failures.get(image)

    @property
    def changed(self) -> bool:
        return bool(self.actions())

    @property
    def errors(self) -> list[LongshoreError]:
        """Return each error once: several names of one image may fail with the same error."""
        return list(dict.fromkeys(error for error in map(self.error_of, self.images) if error is not None))

    @property
    def transfers(self) -> list[Transfer]:
        """Return each transfer once, in the order of the images: several names may share one."""
        return list(dict.fromkeys(image.transfer for image in self.images if image.transfer is not None and self.error_of(image) is None))

    def actions(self) -> list[str]:
        """Return a sentence for each change."""
        actions = (*(action for image in self.images if self.error_of(image) is None for action in image.actions), *self.extra_actions)
        return [sanitise_message(action) for action in actions]

    def warnings(self) -> list[str]:
        """Return the warnings for the user."""
        warnings = (*(warning for image in self.images for warning in image.warnings), *self.extra_warnings)
        return [sanitise_message(warning) for warning in warnings]

    def diff(self) -> dict[str, dict[str, t.Any]]:
        """Return the state of all names before and after, for Ansible's `--diff`."""
        before: dict[str, t.Any] = {}
        after: dict[str, t.Any] = {}
        for image in self.images:
            for change in image.changes:
                if change.before is not None:
                    before.setdefault(change.name, change.before.facts())
                state = change.after if self.error_of(image) is None else change.before
                if state is not None:
                    after[change.name] = state.facts()
        return {"before": before, "after": after}

    def facts(self) -> dict[str, t.Any]:
        """Return the results of the run, without the rows of its images."""
        return dict(self.results)

    def rows(self) -> list[dict[str, t.Any]]:
        """Return the row of each image, in order."""
        return [image.facts(self.error_of(image)) for image in self.images]

    def check_sinks(self) -> None:
        """Raise InputOutputError if a place can't be written, so that check mode fails as the real run would."""
        sinks = [transfer.sink for transfer in self.transfers if transfer.pending]
        sinks += [sink for step in self.steps for sink in step.sinks()]
        if not sinks:
            return
        from .interfaces import CheckedSink

        for sink in sinks:
            if isinstance(sink, CheckedSink):
                sink.check_writable()

    def apply(self: _Plan, workers: Workers) -> _Plan:
        """Apply the plan. Return a copy of it with the failures; the other images are done."""
        failures = self._move(workers)
        for step in self.steps:
            workers.expect(step.expected())
        outcomes = [step.apply(workers) for step in self.steps] if not (self.all_or_nothing and failures) else []
        for outcome in outcomes:
            failures.update(outcome.failures)
        return dataclasses.replace(self, applied=True, failures=failures, outcomes=outcomes)

    def _move(self, workers: Workers) -> dict[ImagePlan, LongshoreError]:
        pending = [transfer for transfer in self.transfers if transfer.pending]
        if not pending:
            return {}
        from .executor import execute

        errors = execute(pending, workers, all_or_nothing=self.all_or_nothing)
        return {image: errors[image.transfer] for image in self.images if image.transfer in errors}


class TransferPlan(Plan):
    """The plan of a verb that moves bytes. It counts configs and layers, each digest once."""

    def facts(self) -> dict[str, t.Any]:
        moves = [blob for transfer in self.transfers for blob in transfer.moves]
        present = [blob for transfer in self.transfers for blob in transfer.reused]
        for step, outcome in itertools.zip_longest(self.steps, self.outcomes):
            if not any(map(self.error_of, step.rows())):
                planned, reused_by_step = step.blobs()
                moves += planned if outcome is None or outcome.moved is None else outcome.moved
                present += reused_by_step
        moved = {blob.digest: blob.size for blob in moves}
        reused = {blob.digest: blob.size for blob in present if blob.digest not in moved}
        return {
            **super().facts(),
            "bytes_transferred": sum(moved.values()),
            "bytes_reused": sum(reused.values()),
            "blobs_transferred": len(moved),
            "blobs_reused": len(reused),
        }
