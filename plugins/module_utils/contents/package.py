# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One package of an image, and a package database that can't be read."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import UnsupportedFormat
from ..oci.text import sanitise

DEB, APK, RPM, PYTHON, NPM, GO, JAVA = "deb", "apk", "rpm", "python", "npm", "go", "java"
TYPES = (DEB, APK, RPM, PYTHON, NPM, GO, JAVA)

_MAX_TEXT = 300  # characters of one value


@dataclasses.dataclass(frozen=True, order=True)
class Distribution:
    """The distribution of an image: `ID` and `VERSION_ID` of its os-release. Both are empty if it has none."""

    id: str = ""
    version: str = ""


NO_DISTRIBUTION = Distribution()


@dataclasses.dataclass(frozen=True)
class Package:
    """A package that is installed in an image.

    `name` is unique within the type: npm's scope and the group of a Java artifact are part of it. `source` is the source package that a distribution
    built it from. `path` is the file that describes the package, and `layer` the digest of the layer that brought this version. A parser leaves
    `distribution`, `path` and `layer` empty.
    """

    type: str
    name: str
    version: str
    architecture: t.Optional[str] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9
    source: t.Optional[str] = None  # noqa: UP045
    license: t.Optional[str] = None  # noqa: UP045
    epoch: t.Optional[int] = None  # noqa: UP045 - of an RPM; its version has the epoch too
    distribution: Distribution = NO_DISTRIBUTION
    path: str = ""
    layer: str = ""

    @classmethod
    def read(cls, kind: str, values: t.Mapping[str, t.Optional[str]], what: str, epoch: int | None = None) -> Package:  # noqa: UP045
        """Return the package with the texts of a database, made safe to print. WHAT names the record in messages.

        Raises UnsupportedFormat if name or version is missing.
        """
        plain = {key: sanitise(value, _MAX_TEXT) or None for key, value in values.items() if value}
        name, version = plain.pop("name", None), plain.pop("version", None)
        if not name or not version:
            raise UnsupportedFormat(f"{what} has no {'version' if name else 'name'}, so it is no package database, or it is damaged")
        return cls(kind, name, version, epoch=epoch, **plain)  # type: ignore[arg-type] # the keys are those of the fields

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Return what makes this a package of its own in one database."""
        return (self.type, self.name, self.version, self.architecture or "")

    @property
    def purl(self) -> str:
        """Return the package URL."""
        from .purl import package_url

        return package_url(self)

    def row(self) -> dict[str, t.Any]:
        """Return the package as a row of the results."""
        return {
            "type": self.type,
            "name": self.name,
            "version": self.version,
            "architecture": self.architecture,
            "source": self.source,
            "license": self.license,
            "purl": self.purl,
            "layer": self.layer,
            "path": self.path,
        }


@dataclasses.dataclass(frozen=True, order=True)
class Unreadable:
    """A package database that can't be read, with the stable word of the cause and a sentence."""

    path: str
    error: str
    msg: str

    def row(self) -> dict[str, str]:
        """Return the database as a row of the results."""
        return dataclasses.asdict(self)
