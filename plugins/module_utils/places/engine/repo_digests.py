# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give pulled images their names by digest in Docker's classic image store, which gives such names only to what Docker pulls itself."""

from __future__ import annotations

import dataclasses
import typing as t

from ...engine.interfaces import DigestNamingEngine, EngineLogin, ManagedEngine
from ...errors import EngineError, LongshoreError
from ...oci.digest import Digest
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Outcome, RefState, Step, TransferPlan
from ...transfer.workers import Workers

if t.TYPE_CHECKING:
    from ...registry.repository import Repository


def plan_repo_digests(plan: TransferPlan, engine: ManagedEngine, host: Platform, repository: t.Callable[[Reference], Repository]) -> TransferPlan:
    """Return PLAN, a pull into ENGINE, with names by digest for its images. An engine that keeps digests needs nothing.

    Docker fetches only the manifest, because its store has all layers by then. REPOSITORY knows the logins that Docker may need.
    Raises EngineError if the engine can't be asked.
    """
    if engine.loads_oci or not isinstance(engine, DigestNamingEngine):
        return plan
    present = engine.read_digest_names()
    rows: list[ImagePlan] = []
    wanted: dict[Reference, list[ImagePlan]] = {}
    for row in plan.images:
        name, image_id = _find_digest_name(row)
        if name is None or image_id is None or row.error is not None:
            rows.append(row)
            continue
        changed = _with_digest(row, name, engine, is_missing=present.get(name) != image_id)
        rows.append(changed)
        if present.get(name) != image_id:
            wanted.setdefault(name, []).append(changed)
    moved = dict(zip(plan.images, rows))
    steps = [_replace_row(step, moved) for step in plan.steps]
    if wanted:
        steps.append(_FetchDigests(engine, host, wanted, repository))
    return dataclasses.replace(plan, images=rows, steps=steps)


def _find_digest_name(row: ImagePlan) -> tuple[Reference | None, Digest | None]:
    """Return the name by digest that an image is to have, and its ID. Nothing is known of an image that is kept without a request."""
    image = row.image
    digest = image.digest if image is not None else _parse(row.results.get("digest"))
    image_id = image.image_id if image is not None else _parse(row.results.get("image_id"))
    return (Reference.parse(row.requested).with_digest(digest), image_id) if digest is not None else (None, None)


def _parse(text: str | None) -> Digest | None:
    return Digest.parse(text) if text is not None else None


def _with_digest(row: ImagePlan, name: Reference, engine: ManagedEngine, *, is_missing: bool) -> ImagePlan:
    """Return the row of an image that has the digest of NAME afterwards."""
    digest = t.cast(Digest, name.digest)
    changes = tuple(dataclasses.replace(change, after=RefState(digest)) if change.after is not None else change for change in row.changes)
    action = f"have {engine.title} pull {name}, so that it knows this digest"
    return dataclasses.replace(
        row,
        changes=changes if is_missing else row.changes,
        actions=(*row.actions, action) if is_missing else row.actions,
        results={**row.results, "digest": str(digest)},
        results_of_failure={**row.results_of_failure, "digest": row.results.get("digest")},
    )


def _replace_row(step: Step, rows: t.Mapping[ImagePlan, ImagePlan]) -> Step:
    """Return a step that reports failures of the new row of its image."""
    row = getattr(step, "row", None)
    return dataclasses.replace(t.cast(t.Any, step), row=rows[row]) if row is not None else step


@dataclasses.dataclass(frozen=True)
class _FetchDigests(Step):
    """Let the engine pull images by digest, after they were loaded. It is never asked for an image that it doesn't have: it would fetch the layers itself."""

    engine: DigestNamingEngine
    host: Platform
    wanted: t.Mapping[Reference, t.Sequence[ImagePlan]]
    repository: t.Callable[[Reference], Repository]

    def apply(self, unused_workers: Workers) -> Outcome:
        failures: dict[ImagePlan, LongshoreError] = {}
        ids = {image.image_id for image in self.engine.list_images(self.host)}
        for name, rows in self.wanted.items():
            if _find_digest_name(rows[0])[1] not in ids:
                continue  # its load failed
            try:
                self.engine.pull_digest(name, self._find_login(name))
                if name not in self.engine.read_digest_names():
                    raise EngineError(f"{self.engine.title} at {self.engine.place} reported success, but doesn't have the name")
            except LongshoreError as error:
                message = (
                    f"{rows[0].requested} is in {self.engine.title}, but has no name by digest, because {self.engine.title} could not pull {name}"
                )
                advice = "let it reach the registry and log in there, or leave out repo_digests"
                failures.update(dict.fromkeys(rows, EngineError(f"{message}: {error.message}; {advice}")))
        return Outcome(failures)

    def _find_login(self, name: Reference) -> EngineLogin | None:
        """Return the login for an image at its registry, None if there is none. Raises what finding credentials raises."""
        found = self.repository(name).endpoint.credentials(name.repository)
        return EngineLogin(name.registry, found.username, found.password, found.identity_token) if found is not None else None
