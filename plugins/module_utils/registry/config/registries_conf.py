# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for registries as podman, skopeo and buildah configure them (containers-registries.conf(5), versions 1 and 2)."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...errors import UnsupportedFormat
from ...oci.reference import DOCKER_HUB, Reference
from ...oci.text import sanitise, without_secrets
from .mirrors import HUB_HOST, HostRoutes, Route, split_address
from .settings import HostSettings
from .toml_values import Table, read_tables, read_value

_WILDCARD = re.compile(r"\*\.[^*/:]+")
_PORT = re.compile(r":[0-9]+\Z", re.ASCII)
_PULL_FROM_MIRROR = ("all", "digest-only", "tag-only")
# Keys that a file of version 1 must not have.
_VERSION_2_KEYS = (
    "registry",
    "unqualified-search-registries",
    "credential-helpers",
    "short-name-mode",
    "aliases",
    "additional-layer-store-auth-helper",
)

_T = t.TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class ConfiguredLocation:
    """Another location for the images of a prefix: a mirror, or a replacement. `tags` and `digests` say which references are read from it."""

    location: str
    insecure: bool
    tags: bool = True
    digests: bool = True


@dataclasses.dataclass(frozen=True)
class RegistryRule:
    """A rule for all names that begin with PREFIX. `*.example.com` matches every host below that domain, with any port."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[ConfiguredLocation, ...]
    path: str

    @property
    def is_wildcard(self) -> bool:
        return self.prefix.startswith("*.")

    @property
    def rank(self) -> tuple[int, bool]:
        """The rule with the highest rank applies: the longest prefix, and of two with the same length the one that is no wildcard."""
        return len(self.prefix), not self.is_wildcard

    def match(self, reference: Reference) -> str | None:
        """Return the part of a name that the prefix matches (for a wildcard the host without its port), None if it doesn't match."""
        if self.is_wildcard:
            host = _PORT.sub("", reference.registry)
            return host if host.endswith(self.prefix[1:]) else None
        if reference.context == self.prefix or reference.context.startswith(f"{self.prefix}/"):
            return self.prefix
        return None


