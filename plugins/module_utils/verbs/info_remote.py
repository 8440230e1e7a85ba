# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What registries tell of images, with as few requests as it takes and nothing stored."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from ..errors import ImageNotFound, InvalidOption, LongshoreError, PlatformMissing
from ..oci.graph import Choice, Graph, Position, choose_platforms, read_graph
from ..oci.manifest import Descriptor, Index
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan
from ..transfer.workers import Workers
from .filters import Filters
from .info import Facts, InspectedImage, Inspector

if t.TYPE_CHECKING:
    from ..registry.repository import Repository

OpenRepository = t.Callable[[Reference], "Repository"]


def read_remote_info(
    references: t.Sequence[Reference], opened: OpenRepository, filters: Filters, selection: Selection | None, host: Platform, workers: Workers
) -> tuple[list[Facts], list[LongshoreError]]:
    """A row for each of REFERENCES, and the errors of those that couldn't be asked for. What isn't there, or doesn't pass FILTERS, has `present` false.

    Raises InvalidOption for filters that make no sense at a registry.
    """
    if filters.dangling is not None or filters.before is not None or filters.since is not None:
        raise InvalidOption(
            "filters: dangling, before and since compare images of the store; of a registry's images only reference and label are asked"
        )
    errors: dict[Reference, LongshoreError] = {}

    def row(reference: Reference) -> Facts:
        try:
            repository = opened(reference)
            held = _held_at_registry(repository, reference, _at_hand(selection, host))
            inspector = Inspector([held] if held is not None else [], _place(reference), host, selection)
            (facts,) = inspector.asked([reference], filters)
        except LongshoreError as error:
            errors[reference] = error
            return ImagePlan(str(reference.name), error=error).facts(error)
        if held is not None and facts["present"]:
            _tell_as_listed(facts, held.graph)
        return {**facts, "endpoint": repository.answered_by}

    rows = workers.map(row, references)
    return rows, [errors[reference] for reference in references if reference in errors]


def read_remote_history(reference: Reference, opened: OpenRepository, selection: Selection | None, host: Platform) -> Facts:
    """How an image was made. Raises ImageNotFound, and PlatformMissing with the platforms that there are."""
    wanted = Selection(selection.platforms[:1]) if selection is not None and selection.platforms else None
    choice = choose_platforms(wanted) if wanted is not None else _at_hand(None, host)
    held = _held_at_registry(opened(reference), reference, choice)
    return Inspector([held] if held is not None else [], _place(reference), host, wanted).history(reference)


def resolve_digest(reference: Reference, opened: OpenRepository) -> Reference:
    """REFERENCE with the digest that it points at, by one HEAD; one that has a digest needs none. Raises ImageNotFound."""
    if reference.digest is not None:
        return reference
    found = opened(reference).probe(reference)
    if found is None:
        raise ImageNotFound(f"{reference}: {reference.registry} doesn't have it", status=404)
    return dataclasses.replace(reference, digest=found.digest)


def _held_at_registry(repository: Repository, reference: Reference, choice: Choice) -> InspectedImage | None:
    """An image at its registry, None where it isn't there. Of an index only the children of CHOICE are read."""
    try:
        root = repository.fetch_manifest(reference)
    except ImageNotFound:
        return None

    def read(descriptor: Descriptor) -> bytes | None:
        try:
            return repository.read_document(descriptor)
        except ImageNotFound:
            return None

    return InspectedImage(reference.name, root, functools.partial(read_graph, root, str(reference), read, choice), read)


def _place(reference: Reference) -> str:
    return f"the registry {reference.registry}"


def _at_hand(selection: Selection | None, host: Platform) -> Choice:
    """A choice of those platforms asked for that are there; of one for the host, else of the first, where none is asked for."""
    if selection is not None and selection.everything:
        return choose_platforms(selection)

    def chosen(index: Index, what: str, where: Position) -> t.Sequence[Descriptor]:
        found: list[Descriptor] = []
        for platform in selection.platforms if selection is not None else (host,):
            with contextlib.suppress(PlatformMissing):
                found += choose_platforms(Selection((platform,)))(index, what, where)
        if selection is None and not found:
            return [entry for entry in index.manifests if entry.is_document and (entry.platform is None or entry.platform.is_runnable)][:1]
        return list(dict.fromkeys(found))

    return chosen


def _tell_as_listed(facts: Facts, graph: Graph | None) -> None:
    """A registry has what its indexes list, unless it turned out otherwise: all of it is told of, though most of it wasn't asked for."""
    lost = {str(descriptor.digest) for descriptor in graph.absent} if graph is not None else set()
    for child in facts["manifests"]:
        child["present"] = child["digest"] not in lost
    listed = [
        child["platform"] for child in facts["manifests"] if child["present"] and child["platform"] and "unknown" not in child["platform"].split("/")
    ]
    facts["platforms"] = list(dict.fromkeys(listed)) or facts["platforms"]
