# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image that is removed from a registry, and its row. A registry is no catalog, but a removal shows the same in every place."""

from __future__ import annotations

import dataclasses

from ...oci.digest import Digest
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, RefState, Results
from ..catalog import removal_row


@dataclasses.dataclass(frozen=True)
class RemovedImage:
    """An image under one of its names. `label` names it in messages, `results` are its row."""

    label: str
    name: Reference | None
    digest: Digest
    results: Results = dataclasses.field(compare=False)

    def row(self, note: str = "") -> ImagePlan:
        """Return the row of its removal. NOTE is the end of the action."""
        return removal_row(RegistryRows(), self, note)


class RegistryRows:
    """What the rows of images at a registry show. A name contains its registry, so only actions add where the image is removed from."""

    @property
    def common_facts(self) -> Results:
        return {}

    def state(self, image: RemovedImage) -> RefState:
        return RefState(image.digest)

    def facts(self, image: RemovedImage, unused_name: Reference | None) -> Results:
        return image.results

    def locate(self, text: str, preposition: str) -> str:
        return f"{text} from its registry" if preposition == "from" else text
