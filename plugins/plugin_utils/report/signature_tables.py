# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a report about signatures: rows of text in a fixed order."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .charts import VERDICT_STYLES
from .places import PlaceName, format_places
from .signature_findings import SignatureFinding
from .signatures import Verdict, Verification
from .tables import Named


@dataclasses.dataclass(frozen=True)
class VerdictRow:
    """The places in which an image has the same verdict under the same name. `hosts` lists them by host."""

    name: str
    digest: Named | None
    style: str
    verification: Verification
    hosts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class AttachedRow:
    """The stores in which the same kinds of signatures and other referrers are attached to an image; `attached` is empty for none."""

    name: str
    digest: Named | None
    attached: str
    hosts: tuple[str, ...]


def verdict_rows(findings: t.Iterable[SignatureFinding], *verdicts: Verdict) -> list[VerdictRow]:
    """Return the images that have one of VERDICTS."""
    groups: dict[tuple[str, Named | None, Verification], list[PlaceName]] = collections.defaultdict(list)
    for finding in findings:
        if finding.verification.verdict in verdicts:
            groups[finding.name, Named.of(finding.image.identity), finding.verification].append(finding.place)
    rows = [VerdictRow(name, digest, VERDICT_STYLES[found.verdict], found, format_places(on)) for (name, digest, found), on in groups.items()]
    return sorted(rows, key=lambda row: (_image_order(row), row.verification.verdict.value, row.verification.reason))


def attached_rows(findings: t.Iterable[SignatureFinding]) -> list[AttachedRow]:
    """Return the images of stores, whether something is attached to them or not. Engines are left out, because they hold no referrers."""
    groups: dict[tuple[str, Named | None, str], list[PlaceName]] = collections.defaultdict(list)
    for finding in findings:
        if not finding.place.engine:
            groups[finding.name, Named.of(finding.image.identity), finding.image.attached].append(finding.place)
    return sorted((AttachedRow(*key, format_places(on)) for key, on in groups.items()), key=lambda row: (_image_order(row), row.attached))


def _image_order(row: VerdictRow | AttachedRow) -> tuple[str, str]:
    return row.name, row.digest.full if row.digest is not None else ""
