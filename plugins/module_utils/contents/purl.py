# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Package URLs (ECMA-427, https://github.com/package-url/purl-spec)."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from .package import APK, DEB, GO, JAVA, NPM, PYTHON, RPM

if t.TYPE_CHECKING:
    from .package import Package

_TYPES = {DEB: "deb", APK: "apk", RPM: "rpm", PYTHON: "pypi", NPM: "npm", GO: "golang", JAVA: "maven"}
_OF_DISTRIBUTIONS = (DEB, APK, RPM)
_DEFAULT_NAMESPACES = {DEB: "debian", APK: "alpine", RPM: ""}


def package_url(package: Package) -> str:
    """Return the package URL of PACKAGE. The same package always has the same URL: qualifiers are sorted, and values are encoded as the specification says."""
    namespace, name = _split_name(package)
    version = package.version
    qualifiers: dict[str, str] = {}
    if package.type in _OF_DISTRIBUTIONS:
        qualifiers = {"arch": package.architecture or "", "distro": "-".join(filter(None, (package.distribution.id, package.distribution.version)))}
        if package.epoch is not None:
            qualifiers["epoch"] = str(package.epoch)
            version = version.partition(":")[2]
    parts = [_TYPES[package.type], *(_encode(part) for part in namespace.split("/") if part), _encode(name)]
    query = "&".join(f"{key}={_encode(value)}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{'/'.join(parts)}@{_encode(version)}" + (f"?{query}" if query else "")


def _split_name(package: Package) -> tuple[str, str]:
    """Return namespace and name as the type of the URL spells them."""
    name = package.name
    if package.type in _OF_DISTRIBUTIONS:
        namespace = package.distribution.id or _DEFAULT_NAMESPACES[package.type]
        return namespace.lower(), name if package.type == RPM else name.lower()
    if package.type == PYTHON:
        return "", re.sub(r"[-_.]+", "-", name).lower()
    if package.type == JAVA:
        group, _colon, artifact = name.rpartition(":")
        return group, artifact
    namespace, _slash, last = name.lower().rpartition("/")
    return namespace, last


def _encode(text: str) -> str:
    """Return TEXT with everything encoded but letters, digits and `.-_~:`, which the specification leaves."""
    return urllib.parse.quote(text, safe="-._~:", errors="replace")
