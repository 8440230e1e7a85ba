# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to pull images from registries straight into an engine, without a store."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from ..engine.interfaces import EngineImage, ManagedEngine
from ..errors import ImageNotFound, LongshoreError, TrustRefusal, Untrusted
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.matching import reject_conflicting_references
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.copy_job import verify_at_source
from ..places.engine.images import EngineImages, describe_local_name
from ..places.engine.leftovers import remove_leftovers
from ..places.engine.load_step import LoadIntoEngine
from ..places.engine.loader import EngineLoader
from ..places.engine.loads import FailedLoad, KeptImage, Load, LoadRequest, PlannedLoad
from ..places.engine.platforms import has_platforms, select_for_engine
from ..places.registry.source import RegistrySource, find_at_registry
from ..places.verification import Verification, check_trust
from ..transfer.plan import ImagePlan, TransferPlan
from .pull_policy import PullPolicy

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile
    from ..registry.referrers import DigestTags
    from ..registry.repository import Repository
    from ..trust.policy import TrustPolicy


def plan_pull_engine(
    engine: ManagedEngine,
    references: t.Sequence[Reference],
    *,
    repository: t.Callable[[Reference], Repository],
    policy: PullPolicy,
    selection: Selection | None,
    host: Platform,
    lock: LockFile | None = None,
    trust: TrustPolicy | None = None,
) -> TransferPlan:
    """Plan to pull REFERENCES into ENGINE, by default for the engine's platform; with LOCK each name is pulled by its locked digest.

    Only layers that the engine is missing are fetched. An image that can't be pulled, or that TRUST refuses, has its error in its row; the others are
    pulled. An engine holds no signatures, so images are verified with those at their registries. Raises InvalidOption for one name with two digests and for
    several platforms that ENGINE can't hold, EngineError if it can't be reached.
    """
    unique = list(dict.fromkeys(references))
    reject_conflicting_references(unique)
    puller = _EnginePuller(engine, repository, policy, EngineLoader(EngineImages(engine, host), select_for_engine(engine, selection)), lock, trust)
    return puller.plan(unique)


