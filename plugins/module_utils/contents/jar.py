# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read which artifacts a jar contains: `pom.properties` of Maven, else its manifest, and the same of the jars in it."""

from __future__ import annotations

import dataclasses
import re
import tempfile
import typing as t

from ..errors import UnsupportedFormat, system_error
from ..limits import MAX_JAR_EXPANDED, MAX_JAR_LEVELS, MAX_JAR_METADATA, MAX_JARS
from .package import JAVA, Package
from .zip_file import ZipEntry, ZipFile

_MANIFEST = "META-INF/MANIFEST.MF"
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_JAR = re.compile(r".*\.(?:jar|war|ear|par|sar)", re.DOTALL)
_FILE_NAME = re.compile(r"(?P<name>.+?)-(?P<version>[0-9][0-9A-Za-z._+-]*)")
_IN_MEMORY = 4 * 1024 * 1024


@dataclasses.dataclass
class _Budget:
    """What may still be read of one jar with all the jars in it."""

    jars: int = MAX_JARS
    bytes: int = MAX_JAR_EXPANDED


def read_jar(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the artifacts in a jar, each once. Raises UnsupportedFormat. WHAT names the file in messages."""
    yield from dict.fromkeys(_read(file, what, what.rpartition("/")[2], 1, _Budget()))


def _read(file: t.IO[bytes], what: str, name: str, level: int, budget: _Budget) -> t.Iterator[Package]:
    archive = ZipFile(file, what)
    poms: list[ZipEntry] = []
    nested: list[ZipEntry] = []
    manifest: ZipEntry | None = None
    for entry in archive.entries():
        if entry.name == _MANIFEST:
            manifest = entry
        elif _POM.fullmatch(entry.name):
            poms.append(entry)
        elif _JAR.fullmatch(entry.name):
            nested.append(entry)
        if len(poms) + len(nested) > MAX_JARS:
            raise UnsupportedFormat(f"{what} has more than {MAX_JARS} jars in it")
    found = False
    for entry in poms:
        for package in _read_pom(_read_small(archive, entry, budget)):
            found = True
            yield package
    if not found and manifest is not None:
        yield from _read_manifest(_read_small(archive, manifest, budget), name)
    if nested and level >= MAX_JAR_LEVELS:
        raise UnsupportedFormat(f"{what} has jars in jars that are nested more than {MAX_JAR_LEVELS} levels deep")
    for entry in nested:
        budget.jars -= 1
        if budget.jars < 0:
            raise UnsupportedFormat(f"{what} has more than {MAX_JARS} jars in it")
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as inner:
            for piece in archive.read(entry, budget.bytes):
                budget.bytes -= len(piece)
                try:
                    inner.write(piece)
                except OSError as error:
                    raise system_error(error, tempfile.gettempdir()) from error
            yield from _read(t.cast("t.IO[bytes]", inner), f"{what}, {entry.name[-100:]}", entry.name.rpartition("/")[2], level + 1, budget)


def _read_small(archive: ZipFile, entry: ZipEntry, budget: _Budget) -> str:
    data = b"".join(archive.read(entry, min(MAX_JAR_METADATA, budget.bytes)))
    budget.bytes -= len(data)
    return data.decode("utf-8", "replace")


def _read_pom(text: str) -> t.Iterator[Package]:
    """Yield the artifact of a `pom.properties`. A file without one of the three values describes none."""
    lines = (line.strip().partition("=") for line in text.split("\n") if not line.startswith("#"))
    values = {key.strip(): value.strip() for key, _equals, value in lines}
    group, artifact, version = (values.get(key, "") for key in ("groupId", "artifactId", "version"))
    if group and artifact and version and "${" not in version:
        yield Package.read(JAVA, {"name": f"{group}:{artifact}", "version": version}, "pom.properties")


def _read_manifest(text: str, name: str) -> t.Iterator[Package]:
    """Yield the artifact of a jar by its manifest, and by the name of its file where the manifest has nothing. A jar without a version describes none."""
    main = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    unfolded = re.sub(r"\r?\n ", "", main)
    lines = (line.rstrip("\r").partition(":") for line in unfolded.split("\n"))
    values = {key.strip(): value.strip() for key, _colon, value in lines}
    stem = name.rpartition(".")[0]
    match = _FILE_NAME.fullmatch(stem)
    artifact = match["name"] if match is not None else stem
    version = (match["version"] if match is not None else None) or values.get("Implementation-Version") or values.get("Bundle-Version")
    group = values.get("Implementation-Vendor-Id", "")
    if artifact and version and "${" not in version:
        license_of = values.get("Bundle-License", "")
        yield Package.read(JAVA, {"name": f"{group}:{artifact}" if group else artifact, "version": version, "license": license_of[:100]}, name)
