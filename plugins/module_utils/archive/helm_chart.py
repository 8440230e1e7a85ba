# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the metadata of a packaged Helm chart, as helm publishes it in the config and the annotations of an artifact."""

from __future__ import annotations

import re
import typing as t

from ..errors import CorruptArchive, UnsupportedFormat, missing_library
from ..limits import MAX_CONFIG_FILE
from ..oci.artifacts import TITLE, encode_as_go
from ..oci.text import sanitise
from .compression import GZIP, ExpansionLimit, decompress
from .source_files import read_unchanged_file
from .tar import FILE, StreamBytes, TarReader

CHART_FILE = "Chart.yaml"
_MAX_VALUES = 10_000  # aliases of YAML could multiply the values of a small file
_NULL_AND_BOOL = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:merge")
_VERSION = re.compile(r"v?[0-9]+(\.[0-9]+){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)

# The keys of Chart.yaml that helm knows, in the order in which helm writes them, with the kind of each value.
_TEXT, _TEXTS, _BOOL, _TEXT_MAP = "text", "list of texts", "boolean", "dictionary of texts"
_MAINTAINER = {"name": _TEXT, "email": _TEXT, "url": _TEXT}
_DEPENDENCY = {
    "name": _TEXT, "version": _TEXT, "repository": _TEXT, "condition": _TEXT, "tags": _TEXTS, "enabled": _BOOL,
    "import-values": "values to import", "alias": _TEXT,
}  # fmt: skip
_CHART: t.Mapping[str, t.Any] = {
    "name": _TEXT, "home": _TEXT, "sources": _TEXTS, "version": _TEXT, "description": _TEXT, "keywords": _TEXTS, "maintainers": _MAINTAINER,
    "icon": _TEXT, "apiVersion": _TEXT, "condition": _TEXT, "tags": _TEXT, "appVersion": _TEXT, "deprecated": _BOOL, "annotations": _TEXT_MAP,
    "kubeVersion": _TEXT, "dependencies": _DEPENDENCY, "type": _TEXT,
}  # fmt: skip
# Helm writes these two keys of a dependency even if they are empty.
_ALWAYS = ("name", "repository")


class ChartMetadata(t.NamedTuple):
    """The metadata of a chart, and its bytes in the config of an artifact."""

    name: str
    version: str
    config: bytes
    annotations: t.Mapping[str, str]


def read_chart(path: str, size: int) -> ChartMetadata:
    """Read the metadata of the packaged chart PATH, a file of SIZE bytes.

    Raises CorruptArchive for a damaged archive, UnsupportedFormat if it is no chart or its Chart.yaml is invalid, MissingLibrary without PyYAML.
    """
    members = _parse(_read_chart_file(path, size), f"{CHART_FILE} of {path}")
    name, version = members.get("name", ""), members.get("version", "")
    if not name or "/" in name or not members.get("apiVersion") or not _VERSION.fullmatch(version):
        raise UnsupportedFormat(f"{CHART_FILE} of {path} needs apiVersion, a name without slashes, and a semantic version")
    return ChartMetadata(name, version, encode_as_go(members), _annotations_of(members))


def _read_chart_file(path: str, size: int) -> bytes:
    limit = ExpansionLimit(path, size)
    reader = TarReader(StreamBytes(decompress(read_unchanged_file(path), GZIP, path, limit)), path)
    found: bytes | None = None
    for member in reader:
        parts = [part for part in member.name.split("/") if part != "."]
        if len(parts) != 2 or parts[1] != CHART_FILE or member.kind != FILE:
            continue
        if found is not None:
            raise CorruptArchive(f"{path} has more than one {CHART_FILE}")
        if member.size > MAX_CONFIG_FILE:
            raise UnsupportedFormat(f"{CHART_FILE} of {path} has {member.size} bytes, more than {MAX_CONFIG_FILE}")
        found = b"".join(map(bytes, reader.content()))
    if found is None:
        raise UnsupportedFormat(f"{path} is not a Helm chart: it has no {CHART_FILE} in its top folder; make it with helm package")
    return found


def _parse(data: bytes, what: str) -> dict[str, t.Any]:
    """Return the keys of Chart.yaml that helm knows. Numbers and dates stay the text that they are: the version 1.10 is not 1.1."""
    try:
        import yaml
    except ImportError as error:
        raise missing_library("PyYAML", "python3-yaml", error) from error

    class Loader(yaml.SafeLoader):
        """A loader that knows fewer types."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _NULL_AND_BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        loaded = yaml.load(data, Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnsupportedFormat(f"{what} is not valid YAML: {sanitise(' '.join(str(error).split()), 300)}") from error
    if not isinstance(loaded, dict):
        raise UnsupportedFormat(f"{what} is not a dictionary")
    return _Selector(what).select(_CHART, loaded, "")


class _Selector:
    """Selects known keys, and counts the values."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0

    def select(self, kinds: t.Mapping[str, t.Any], members: t.Any, where: str) -> dict[str, t.Any]:
        if not isinstance(members, dict):
            raise self._wrong(where, "dictionary")
        selected = {key: self._value(kind, members.get(key), f"{where}{key}") for key, kind in kinds.items()}
        always = _ALWAYS if kinds is _DEPENDENCY else ()
        return {key: value for key, value in selected.items() if value or key in always}

    def _value(self, kind: t.Any, value: t.Any, where: str) -> t.Any:
        self._count += 1
        if self._count > _MAX_VALUES:
            raise UnsupportedFormat(f"{self._what} has more than {_MAX_VALUES} values")
        if kind == _TEXT:
            return self._text(value, where)
        if value is None:
            return None
        if kind == _BOOL:
            return value if isinstance(value, bool) else self._fail(where, kind)
        if kind == _TEXT_MAP:
            if not isinstance(value, dict):
                raise self._wrong(where, kind)
            return {str(key): self._value(_TEXT, text, f"{where}.{key}") for key, text in sorted(value.items(), key=lambda item: str(item[0]))}
        if not isinstance(value, list):
            raise self._wrong(where, "list")
        return [self._element(kind, element, where) for element in value]

    def _element(self, kind: t.Any, element: t.Any, where: str) -> t.Any:
        if kind == _TEXTS:
            return self._value(_TEXT, element, where)
        if isinstance(kind, dict):
            return self.select(kind, element, f"{where}.")
        if isinstance(element, dict):
            return {str(key): self._value(_TEXT, element[key], where) for key in sorted(element, key=str)}
        return self._value(_TEXT, element, where)

    def _text(self, value: t.Any, where: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            # As helm: all kinds of space are a space, and what can't be printed is dropped.
            return "".join(" " if character.isspace() else character for character in value if character.isspace() or character.isprintable())
        return str(self._fail(where, _TEXT))

    def _fail(self, where: str, kind: str) -> t.NoReturn:
        raise self._wrong(where, kind)

    def _wrong(self, where: str, kind: str) -> UnsupportedFormat:
        return UnsupportedFormat(f"{self._what}: {sanitise(where.rstrip('.') or 'it', 100)} is not a {kind}")


def _annotations_of(members: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the annotations that helm gives a chart's manifest, except for the time: the same chart has the same digest on every host."""
    prefix = "org.opencontainers.image."
    values = {
        "description": members.get("description", ""),
        "title": members["name"],
        "version": members["version"],
        "url": members.get("home", ""),
        "source": (members.get("sources") or [""])[0],
        "authors": ", ".join(map(_format_maintainer, members.get("maintainers") or [])),
    }
    annotations = {f"{prefix}{key}": value for key, value in values.items() if value.strip()}
    own = {key: value for key, value in members.get("annotations", {}).items() if key not in (TITLE, f"{prefix}version")}
    return {**annotations, **own}


def _format_maintainer(maintainer: t.Mapping[str, str]) -> str:
    email = maintainer.get("email")
    return maintainer.get("name", "") + (f" ({email})" if email else "")