class _InvalidSetting(Exception):
    """A setting that podman refuses too: KEY of TABLE. `other` is a table that contradicts it."""

    def __init__(self, message: str, table: _Table, key: str | None = None, other: _Table | None = None) -> None:
        super().__init__(message)
        self.table = table
        self.key = key
        self.other = other


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table of the file. `headers` is its position: the name and number of each enclosing table, then its own."""

    members: Table
    headers: tuple[tuple[str, int], ...]

    @property
    def what(self) -> str:
        """The name of the table in messages."""
        name, number = self.headers[0]
        return "mirror" if len(self.headers) > 1 else f"{name} {number}" if name == "registry" else name

    def value(self, key: str, kind: type[_T], default: _T) -> _T:
        return self.check(key, lambda: read_value(self.members, key, kind, default, self.what))

    def children(self, key: str) -> list[_Table]:
        """Return the tables called KEY below this one."""
        found = self.check(key, lambda: read_tables(self.members, key, self.what))
        return [_Table(members, (*self.headers, (f"{self.headers[-1][0]}.{key}", number))) for number, members in enumerate(found, 1)]

    def registry(self, key: str) -> str:
        """Return a registry, or a registry with a path, without trailing slashes; empty if KEY is missing."""
        return self.without_scheme(key, self.value(key, str, ""))

    def location(self) -> str:
        """Return the `location` like `registry`. Raises _InvalidSetting if no request could be sent to its host."""
        name = self.registry("location")
        if name and not name.startswith("*.") and split_address(f"https://{name.partition('/')[0]}") is None:
            raise _InvalidSetting(f"{self.what}: location {without_secrets(name)!r} doesn't begin with a host or host:port", self, "location")
        return name

    def without_scheme(self, key: str, text: str) -> str:
        """Return TEXT without trailing slashes.

        Raises _InvalidSetting for a scheme, because in this format only `insecure` says whether TLS is used, and for a user name or password.
        """
        if "://" in text:
            raise _InvalidSetting(f"{self.what}: {key} {without_secrets(text)!r} has a scheme; write it as references do, without one", self, key)
        if "@" in text:
            raise _InvalidSetting(
                f"{self.what}: {key} {without_secrets(text)!r} has a user name; write host or host:port, and log in with an auth file", self, key
            )
        return text.rstrip("/")

    def check(self, key: str, read: t.Callable[[], _T]) -> _T:
        """Return the result of READ. A value of the wrong type is reported as an error of KEY."""
        try:
            return read()
        except UnsupportedFormat as error:
            raise _InvalidSetting(error.message, self, key) from error


def read_rules(document: Table, text: str, path: str, allow_version_1: bool) -> list[RegistryRule]:
    """Return the rules of a file whose TEXT is DOCUMENT; of two for one prefix the first counts.

    Raises UnsupportedFormat, with the line, for a file that podman refuses too: it would be a guess which registries it is meant to block.
    """
    try:
        rules = _read_version_1(document, path, allow_version_1) if _is_version_1(document) else _read_version_2(document, path)
    except _InvalidSetting as invalid:
        from .toml_lines import KeyPath, find_line

        line = find_line(text, KeyPath(invalid.table.headers, invalid.key))
        comparison = f" than on line {find_line(text, KeyPath(invalid.other.headers, invalid.key))}" if invalid.other is not None else ""
        raise UnsupportedFormat(
            f"{path}, line {line}: {sanitise(str(invalid), 500)}{comparison}; fix it, or set host_config: false to ignore it"
        ) from invalid
    return list({rule.prefix: rule for rule in reversed(rules)}.values())


# Version 1.


def _is_version_1(document: Table) -> bool:
    found = document.get("registries")
    return isinstance(found, dict) and any(key in found for key in ("search", "insecure", "block"))


def _read_version_1(document: Table, path: str, allowed: bool) -> list[RegistryRule]:
    registries: Table = document["registries"]
    names = [key for key in registries if key in ("search", "insecure", "block")]
    found = {key: _Table(_table_of(registries, key), ((f"registries.{key}", 1),)) for key in names}
    first = found[names[0]]
    if any(key in document for key in _VERSION_2_KEYS):
        raise _InvalidSetting("the file mixes a table of version 1 of this format with settings of version 2", first)
    if not allowed:
        raise _InvalidSetting("files in registries.conf.d can't be in version 1 of this format; write a [[registry]] table", first)
    by_key = {key: _registries_of_version_1(table) for key, table in found.items()}
    blocked, insecure = by_key.get("block", []), by_key.get("insecure", [])
    return [_rule(prefix, prefix, prefix in insecure, prefix in blocked, (), path) for prefix in dict.fromkeys([*blocked, *insecure])]


def _table_of(registries: Table, key: str) -> Table:
    found = registries[key]
    if not isinstance(found, dict):
        raise _InvalidSetting(f"registries.{key} is not a table", _Table({}, (("registries", 1),)), key)
    return found


def _registries_of_version_1(table: _Table) -> list[str]:
    found = []
    for entry in table.value("registries", list, []):
        if not isinstance(entry, str):
            raise _InvalidSetting(f"{table.what}: registries is not a list of strings", table, "registries")
        name = table.without_scheme("registries", entry)
        if not name:
            raise _InvalidSetting(f"{table.what}: registries has an empty entry", table, "registries")
        _check_wildcard(name, table, "registries")
        found.append(name)
    return found


# Version 2.


def _read_version_2(document: Table, path: str) -> list[RegistryRule]:
    rules = []
    seen: dict[str, tuple[RegistryRule, _Table]] = {}
    found = _Table(document, (("registry", 1),)).check("registry", lambda: read_tables(document, "registry", "the file"))
    for number, members in enumerate(found, 1):
        table = _Table(members, (("registry", number),))
        rule = _read_registry(table, path)
        name = rule.location or rule.prefix
        other, other_table = seen.setdefault(name, (rule, table))
        for key in ("blocked", "insecure"):
            if getattr(rule, key) != getattr(other, key):
                raise _InvalidSetting(f"the registry {name} is listed twice, with another {key}", table, key, other_table)
        rules.append(rule)
    return rules


def _read_registry(table: _Table, path: str) -> RegistryRule:
    location, prefix = table.location(), table.registry("prefix")
    if not location and not prefix:
        raise _InvalidSetting(f"{table.what} has neither location nor prefix", table)
    if not location and not prefix.startswith("*."):
        raise _InvalidSetting(f"{table.what} has no location", table)
    _check_wildcard(prefix or location, table, "prefix" if prefix else "location")
    if table.value("pull-from-mirror", str, ""):
        raise _InvalidSetting(f"{table.what}: pull-from-mirror is for mirrors only", table, "pull-from-mirror")
    only_digests = table.value("mirror-by-digest-only", bool, False)
    mirrors = tuple(_read_mirror(mirror, only_digests) for mirror in table.children("mirror"))
    insecure, blocked = (table.value(key, bool, False) for key in ("insecure", "blocked"))
    return _rule(prefix or location, location, insecure, blocked, mirrors, path)


def _read_mirror(table: _Table, only_digests: bool) -> ConfiguredLocation:
    location = table.location()
    if not location:
        raise _InvalidSetting("a mirror has no location", table, "location")
    use = table.value("pull-from-mirror", str, "")
    if use and only_digests:
        raise _InvalidSetting("a mirror has pull-from-mirror although its registry has mirror-by-digest-only", table, "pull-from-mirror")
    if use and use not in _PULL_FROM_MIRROR:
        raise _InvalidSetting(f"pull-from-mirror can't be {use[:100]!r}, but one of {', '.join(_PULL_FROM_MIRROR)}", table, "pull-from-mirror")
    is_insecure = table.value("insecure", bool, False)
    return ConfiguredLocation(location, is_insecure, tags=use != "digest-only" and not only_digests, digests=use != "tag-only")


def _rule(prefix: str, location: str, insecure: bool, blocked: bool, mirrors: tuple[ConfiguredLocation, ...], path: str) -> RegistryRule:
    """Return a rule. A location that is a wildcard names no host and means the registry itself."""
    registry = "" if location.startswith("*.") else location
    return RegistryRule(prefix=prefix, location=registry, insecure=insecure, blocked=blocked, mirrors=mirrors, path=path)


def _check_wildcard(prefix: str, table: _Table, key: str) -> None:
    if prefix.startswith("*.") and not _WILDCARD.fullmatch(prefix):
        raise _InvalidSetting(f"{table.what}: a wildcard matches hosts only, as in *.example.com", table, key)


# Routes.


def routes_from_rule(rule: RegistryRule, reference: Reference) -> HostRoutes:
    """Return the routes to REFERENCE by a rule that matches it. Raises UnsupportedFormat if a location can't take the port after a wildcard."""
    matched = rule.match(reference) or ""
    mirrors = tuple(_route(rule, mirror, matched, reference) for mirror in rule.mirrors)
    upstream = None
    if rule.location and rule.location != matched:
        upstream = _route(rule, ConfiguredLocation(rule.location, rule.insecure), matched, reference)
    return HostRoutes(mirrors=mirrors, upstream=upstream, insecure=rule.insecure, blocked_by=rule.path if rule.blocked else None)


def _route(rule: RegistryRule, location: ConfiguredLocation, matched: str, reference: Reference) -> Route:
    """Return the route to LOCATION, which replaces the MATCHED part of a name. A port after that part is appended."""
    name = location.location
    if rule.is_wildcard and matched != reference.registry:
        port = reference.registry[len(matched) :]
        if "/" in name or _PORT.search(name):
            raise UnsupportedFormat(f"{rule.path}: the location {name} for {rule.prefix} can't take the port {port} of {reference.context}")
        name += port
    registry, _slash, added_prefix = name.partition("/")
    settings = HostSettings(validate_certs=not location.insecure, detect_plain_http=location.insecure)
    host = HUB_HOST if registry == DOCKER_HUB else registry
    return Route(
        host=host,
        settings=settings,
        registry=registry,
        removed_prefix=matched.partition("/")[2],
        added_prefix=added_prefix,
        tags=location.tags,
        digests=location.digests,
    )
