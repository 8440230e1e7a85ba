# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read OpenVEX documents: claims of a vendor or a team that a vulnerability does not affect an image."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ..errors import UnsupportedFormat
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.text import sanitise
from .vulnerabilities import Finding, read_time

# The beginning of the predicate types, and of `@context`. Versions follow.
OPENVEX = "https://openvex.dev/ns"

_NOT_AFFECTED = "not_affected"
_STATUSES = frozenset((_NOT_AFFECTED, "affected", "fixed", "under_investigation"))
_DIGEST = re.compile(r"[@=](sha256|sha512)(?::|%3A)([0-9a-f]{64,128})(?![0-9a-zA-Z])", re.IGNORECASE | re.ASCII)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim about a vulnerability of this image. `ids` are its names in lower case; `packages` package URLs, empty for the whole image."""

    ids: frozenset[str]
    is_not_affected: bool
    packages: tuple[str, ...]
    time: datetime.datetime

    def is_about(self, finding: Finding) -> bool:
        if self.ids.isdisjoint(finding.ids):
            return False
        return not self.packages or any(_matches(package, finding.package) for package in self.packages)


def is_openvex(predicate_type: str) -> bool:
    return predicate_type == OPENVEX or predicate_type.startswith(f"{OPENVEX}/")


def read_claims(predicate: Document, digest: Digest) -> list[Claim]:
    """Return the claims about the image DIGEST, of which the predicate's attestation is. Raises UnsupportedFormat for a document that breaks OpenVEX.

    A claim counts if one of its products names the digest, or if it names no product: then it is about what the attestation is about. A claim that an image
    may be affected counts for any product.
    """
    if not is_openvex(predicate.required_text("@context")):
        raise UnsupportedFormat(f"{predicate.what} is not an OpenVEX document")
    written = read_time(predicate, "timestamp")
    if written is None:
        raise UnsupportedFormat(f"{predicate.what} has no timestamp")
    claims = []
    for entry in predicate.children("statements", None):
        status = entry.required_text("status")
        if status not in _STATUSES:
            raise UnsupportedFormat(f"{entry.what}: the status {sanitise(status, 50)!r} is unknown")
        is_not_affected = status == _NOT_AFFECTED
        if is_not_affected and not (entry.text("justification") or entry.text("impact_statement")):
            raise UnsupportedFormat(f"{entry.what} says not_affected without a justification or an impact_statement")
        packages = _find_packages(entry, digest) if is_not_affected else ()
        if packages is not None:
            time = read_time(entry, "last_updated") or read_time(entry, "timestamp") or written
            claims.append(Claim(_read_names(entry), is_not_affected, packages, time))
    return claims


def is_exempt(finding: Finding, claims: t.Iterable[Claim]) -> bool:
    """Return whether the newest claim about a vulnerability says that it doesn't affect the image. Of several at one time, all have to."""
    relevant = [claim for claim in claims if claim.is_about(finding)]
    newest = max((claim.time for claim in relevant), default=None)
    return bool(relevant) and all(claim.is_not_affected for claim in relevant if claim.time == newest)


def _read_names(entry: Document) -> frozenset[str]:
    if isinstance(entry.members.get("vulnerability"), str):  # OpenVEX before version 0.2
        return frozenset((entry.required_text("vulnerability").lower(),))
    vulnerability = entry.required_child("vulnerability")
    return frozenset(name.lower() for name in (vulnerability.required_text("name"), *vulnerability.texts("aliases")))


def _find_packages(entry: Document, digest: Digest) -> tuple[str, ...] | None:
    """Return the package URLs that a claim is limited to. Return None if its products are other images."""
    if not entry.has("products"):
        return ()
    packages: list[str] = []
    is_about_image = False
    for product in _read_products(entry, "products"):
        if not _names_digest(product, digest):
            continue
        is_about_image = True
        parts = [_product_names(part)[0] for part in _read_products(product, "subcomponents")]
        if not parts:
            return ()
        packages += parts
    return tuple(packages) if is_about_image else None


def _read_products(document: Document, key: str) -> list[Document]:
    entries = document.members.get(key)
    if isinstance(entries, list) and entries and all(isinstance(entry, str) for entry in entries):
        return [Document({"@id": entry}, f"{document.what}, {key}") for entry in document.texts(key, None)]
    return document.children(key, None)


def _product_names(product: Document) -> list[str]:
    identifiers = product.child("identifiers")
    purl = identifiers.text("purl") if identifiers is not None else None
    names = [name for name in (purl, product.text("@id")) if name]
    if not names:
        raise UnsupportedFormat(f"{product.what} has no @id")
    return names


def _names_digest(product: Document, digest: Digest) -> bool:
    if product.text_map("hashes").get(f"{digest.algorithm[:3]}-{digest.algorithm[3:]}") == digest.hex:
        return True
    found = (match for name in _product_names(product) for match in _DIGEST.finditer(name))
    return any((match[1].lower(), match[2].lower()) == (digest.algorithm, digest.hex) for match in found)


def _matches(wanted: str, package: str | None) -> bool:
    """Return whether a package URL is the one that a claim names: qualifiers don't count, and without a version all versions are meant."""
    if package is None:
        return False
    wanted_name, package_name = (re.split("[?#]", text)[0] for text in (wanted, package))
    return package_name == wanted_name or (wanted_name.rfind("@") <= wanted_name.rfind("/") and package_name.rpartition("@")[0] == wanted_name)
