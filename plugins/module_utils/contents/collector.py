# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collect the packages of an image while its layers are read, the lowest first."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
import typing as t

from ..errors import LongshoreError, UnsupportedFormat, system_error
from ..limits import MAX_DATABASES, MAX_PACKAGE_RECORDS, MAX_PACKAGES, MAX_UNREADABLE
from ..oci.digest import Digest
from ..oci.text import sanitise
from .databases import Database, find_database
from .os_release import MAX_OS_RELEASE, PATHS, read_os_release
from .package import NO_DISTRIBUTION, Distribution, Package, Unreadable

_IN_MEMORY = 4 * 1024 * 1024  # larger files are read from a temporary file without a name

# The number of a layer, and the number of a member in it.
Origin = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ImagePackages:
    """The packages of one image, sorted, and the databases that can't be read."""

    packages: t.Sequence[Package]
    unreadable: t.Sequence[Unreadable]
    distribution: Distribution = NO_DISTRIBUTION

    def counts(self) -> dict[str, int]:
        """Return the number of packages by type."""
        return {kind: len(list(group)) for kind, group in itertools.groupby(package.type for package in self.packages)}


@dataclasses.dataclass(frozen=True)
class _Parsed:
    """One version of a file that describes packages: those that could be read, and the error that ended the reading.

    `path` is that of the member, in which links of the image are not followed.
    """

    path: str
    packages: t.Sequence[Package]
    error: t.Optional[LongshoreError] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9


class _TooMany(UnsupportedFormat):
    """The image has more packages than are allowed, which is no fault of one file."""


class PackageCollector:
    """Reads each file that describes packages once, when its layer is read, and keeps what it lists.

    A file that a higher layer replaces is read too: only so it is known which layer brought a package. Equal packages are kept once.
    """

    def __init__(self, layers: t.Sequence[Digest], types: t.Collection[str], label: str) -> None:
        """LAYERS are the digests of the layers, the lowest first. Packages of other TYPES are not searched. LABEL names the image in messages."""
        self._layers = layers
        self._types = types
        self._label = label
        self._parsed: dict[Origin, _Parsed] = {}
        self._versions: dict[str, list[Origin]] = {}
        self._releases: dict[Origin, Distribution] = {}
        self._known: dict[Package, Package] = {}
        self._records = 0

    def copy_for(self, layers: t.Sequence[Digest], label: str) -> PackageCollector:
        """Return a collector with all that was read so far, for another image that begins with the same layers."""
        copied = PackageCollector(layers, self._types, label)
        copied._parsed, copied._releases, copied._known = dict(self._parsed), dict(self._releases), dict(self._known)
        copied._versions = {path: list(origins) for path, origins in self._versions.items()}
        copied._records = self._records
        return copied

    def add(self, origins: t.Sequence[Origin], path: str, is_executable: bool, size: int, content: t.Iterator[bytes]) -> None:
        """Read the file of a member if it describes packages. PATH has no first slash. A damaged file is remembered, and is no error.

        A layer that an image has twice gives a member two ORIGINS.

        Raises UnsupportedFormat for an image with too many of these files, and the errors of CONTENT.
        """
        if path in PATHS and size <= MAX_OS_RELEASE:
            with _spool(content) as file:
                self._releases.update(dict.fromkeys(origins, read_os_release(file)))
            return
        database = find_database(path, is_executable)
        if database is None or database.type not in self._types:
            return
        first = b""
        while len(first) < len(database.begins) and (piece := next(content, b"")):
            first += piece
        if not first.startswith(database.begins):
            return
        parsed = self._read(database, path, size, itertools.chain((first,), content))
        if database.is_optional and not parsed.packages and parsed.error is None:
            return
        self._parsed.update(dict.fromkeys(origins, parsed))
        self._versions.setdefault(path, []).extend(origins)
        if len(self._parsed) > MAX_DATABASES:
            raise UnsupportedFormat(f"{self._label} has more than {MAX_DATABASES} files that describe packages")

    def finish(self, files: t.Iterable[tuple[str, Origin]]) -> ImagePackages:
        """Return what FILES list: the paths that the image has after all layers are applied, and the member that each comes from.

        Raises UnsupportedFormat if too many files can't be read.
        """
        found = sorted((path, origin) for path, origin in files if origin in self._parsed or origin in self._releases)
        releases = {path: self._releases[origin] for path, origin in found if origin in self._releases}
        distribution = next((releases[path] for path in PATHS if path in releases), NO_DISTRIBUTION)
        packages: list[Package] = []
        unreadable: list[Unreadable] = []
        for path, origin in found:
            parsed = self._parsed.get(origin)
            if parsed is None:
                continue
            place = "/" + sanitise(path)
            if parsed.error is not None:
                unreadable.append(Unreadable(place, parsed.error.cause, parsed.error.message))
            for package, layer in zip(parsed.packages, self._find_layers(origin, parsed)):
                packages.append(dataclasses.replace(package, distribution=distribution, path=place, layer=str(self._layers[layer])))
        if len(unreadable) > MAX_UNREADABLE or len(packages) > MAX_PACKAGES:
            example = f", for example {unreadable[0].msg}" if unreadable else ""
            raise UnsupportedFormat(f"{self._label} has more than {MAX_PACKAGES} packages, or {MAX_UNREADABLE} databases that can't be read{example}")
        return ImagePackages(sorted(packages, key=lambda package: (*package.identity, package.path)), unreadable, distribution)

    def _find_layers(self, origin: Origin, parsed: _Parsed) -> list[int]:
        """Return for each package the lowest layer since which each version of its file has listed it."""
        layers = [origin[0]] * len(parsed.packages)
        pending = {number: package.identity for number, package in enumerate(parsed.packages)}
        for lower in sorted((other for other in self._versions[parsed.path] if other[0] < origin[0]), reverse=True):
            listed = {package.identity for package in self._parsed[lower].packages}
            pending = {number: identity for number, identity in pending.items() if identity in listed}
            for number in pending:
                layers[number] = lower[0]
        return layers

    def _read(self, database: Database, path: str, size: int, content: t.Iterator[bytes]) -> _Parsed:
        what = f"{self._label}: /{sanitise(path, 300)}"
        if size > database.limit:
            return _Parsed(path, (), UnsupportedFormat(f"{what} is larger than the {database.limit} bytes that are allowed"))
        packages: list[Package] = []
        with _spool(content) as file:
            try:
                packages.extend(map(self._keep, database.load()(file, what)))
            except _TooMany:
                raise
            except LongshoreError as error:
                return _Parsed(path, packages, error)
        return _Parsed(path, packages)

    def _keep(self, package: Package) -> Package:
        """Return an equal package that is kept already, or this one."""
        self._records += 1
        kept = self._known.setdefault(package, package)
        if len(self._known) > MAX_PACKAGES or self._records > MAX_PACKAGE_RECORDS:
            raise _TooMany(f"{self._label} has more than {MAX_PACKAGES} packages, or more than {MAX_PACKAGE_RECORDS} in all layers together")
        return kept


def _spool(content: t.Iterable[bytes]) -> t.IO[bytes]:
    """Return CONTENT as a file that can be read at any offset, and that the caller closes."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        for piece in content:
            _write(file, piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return t.cast("t.IO[bytes]", file)


def _write(file: tempfile.SpooledTemporaryFile[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise system_error(error, tempfile.gettempdir()) from error
