# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the packages of an image as an SPDX 2.3 document (ISO/IEC 5962)."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from .document import TOOL, Subject, group_by_purl, name_document
from .package import Package

_UNKNOWN = "NOASSERTION"
_DOCUMENT, _IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-Image"


def make_spdx(subject: Subject, packages: t.Sequence[Package]) -> dict[str, t.Any]:
    """Return the document. The same image always gives the same one: its time is that of the image."""
    listed = [_make_package(purl, group) for purl, group in group_by_purl(packages)]
    content: dict[str, t.Any] = {
        "name": subject.name,
        "creationInfo": {"created": subject.created_text, "creators": [f"Tool: {TOOL}"]},
        "packages": [_make_image(subject), *listed],
        "relationships": [
            _relate(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relate(_IMAGE, "CONTAINS", package["SPDXID"]) for package in listed),
        ],
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "documentNamespace": f"https://spdx.org/spdxdocs/{TOOL}-{name_document(content)}",
        **content,
    }


def _make_image(subject: Subject) -> dict[str, t.Any]:
    return {
        "SPDXID": _IMAGE,
        "name": subject.name,
        "versionInfo": str(subject.digest),
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": subject.digest.algorithm.upper(), "checksumValue": subject.digest.hex}],
        **_unknown_values(),
    }


def _make_package(purl: str, group: t.Sequence[Package]) -> dict[str, t.Any]:
    package = group[0]
    paths = ", ".join(sorted({package.path for package in group})[:10])
    # The text of a package about its license is mostly no expression of SPDX, so it is a comment.
    comments = {"licenseComments": f"The package declares: {package.license}"} if package.license else {}
    return {
        "SPDXID": f"SPDXRef-Package-{Digest.of(purl.encode()).hex[:32]}",
        "name": package.name,
        "versionInfo": package.version,
        "sourceInfo": f"described by {paths}" + (f"; built from the source package {package.source}" if package.source else ""),
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
        **comments,
        **_unknown_values(),
    }


def _unknown_values() -> dict[str, t.Any]:
    return {
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _relate(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
