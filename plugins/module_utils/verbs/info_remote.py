# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Information on images at registries, read with as few requests as possible and without storing anything."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from ..errors import ImageNotFound, LongshoreError, PlatformMissing
from ..oci.graph import ChooseEntries, Graph, IndexPosition, choose_platforms, read_graph
from ..oci.manifest import Descriptor, Index
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.filters import Filters
from ..places.inspected_image import Facts, InspectedImage
from ..places.inspector import Inspector
from ..transfer.plan import ImagePlan
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..oci.referrers import ReferrerPlace
    from ..registry.repository import Repository
    from ..trust.policy import TrustPolicy

OpenRepository = t.Callable[[Reference], "Repository"]


def read_remote_info(
    references: t.Sequence[Reference],
    open_repository: OpenRepository,
    filters: Filters,
    selection: Selection | None,
    host: Platform,
    workers: Workers,
    trust: TrustPolicy | None = None,
    referrers: bool = False,
    raw: bool = False,
) -> tuple[list[Facts], list[LongshoreError]]:
    """Return a row for each of REFERENCES, and the errors of failed requests. If an image doesn't exist, or doesn't pass FILTERS, its `present` is false.

    TRUST gives its verdict about each. With REFERRERS signatures and other referrers are listed, of the image and of its manifests that are read.
    With RAW rows have the documents as they are.
    Raises InvalidOption for filters that registries don't support.
    """
    filters.check_for_registry()
    errors: dict[Reference, LongshoreError] = {}

    def row(reference: Reference) -> Facts:
        try:
            repository = open_repository(reference)
            image = read_at_registry(repository, reference, _choose_available(selection, host), referrers)
            inspector = Inspector([image] if image is not None else [], _place(reference), host, selection, trust, raw)
            (facts,) = inspector.find_rows([reference], filters)
        except LongshoreError as error:
            errors[reference] = error
            return ImagePlan(str(reference.name), error=error).facts(error)
        if image is not None and facts["present"]:
            _mark_listed_as_present(facts, image.graph)
        return {**facts, "endpoint": repository.answered_by}

    rows = workers.map(row, references)
    return rows, [errors[reference] for reference in references if reference in errors]


def read_remote_history(reference: Reference, open_repository: OpenRepository, selection: Selection | None, host: Platform) -> Facts:
    """Return the history of an image. Raises ImageNotFound, and PlatformMissing with the platforms that exist."""
    wanted = Selection(selection.platforms[:1]) if selection is not None and selection.platforms else None
    choice = choose_platforms(wanted) if wanted is not None else _choose_available(None, host)
    image = read_at_registry(open_repository(reference), reference, choice)
    return Inspector([image] if image is not None else [], _place(reference), host, wanted).history(reference)


def resolve_digest(reference: Reference, open_repository: OpenRepository) -> Reference:
    """Return REFERENCE with the digest that it points at, by one HEAD; a reference with a digest needs no request. Raises ImageNotFound."""
    if reference.digest is not None:
        return reference
    found = open_repository(reference).probe(reference)
    if found is None:
        raise ImageNotFound(f"{reference}: {reference.registry} doesn't have it", status=404)
    return dataclasses.replace(reference, digest=found.digest)


def read_at_registry(repository: Repository, reference: Reference, choice: ChooseEntries, referrers: bool = False) -> InspectedImage | None:
    """Return an image at its registry, None if it doesn't exist. Of an index only the children of CHOICE are read. With REFERRERS these can be listed."""
    try:
        root = repository.fetch_manifest(reference)
    except ImageNotFound:
        return None

    def read(descriptor: Descriptor) -> bytes | None:
        try:
            return repository.read_document(descriptor)
        except ImageNotFound:
            return None

    graph = functools.partial(read_graph, root, str(reference), read, choice)

    @functools.cache
    def find_referrer_place() -> ReferrerPlace:
        from ..registry.referrers import RepositoryReferrers

        return RepositoryReferrers(repository)

    return InspectedImage(reference.name, root, graph, read, referrer_place=find_referrer_place, lists_referrers=referrers)


def _place(reference: Reference) -> str:
    return f"the registry {reference.registry}"


def _choose_available(selection: Selection | None, host: Platform) -> ChooseEntries:
    """Return a choice of the requested platforms that exist; without a request of the host's platform, else of the first one."""
    if selection is not None and selection.everything:
        return choose_platforms(selection)

    def choose(index: Index, label: str, where: IndexPosition) -> t.Sequence[Descriptor]:
        found: list[Descriptor] = []
        for platform in selection.platforms if selection is not None else (host,):
            with contextlib.suppress(PlatformMissing):
                found += choose_platforms(Selection((platform,)))(index, label, where)
        if selection is None and not found:
            return [entry for entry in index.manifests if entry.is_document and (entry.platform is None or entry.platform.is_runnable)][:1]
        return list(dict.fromkeys(found))

    return choose


def _mark_listed_as_present(facts: Facts, graph: Graph | None) -> None:
    """Mark all entries of an index as present, except those that the registry answered 404 for: registries refuse an index whose entries are missing."""
    lost = {str(descriptor.digest) for descriptor in graph.absent} if graph is not None else set()
    for child in facts["manifests"]:
        child["present"] = child["digest"] not in lost
    listed = [
        child["platform"] for child in facts["manifests"] if child["present"] and child["platform"] and "unknown" not in child["platform"].split("/")
    ]
    facts["platforms"] = list(dict.fromkeys(listed)) or facts["platforms"]
