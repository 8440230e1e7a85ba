# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of an image describe packages, and how each is read."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_DOCUMENT, MAX_EXECUTABLE, MAX_JAR, MAX_METADATA, MAX_PACKAGE_DATABASE, MAX_RPM_DATABASE
from .package import APK, DEB, GO, JAVA, NPM, PYTHON, RPM, Package

Parser = t.Callable[[t.IO[bytes], str], t.Iterable[Package]]


@dataclasses.dataclass(frozen=True)
class Database:
    """A kind of file that describes packages of TYPE. `load` returns its parser. A file of more than `limit` bytes is not read.

    `begins` are the first bytes of each file of this kind. Others with the same name are no database. `is_optional` is true for a kind of file that mostly
    describes no packages.
    """

    type: str
    limit: int
    load: t.Callable[[], Parser]
    begins: bytes = b""
    is_optional: bool = False


def _dpkg() -> Parser:
    from .dpkg import read_dpkg

    return read_dpkg


def _apk() -> Parser:
    from .apk import read_apk

    return read_apk


def _rpm() -> Parser:
    from .rpm import read_rpm

    return read_rpm


def _python() -> Parser:
    from .python_metadata import read_python_metadata

    return read_python_metadata


def _npm() -> Parser:
    from .npm import read_npm

    return read_npm


def _go() -> Parser:
    from .go import read_go

    return read_go


def _jar() -> Parser:
    from .jar import read_jar

    return read_jar


def _refusal(kind: str) -> t.Callable[[], Parser]:
    def refuse(unused_file: t.IO[bytes], what: str) -> t.Iterable[Package]:
        raise UnsupportedFormat(f"{what} is an RPM database in the format {kind}, which can't be read; only the format sqlite can")

    return lambda: refuse


_FOLDER_OF_RPM = r"(?:var/lib|usr/lib/sysimage)/rpm/"
# Paths without the first slash. The first pattern that matches the whole path decides.
_PATHS = [
    (re.compile(pattern, re.DOTALL), database)
    for pattern, database in (
        (r"var/lib/dpkg/status(?:\.d/[^/]+(?<!\.md5sums))?", Database(DEB, MAX_PACKAGE_DATABASE, _dpkg)),
        (r"(?:usr/)?lib/apk/db/installed", Database(APK, MAX_PACKAGE_DATABASE, _apk)),
        (_FOLDER_OF_RPM + r"rpmdb\.sqlite", Database(RPM, MAX_RPM_DATABASE, _rpm)),
        (_FOLDER_OF_RPM + r"Packages", Database(RPM, MAX_RPM_DATABASE, _refusal("Berkeley DB"))),
        (_FOLDER_OF_RPM + r"Packages\.db", Database(RPM, MAX_RPM_DATABASE, _refusal("ndb"))),
        (r"(?:.*/)?[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)", Database(PYTHON, MAX_METADATA, _python)),
        (r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@]+/package\.json", Database(NPM, MAX_DOCUMENT, _npm)),
        (r"(?:.*/)?[^/]+\.(?:jar|war|ear|par|sar|jpi|hpi|nar)", Database(JAVA, MAX_JAR, _jar, is_optional=True)),
    )
]
_ENDINGS = ("status", "installed", "rpmdb.sqlite", "Packages", "Packages.db", "METADATA", "PKG-INFO", ".egg-info", "package.json")
_ARCHIVES = frozenset((".jar", ".war", ".ear", ".par", ".sar", ".jpi", ".hpi", ".nar"))
_EXECUTABLE = Database(GO, MAX_EXECUTABLE, _go, b"\x7fELF", is_optional=True)


def find_database(path: str, is_executable: bool) -> Database | None:
    """Return the kind of the file at PATH, or None if it can't describe packages."""
    name = path.rpartition("/")[2]
    # Most files are none of these, so the patterns are tried on few.
    if name.endswith(_ENDINGS) or name[-4:] in _ARCHIVES or "/status.d/" in path:
        for pattern, database in _PATHS:
            if pattern.fullmatch(path):
                return database
    return _EXECUTABLE if is_executable else None
