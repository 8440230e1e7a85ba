# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a push: store or engine -> registry. It is a copy whose names follow one rule."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.location import REGISTRY, Location
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.catalog import ImageCatalog
from ..places.copy_job import CopyJob
from ..places.registry.target import RegistryCopyPlanner
from ..transfer.plan import ImagePlan, TransferPlan
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..trust.policy import TrustPolicy


def push_destination(name: Reference | Digest, destination: str | None, names: int) -> Reference:
    """Return the reference to push an image to.

    That is DESTINATION itself for one name, a reference below it if it ends in a slash, and the image's own name without DESTINATION.
    Raises InvalidOption for an image without a name, and for one DESTINATION of several NAMES.
    """
    if destination is None:
        if isinstance(name, Digest):
            raise InvalidOption(f"{name} has no name to be pushed to; give destination")
        return name
    if destination.endswith("/"):
        if isinstance(name, Digest):
            raise InvalidOption(f"{name} has no name to put after {destination}; give a whole reference as destination")
        tail = f":{name.tag}" if name.tag is not None else f"@{name.digest}"
        return Reference.parse(f"{destination}{name.repository}{tail}")
    if names > 1:
        raise InvalidOption(
            f"destination {destination} is one reference, but {names} images are to be pushed; end it with a slash to put them below it"
        )
    return Reference.parse_destination(destination, ", or a slash alone to keep the image's own")


def plan_push(
    catalog: ImageCatalog[t.Any],
    pairs: t.Sequence[tuple[Reference | Digest, Reference]],
    *,
    repository: t.Callable[[Reference], Repository],
    selection: Selection | None,
    host: Platform,
    workers: Workers,
    referrers: bool = True,
    trust: TrustPolicy | None = None,
) -> TransferPlan:
    """Plan to push images of CATALOG, each to its destination. A blob that several of them need in one repository is sent once.

    `selection` is None to push all platforms that the store or the engine has. With REFERRERS signatures and other referrers are pushed with
    their image. An image that TRUST refuses has its error in its row.
    Raises InvalidOption for two images with one destination.
    """
    reject_shared_destinations(pairs)
    unique = list(dict.fromkeys(pairs))
    jobs = [
        CopyJob(str(name), Location(REGISTRY, destination), selection, functools.partial(catalog.find, name), trust, "push")
        for name, destination in unique
    ]
    rows = RegistryCopyPlanner(repository, referrers, host, catalog.store).plan(jobs, workers)
    return TransferPlan([_without_destination(row) for row in rows])


def _without_destination(row: ImagePlan) -> ImagePlan:
    """Return ROW without the key that repeats the name of the image: a push has one kind of destination."""
    return dataclasses.replace(row, results={key: value for key, value in row.results.items() if key != "destination"})


def reject_shared_destinations(pairs: t.Iterable[tuple[Reference | Digest, Reference]]) -> None:
    """Raise InvalidOption if two images have one destination: every later run would move the tag from one to the other."""
    taken: dict[Reference, tuple[Reference | Digest, Reference]] = {}
    for name, destination in pairs:
        first = taken.setdefault(destination.name, (name, destination))
        if first != (name, destination):
            raise InvalidOption(f"{first[0]} and {name} can't both be pushed to {destination.name}; give them different destinations")