@dataclasses.dataclass(frozen=True)
class _EnginePuller:
    """The options of the pulls of one run, as `plan_pull_engine` documents them."""

    engine: ManagedEngine
    repository: t.Callable[[Reference], Repository]
    policy: PullPolicy
    loader: EngineLoader
    lock: LockFile | None
    trust: TrustPolicy | None

    def plan(self, references: t.Sequence[Reference]) -> TransferPlan:
        listed = self.loader.listed
        repositories: dict[str, Repository] = {}
        requests = [self._request(reference, listed, repositories) for reference in references]
        loads = [self._keep_if_newer_fails(load, listed) for load in self.loader.plan(requests)]
        rows = [self._row(load, repositories) for load in loads]
        steps = [LoadIntoEngine(self.engine, load, row, failure="could not be pulled") for load, row in zip(loads, rows) if isinstance(load, Load)]
        return remove_leftovers(TransferPlan(rows, steps=steps), self.engine, self.loader.names)

    def _request(
        self, requested: Reference, listed: t.Sequence[EngineImage], repositories: dict[str, Repository]
    ) -> LoadRequest | KeptImage | FailedLoad:
        """Return what to load, or the image that the engine keeps."""
        name = str(requested.name)
        try:
            reference = requested if self.lock is None else self.lock.pin(requested)
            current = _find_listed(reference, listed)
            if current is None and self.policy.forbids_requests and reference.tag is None:
                current = _find_in_repository(reference, listed)
            if current is not None and self._may_keep(reference, current) and not self._has_platforms(reference.name, current):
                current = None
            if self.policy.forbids_requests:
                if current is None:
                    raise ImageNotFound(
                        f"{reference} is not in {self.engine.title} at {self.engine.place}, or not for the requested platforms, and pull_policy 'never' "
                        f"forbids to pull it{describe_local_name(reference, self.loader.names)}"
                    )
                return self._keep_unasked(reference, current)
            if current is not None and self.trust is None and self._may_keep(reference, current):
                return _kept(reference, current)
            repository = repositories[name] = self.repository(reference)
            if current is not None and self.policy.keeps(is_pinned=False):
                return _kept(reference, current, verification=self._verify_kept(reference, current, repository))
            return self._load_request(reference, reference, repository)
        except LongshoreError as error:
            return FailedLoad(name, error)

    def _may_keep(self, reference: Reference, current: EngineImage) -> bool:
        """Return whether the engine's image may be kept without comparing it with the registry."""
        return self.policy.keeps(is_pinned=reference.digest in current.digests)

    def _has_platforms(self, name: Reference, current: EngineImage) -> bool:
        return has_platforms(self.loader.reader, current, name, self.loader.selection, self.loader.engine_platform)

    def _load_request(self, reference: Reference, wanted: Reference, repository: Repository) -> LoadRequest:
        """Return the request for the image that WANTED names at its registry, to be loaded and verified as REFERENCE."""
        name = str(reference.name)
        image = RegistrySource(wanted, repository, _list_digest_tags)
        verify = functools.partial(verify_at_source, self.trust, image, name, (reference,)) if self.trust is not None else None
        return LoadRequest(
            requested=name,
            name=reference.name,
            label=str(reference),
            action=f"pull {name}",
            image=image,
            find_document=functools.partial(find_at_registry, repository),
            skip_if_digest_present=True,
            verify=verify,
        )

    def _keep_unasked(self, reference: Reference, current: EngineImage, note: str = "") -> KeptImage:
        """Keep the engine's image without a request. Raises TrustRefusal unless trust accepts it without a signature: engines hold none."""
        return _kept(reference, current, note, self._verify_unsigned(reference, current))

    def _verify_unsigned(self, reference: Reference, current: EngineImage) -> Verification:
        """Return the verdict about the engine's image without looking for signatures. Raises TrustRefusal if it needs one."""
        return check_trust(self.trust, reference, Graph(_root_of(current), {}, (), ()), [])

    def _verify_kept(self, reference: Reference, current: EngineImage, repository: Repository) -> Verification:
        """Verify the image that the engine keeps, with the signatures that its registry has for its digest, or for the image of its tag.

        An engine may keep the digests of index and manifest, and either may be signed. Raises TrustRefusal, and the errors of the registry.
        """
        digests = [reference.digest] if reference.digest is not None else current.digests
        refusals: list[TrustRefusal] = []
        for wanted in dict.fromkeys([*(reference.with_digest(digest) for digest in digests), reference]):
            # A digest may be known from another repository, or be that of an index with some platforms only.
            with contextlib.suppress(ImageNotFound):
                try:
                    outgoing = self.loader.read_outgoing(self._load_request(reference, wanted, repository))
                    if outgoing.is_in(current):
                        return outgoing.verification
                except TrustRefusal as error:
                    refusals.append(error)
        if refusals:
            # A rejected signature explains a refusal better than a missing one.
            raise max(refusals, key=lambda error: isinstance(error, Untrusted))
        try:
            return self._verify_unsigned(reference, current)
        except TrustRefusal as error:
            error.message += f"; {repository.registry} doesn't have the image that {self.engine.title} has under this name"
            raise

    def _keep_if_newer_fails(self, load: PlannedLoad, listed: t.Sequence[EngineImage]) -> PlannedLoad:
        """With the policy `newer`, keep the engine's image if its registry can't be asked now, and trust accepts it without a signature."""
        if not isinstance(load, FailedLoad) or load.request is None or not self.policy.keeps_after(load.error):
            return load
        current = _find_listed(load.request.name, listed)
        if current is None or not self._has_platforms(load.request.name, current):
            return load
        try:
            return self._keep_unasked(load.request.name, current, f"{load.requested} was not compared with its registry: {load.error.message}")
        except TrustRefusal:
            return load  # the registry has the signature, so its error is the reason

    def _row(self, load: PlannedLoad, repositories: t.Mapping[str, Repository]) -> ImagePlan:
        row = self.loader.row(load)
        is_answered = isinstance(load, Load) or (isinstance(load, KeptImage) and not load.note)
        repository = repositories.get(load.requested) if is_answered else None
        return dataclasses.replace(
            row, results={**row.results, "endpoint": repository.answered_by if repository is not None else None, "referrers": []}
        )


def _find_listed(reference: Reference, listed: t.Sequence[EngineImage]) -> EngineImage | None:
    """Return the usable image with the name of a reference, and with its digest if it has one and the engine keeps any."""
    current = next((image for image in listed if image.usable and reference.name in image.names), None)
    if current is None or reference.digest is None or reference.digest in current.digests:
        return current
    return None


def _find_in_repository(reference: Reference, listed: t.Sequence[EngineImage]) -> EngineImage | None:
    """Return the usable image with the digest of a reference, under any name in its repository."""
    found = [image for image in listed if image.usable and reference.digest in image.digests]
    return next((image for image in found if any(name.context == reference.context for name in image.names)), None)


def _root_of(current: EngineImage) -> Descriptor:
    """Return what is known of an image's root. Engines list an image with a digest or an ID."""
    return Descriptor("", next(digest for digest in (*current.digests, current.image_id) if digest is not None), 0)


def _kept(reference: Reference, current: EngineImage, note: str = "", verification: Verification = None) -> KeptImage:
    return KeptImage(str(reference.name), reference.name, current, note=note, verification=verification)


def _list_digest_tags(repository: Repository) -> DigestTags:
    from ..registry.referrers import DigestTags

    return DigestTags(repository)
