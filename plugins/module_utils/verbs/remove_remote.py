# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a removal at registries: which images the references name there. `places/registry/removal` plans what that deletes."""

from __future__ import annotations

import typing as t

from ..errors import LongshoreError
from ..oci.reference import Reference
from ..places.registry.removal import FoundImage, RemoteRemovalPlan, plan_removal
from ..transfer.plan import ImagePlan
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository


def plan_remove_remote(
    references: t.Sequence[Reference], open_repository: t.Callable[[Reference], Repository], *, force: bool, workers: Workers
) -> RemoteRemovalPlan:
    """Plan to delete REFERENCES at their registries, with their referrers; an absent one is no change.

    With FORCE all other tags of a digest are deleted with it.
    """

    def find(reference: Reference) -> FoundImage | ImagePlan:
        try:
            repository = open_repository(reference)
            found = repository.probe(reference.name)
        except LongshoreError as error:
            return ImagePlan(str(reference.name), error=error)
        if found is None or reference.digest not in (None, found.digest):
            return ImagePlan(str(reference.name))
        return FoundImage(reference, repository, found)

    return plan_removal(workers.map(find, list(dict.fromkeys(references))), force=force, workers=workers)
