# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that all kinds of SBOM documents need."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import typing as t
import uuid

from ..oci.digest import Digest
from ..oci.document import encode_canonical
from .package import Package

TOOL = "longshore.images"
_FIRST_TIME = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Subject:
    """The image that a document describes. `digest` is that of its manifest, and `created` the time of its creation."""

    name: str
    digest: Digest
    created: t.Optional[datetime.datetime] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9

    @property
    def created_text(self) -> str:
        """Return the time of the image as a document writes it. The time of the run would make each document another one."""
        return (self.created or _FIRST_TIME).astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def group_by_purl(packages: t.Sequence[Package]) -> t.Iterator[tuple[str, list[Package]]]:
    """Yield each package URL, sorted, with the packages that have it: the same package can be in several files."""
    ordered = sorted(packages, key=lambda package: (package.purl, package.path))
    for purl, group in itertools.groupby(ordered, key=lambda package: package.purl):
        yield purl, list(group)


def name_document(content: t.Mapping[str, t.Any]) -> uuid.UUID:
    """Return an ID that the same content always has, and other content never."""
    return uuid.uuid5(uuid.NAMESPACE_OID, str(Digest.of(encode_canonical(content))))
