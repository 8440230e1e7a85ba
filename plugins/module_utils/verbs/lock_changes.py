# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the packages of the image that a tag is locked to with those of the image that it points at now."""

from __future__ import annotations

import dataclasses
import typing as t

from ..comparison.files import FileChanges
from ..comparison.packages import PackageChange, summarise_packages
from ..errors import LongshoreError
from ..oci.digest import Digest
from ..oci.platform import Selection
from ..oci.reference import Reference
from ..places.registry.source import RegistrySource
from ..registry.referrers import DigestTags
from .diff import compare_images, read_contents, read_image

if t.TYPE_CHECKING:
    from ..registry.repository import Repository


@dataclasses.dataclass(frozen=True)
class TagChanges:
    """The packages that changed, each with its platform. `error` is set if the images couldn't be compared."""

    packages: t.Sequence[tuple[str | None, PackageChange]] = ()
    error: LongshoreError | None = None

    @property
    def summary(self) -> str | None:
        """Return the changes as one text, None if they aren't known. Changes that several platforms have are named once."""
        if self.error is not None:
            return None
        return summarise_packages(sorted({change for _platform, change in self.packages}, key=_order)) or "no package changed"

    def facts(self) -> dict[str, t.Any]:
        rows = [{"platform": platform, **change.row()} for platform, change in self.packages]
        return {"packages": rows if self.error is None else None, "changes": self.summary}


def _order(change: PackageChange) -> tuple[str, ...]:
    return change.type, change.name, change.architecture, change.before or "", change.after or ""


def read_tag_changes(repository: Repository, name: Reference, locked: Digest, current: Digest, selection: Selection) -> TagChanges:
    """Compare the packages of the images that NAME is locked to and that its tag points at now. The layers in which they differ are downloaded.

    An image that can't be read, such as one that its registry has deleted, is no reason to lock nothing: its error is returned.
    """
    try:
        before, after = (
            read_image(RegistrySource(dataclasses.replace(name, digest=digest), repository, DigestTags), f"{name.name}@{digest}", selection)
            for digest in (locked, current)
        )
        differences = [read_contents(before, after, each, FileChanges(0)) for each in compare_images(before, after)]
    except LongshoreError as error:
        return TagChanges(error=error)
    return TagChanges([(each.platform, package) for each in differences for package in each.packages])
