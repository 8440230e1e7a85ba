# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the packages of an image as a CycloneDX 1.6 document (ECMA-424)."""

from __future__ import annotations

import typing as t

from .document import TOOL, Subject, group_by_purl, name_document
from .package import JAVA, NPM, Package


def make_cyclonedx(subject: Subject, packages: t.Sequence[Package]) -> dict[str, t.Any]:
    """Return the document. The same image always gives the same one: it has no time of the run."""
    content: dict[str, t.Any] = {
        "metadata": {
            "tools": {"components": [{"type": "application", "name": TOOL}]},
            "component": {"type": "container", "bom-ref": str(subject.digest), "name": subject.name, "version": str(subject.digest)},
        },
        "components": [_make_component(purl, group) for purl, group in group_by_purl(packages)],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{name_document(content)}",
        "version": 1,
        **content,
    }


def _make_component(purl: str, group: t.Sequence[Package]) -> dict[str, t.Any]:
    package = group[0]
    namespace, name = _split_group(package)
    properties = [("layer", layer) for layer in sorted({package.layer for package in group})]
    properties += [("source", package.source)] if package.source else []
    return {
        "type": "library",
        "bom-ref": purl,
        **({"group": namespace} if namespace else {}),
        "name": name,
        "version": package.version,
        **({"licenses": [{"license": {"name": package.license}}]} if package.license else {}),
        "purl": purl,
        "properties": [{"name": f"{TOOL}:{key}", "value": value} for key, value in properties],
        "evidence": {"occurrences": [{"location": path} for path in sorted({package.path for package in group})]},
    }


def _split_group(package: Package) -> tuple[str, str]:
    """Return the group and the name as CycloneDX separates them."""
    separator = {JAVA: ":", NPM: "/"}.get(package.type)
    namespace, found, name = package.name.rpartition(separator) if separator else ("", "", package.name)
    return (namespace, name) if found else ("", package.name)
