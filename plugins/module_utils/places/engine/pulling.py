# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls from registries straight into an engine, without a store: which images it has, and what has to be sent to it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from ...engine.interfaces import EngineImage, ManagedEngine
from ...errors import ImageNotFound, LongshoreError, TrustRefusal, Untrusted
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.platform import Platform, Selection
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, TransferPlan
from ..copy_job import verify_at_source
from ..registry.source import RegistrySource, find_at_registry
from ..verification import Verification, check_trust
from .images import EngineImages, describe_local_name
from .leftovers import remove_leftovers
from .load_planner import LoadPlanner
from .load_step import LoadIntoEngine
from .planned_load import FailedLoad, KeptImage, Load, LoadRequest, PlannedLoad
from .platforms import has_platforms, select_for_engine

if t.TYPE_CHECKING:
    from ...registry.referrers import DigestTags
    from ...registry.repository import Repository
    from ...trust.policy import TrustPolicy


@dataclasses.dataclass(frozen=True)
class _EnginePull:
    """One pull, and its registry's repository if that was asked."""

    load: PlannedLoad
    repository: Repository | None = None


class EnginePulling:
    """An engine that images are pulled into, by default for its platform, with the options of one run.

    It holds no signatures, so images are verified with those at their registries.
    """

    def __init__(
        self,
        engine: ManagedEngine,
        repository: t.Callable[[Reference], Repository],
        naming_digests: t.Callable[[Reference], Repository] | None = None,
        *,
        selection: Selection | None,
        host: Platform,
        trust: TrustPolicy | None = None,
    ) -> None:
        """REPOSITORY opens a registry's repository. NAMING_DIGESTS does so without mirrors, for an engine that is to know the digests by its own pull.

        Raises InvalidOption for several platforms that ENGINE can't hold.
        """
        self._engine = engine
        self._repository = repository
        self._naming_digests = naming_digests
        self._planner = LoadPlanner(EngineImages(engine, host), select_for_engine(engine, selection))
        self._trust = trust

    @property
    def place(self) -> str:
        return f"{self._engine.title} at {self._engine.place}"

    @property
    def lacks_signatures(self) -> bool:
        return self._trust is not None

    def plan(self, references: t.Sequence[Reference], pull: t.Callable[[Reference], _EnginePull]) -> TransferPlan:
        """Plan the pulls one after the other, since a layer that one image sends isn't sent for the next. Raises EngineError."""
        names = self._planner.names  # an engine that can't be reached stops the run, not one pull
        pulls = [pull(reference) for reference in references]
        asked = {one.load.requested: one.repository for one in pulls if one.repository is not None}
        loads = self._planner.plan([one.load for one in pulls])
        rows = [self._row(load, None if isinstance(load, FailedLoad) else asked.get(load.requested)) for load in loads]
        steps = [LoadIntoEngine(self._engine, load, row, failure="could not be pulled") for load, row in zip(loads, rows) if isinstance(load, Load)]
        planned = remove_leftovers(TransferPlan(rows, steps=steps), self._engine, names)
        if self._naming_digests is None:
            return planned
        from .repo_digests import plan_repo_digests

        return plan_repo_digests(planned, self._engine, self._planner.host, self._naming_digests)

    def _row(self, load: PlannedLoad, repository: Repository | None) -> ImagePlan:
        """Return the row of LOAD. REPOSITORY has answered for it, None if no request was needed."""
        row = self._planner.row(load)
        endpoint = repository.answered_by if repository is not None else None
        return dataclasses.replace(row, results={**row.results, "endpoint": endpoint, "referrers": []})

    def fail(self, requested: str, error: LongshoreError) -> _EnginePull:
        return _EnginePull(FailedLoad(requested, error))

    def hint(self, reference: Reference) -> str:
        return describe_local_name(reference, self._planner.names)

    def find(self, reference: Reference, *, under_other_names: bool) -> EngineImage | None:
        """Return the usable image with the name and digest of REFERENCE. UNDER_OTHER_NAMES, a digest without a tag may have any name of its repository."""
        found = [image for image in self._planner.listed if image.usable and reference.digest in (None, *image.digests)]
        named = next((image for image in found if reference.name in image.names), None)
        if named is None and under_other_names and reference.tag is None:
            return next((image for image in found if any(name.context == reference.context for name in image.names)), None)
        return named

    def keep(self, reference: Reference, image: EngineImage, *, ask: bool, warning: str = "") -> _EnginePull | None:
        """Return the engine's image unchanged. Without ASK it is accepted only if trust needs no signature."""
        if not has_platforms(self._planner.reader, image, reference.name, self._planner.selection, self._planner.engine_platform):
            return None
        repository = self._repository(reference) if ask and self._trust is not None else None
        verification = self._verify_unsigned(reference, image) if repository is None else self._verify_kept(reference, image, repository)
        kept = KeptImage(str(reference.name), reference.name, image, note=warning, verification=verification)
        return _EnginePull(kept, repository)

    def fetch(self, reference: Reference) -> _EnginePull:
        repository = self._repository(reference)
        return _EnginePull(self._planner.inspect(self._load_request(reference, reference, repository)), repository)

    def _load_request(self, reference: Reference, wanted: Reference, repository: Repository) -> LoadRequest:
        """Return the request for the image that WANTED names at its registry, to be loaded and verified as REFERENCE."""
        name = str(reference.name)
        image = RegistrySource(wanted, repository, _list_digest_tags)
        verify = functools.partial(verify_at_source, self._trust, image, name, (reference,)) if self._trust is not None else None
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

    def _verify_unsigned(self, reference: Reference, current: EngineImage) -> Verification:
        """Return the verdict about the engine's image without looking for signatures. Raises TrustRefusal if it needs one."""
        root = Descriptor("", (*current.digests, current.digest)[0], 0)
        return check_trust(self._trust, reference, Graph(root, {}, (), ()), [])

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
                    outgoing = self._planner.read_outgoing(self._load_request(reference, wanted, repository))
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
            error.message += f"; {repository.registry} doesn't have the image that {self._engine.title} has under this name"
            raise


def _list_digest_tags(repository: Repository) -> DigestTags:
    from ...registry.referrers import DigestTags

    return DigestTags(repository)
