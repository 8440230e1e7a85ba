# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to pull images from registries straight into an engine, without a store."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..engine.interfaces import Engine, ListedImage
from ..errors import ImageNotFound, LongshoreError, RateLimited, RegistryError, Unreachable
from ..oci.matching import reject_conflicting_references
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan, TransferPlan
from .copy.sources import RegistrySource
from .copy.to_engine import find_at_registry, single_platform
from .engine_load_step import LoadIntoEngine
from .engine_loading import EngineLoader, Load, LoadRequest
from .pull import is_temporary

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile
    from ..registry.referrers import DigestTags
    from ..registry.repository import Repository


def plan_pull_engine(
    engine: Engine,
    references: t.Sequence[Reference],
    *,
    repository: t.Callable[[Reference], Repository],
    policy: str,
    selection: Selection | None,
    host: Platform,
    lock: LockFile | None = None,
) -> TransferPlan:
    """Plan to pull REFERENCES into ENGINE, each for one platform, by default the engine's; with LOCK each name is pulled by its locked digest.

    Only layers that the engine is missing are fetched. An image that can't be pulled has its error in its row; the others are pulled.
    Raises InvalidOption for one name with two digests and for several platforms, EngineError if the engine can't be reached.
    """
    unique = list(dict.fromkeys(references))
    reject_conflicting_references(unique)
    puller = _EnginePuller(engine, repository, policy, EngineLoader(engine, single_platform(selection), host), lock)
    return puller.plan(unique)


@dataclasses.dataclass(frozen=True)
class _EnginePuller:
    """The options of the pulls of one run, as `plan_pull_engine` documents them."""

    engine: Engine
    repository: t.Callable[[Reference], Repository]
    policy: str
    loader: EngineLoader
    lock: LockFile | None

    def plan(self, references: t.Sequence[Reference]) -> TransferPlan:
        listed = self.engine.list_images()
        repositories: dict[str, Repository] = {}
        requests = [self._request(reference, listed, repositories) for reference in references]
        loads = [self._keep_if_newer_fails(load, listed) for load in self.loader.plan(requests)]
        rows = [self._row(load, repositories) for load in loads]
        steps = [LoadIntoEngine(self.engine, load, row, failure="could not be pulled") for load, row in zip(loads, rows) if load.error is None]
        return TransferPlan(rows, steps=steps)

    def _request(self, requested: Reference, listed: t.Sequence[ListedImage], repositories: dict[str, Repository]) -> LoadRequest | Load:
        """Return what to load, or the image that the engine keeps without a request to the registry."""
        name = str(requested.name)
        try:
            reference = requested if self.lock is None else self.lock.pin(requested)
            current = _find_listed(reference, listed)
            if current is not None and (self.policy in ("missing", "never") or reference.digest in current.digests):
                return _kept(reference, current)
            if self.policy == "never":
                raise ImageNotFound(f"{reference} is not in {self.engine.title} at {self.engine.place}, and pull_policy 'never' forbids to pull it")
            repository = repositories[name] = self.repository(reference)
        except LongshoreError as error:
            return Load(name, error=error)
        return LoadRequest(
            requested=name,
            name=reference.name,
            label=str(reference),
            action=f"pull {name}",
            image=RegistrySource(reference, repository, _no_tags),
            find_document=functools.partial(find_at_registry, repository),
            probes=True,
        )

    def _keep_if_newer_fails(self, load: Load, listed: t.Sequence[ListedImage]) -> Load:
        """With the policy `newer`, keep the engine's image if its registry can't be asked now."""
        error = load.error
        if (
            self.policy != "newer"
            or load.request is None
            or not isinstance(error, (Unreachable, RateLimited, RegistryError))
            or not is_temporary(error)
        ):
            return load
        current = _find_listed(load.request.name, listed)
        note = f"{load.requested} was not compared with its registry: {error.message}"
        return _kept(load.request.name, current, note) if current is not None else load

    def _row(self, load: Load, repositories: t.Mapping[str, Repository]) -> ImagePlan:
        row = self.loader.row(load)
        endpoint = repositories[load.requested].answered_by if load.request is not None and load.error is None else None
        return dataclasses.replace(row, results={**row.results, "endpoint": endpoint, "referrers": []})


def _find_listed(reference: Reference, listed: t.Sequence[ListedImage]) -> ListedImage | None:
    """Return the usable image with the name of a reference, and with its digest if it has one and the engine keeps any."""
    current = next((image for image in listed if image.usable and reference.name in image.names), None)
    if current is None or reference.digest is None or reference.digest in current.digests:
        return current
    return None


def _kept(reference: Reference, current: ListedImage, note: str = "") -> Load:
    return Load(str(reference.name), name=reference.name, current=current, note=note)


def _no_tags(unused: Repository) -> DigestTags:
    raise RegistryError("engines hold no referrers")
