# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for registries as podman, skopeo and buildah know them (containers-registries.conf(5), versions 1 and 2)."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...errors import UnsupportedFormat
from ...oci.reference import DOCKER_HUB, Reference
from ...oci.text import sanitise
from .mirrors import HUB_HOST, HostRoutes, Route
from .settings import HostSettings
from .toml_values import Table, tables, value

_WILDCARD = re.compile(r"\*\.[^*/:]+")
_PORT = re.compile(r":[0-9]+\Z", re.ASCII)
_USES = ("all", "digest-only", "tag-only")
# Keys that a file of version 1 can't have.
_VERSION_2 = (
    "registry",
    "unqualified-search-registries",
    "credential-helpers",
    "short-name-mode",
    "aliases",
    "additional-layer-store-auth-helper",
)

_T = t.TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Location:
    """Where the images of a prefix are also had, or had instead. `tags` and `digests` tell which references it is asked for."""

    location: str
    insecure: bool
    tags: bool = True
    digests: bool = True


@dataclasses.dataclass(frozen=True)
class RegistryRule:
    """What holds for all names that begin with PREFIX; `*.example.com` stands for every host below that, with any port."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[Location, ...]
    path: str

    @property
    def is_wildcard(self) -> bool:
        return self.prefix.startswith("*.")

    @property
    def rank(self) -> tuple[int, bool]:
        """The rule with the highest rank decides: the longest prefix, and of two as long the one that names a host."""
        return len(self.prefix), not self.is_wildcard

    def matched(self, reference: Reference) -> str | None:
        """The part of a name that the prefix stands for, a wildcard for a host without its port; None where it isn't meant."""
        if self.is_wildcard:
            host = _PORT.sub("", reference.registry)
            return host if host.endswith(self.prefix[1:]) else None
        if reference.context == self.prefix or reference.context.startswith(f"{self.prefix}/"):
            return self.prefix
        return None


class _Invalid(Exception):
    """A file says something that podman refuses, by KEY of TABLE. `other` is the table that contradicts it."""

    def __init__(self, words: str, table: _Table, key: str | None = None, other: _Table | None = None) -> None:
        super().__init__(words)
        self.table = table
        self.key = key
        self.other = other


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table of the file. `headers` says where it is: its name and number, below those of the tables that it belongs to."""

    members: Table
    headers: tuple[tuple[str, int], ...]

    @property
    def what(self) -> str:
        """What to call it in a message."""
        name, number = self.headers[0]
        return "mirror" if len(self.headers) > 1 else f"{name} {number}" if name == "registry" else name

    def value(self, key: str, kind: type[_T], default: _T) -> _T:
        return self.checked(key, lambda: value(self.members, key, kind, default, self.what))

    def children(self, key: str) -> list[_Table]:
        """The tables below it that are called KEY."""
        found = self.checked(key, lambda: tables(self.members, key, self.what))
        return [_Table(members, (*self.headers, (f"{self.headers[-1][0]}.{key}", number))) for number, members in enumerate(found, 1)]

    def registry(self, key: str) -> str:
        """A registry or a part of it, without slashes at the end; empty where KEY is missing."""
        return self.without_scheme(key, self.value(key, str, ""))

    def without_scheme(self, key: str, text: str) -> str:
        """TEXT without slashes at the end. A scheme would say something about TLS that this format says by `insecure`."""
        if "://" in text:
            raise _Invalid(f"{self.what}: {key} {text[:200]!r} has a scheme; write it as references do, without one", self, key)
        return text.rstrip("/")

    def checked(self, key: str, read: t.Callable[[], _T]) -> _T:
        """What READ returns. A value of another type than it must have is an error of KEY."""
        try:
            return read()
        except UnsupportedFormat as error:
            raise _Invalid(error.message, self, key) from error


def read_rules(document: Table, text: str, path: str, may_be_version_1: bool) -> list[RegistryRule]:
    """Return the rules of a file whose TEXT is DOCUMENT; of two for one prefix the first counts.

    Raises UnsupportedFormat, with the line, for a file that podman refuses too: which registries it means to block would be a guess.
    """
    try:
        rules = _read_version_1(document, path, may_be_version_1) if _is_version_1(document) else _read_version_2(document, path)
    except _Invalid as fault:
        from .toml_lines import Place, line_of

        line = line_of(text, Place(fault.table.headers, fault.key))
        than = f" than on line {line_of(text, Place(fault.other.headers, fault.key))}" if fault.other is not None else ""
        raise UnsupportedFormat(f"{path}, line {line}: {sanitise(str(fault), 500)}{than}; mend it, or do without it by host_config: false") from fault
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
    if any(key in document for key in _VERSION_2):
        raise _Invalid("a table of version 1 of this format stands beside settings of version 2", first)
    if not allowed:
        raise _Invalid("files beside the main one can't be in version 1 of this format; write a [[registry]] table", first)
    listed = {key: _registries_of_version_1(table) for key, table in found.items()}
    blocked, insecure = listed.get("block", []), listed.get("insecure", [])
    return [_rule(prefix, prefix, prefix in insecure, prefix in blocked, (), path) for prefix in dict.fromkeys([*blocked, *insecure])]


def _table_of(registries: Table, key: str) -> Table:
    found = registries[key]
    if not isinstance(found, dict):
        raise _Invalid(f"registries.{key} is not a table", _Table({}, (("registries", 1),)), key)
    return found


def _registries_of_version_1(table: _Table) -> list[str]:
    found = []
    for entry in table.value("registries", list, []):
        if not isinstance(entry, str):
            raise _Invalid(f"{table.what}: registries is not a list of strings", table, "registries")
        place = table.without_scheme("registries", entry)
        if not place:
            raise _Invalid(f"{table.what}: registries has an empty entry", table, "registries")
        _check_wildcard(place, table, "registries")
        found.append(place)
    return found


# Version 2.


def _read_version_2(document: Table, path: str) -> list[RegistryRule]:
    rules = []
    seen: dict[str, tuple[RegistryRule, _Table]] = {}
    found = _Table(document, (("registry", 1),)).checked("registry", lambda: tables(document, "registry", "the file"))
    for number, members in enumerate(found, 1):
        table = _Table(members, (("registry", number),))
        rule = _read_registry(table, path)
        place = rule.location or rule.prefix
        other, others_table = seen.setdefault(place, (rule, table))
        for key in ("blocked", "insecure"):
            if getattr(rule, key) != getattr(other, key):
                raise _Invalid(f"the registry {place} is there twice, with another {key}", table, key, others_table)
        rules.append(rule)
    return rules


def _read_registry(table: _Table, path: str) -> RegistryRule:
    location, prefix = table.registry("location"), table.registry("prefix")
    if not location and not prefix:
        raise _Invalid(f"{table.what} has neither location nor prefix", table)
    if not location and not prefix.startswith("*."):
        raise _Invalid(f"{table.what} has no location", table)
    _check_wildcard(prefix or location, table, "prefix" if prefix else "location")
    if table.value("pull-from-mirror", str, ""):
        raise _Invalid(f"{table.what}: pull-from-mirror is for mirrors alone", table, "pull-from-mirror")
    only_digests = table.value("mirror-by-digest-only", bool, False)
    mirrors = tuple(_read_mirror(mirror, only_digests) for mirror in table.children("mirror"))
    insecure, blocked = (table.value(key, bool, False) for key in ("insecure", "blocked"))
    return _rule(prefix or location, location, insecure, blocked, mirrors, path)


def _read_mirror(table: _Table, only_digests: bool) -> Location:
    location = table.registry("location")
    if not location:
        raise _Invalid("a mirror has no location", table, "location")
    use = table.value("pull-from-mirror", str, "")
    if use and only_digests:
        raise _Invalid("a mirror has pull-from-mirror though its registry has mirror-by-digest-only", table, "pull-from-mirror")
    if use and use not in _USES:
        raise _Invalid(f"pull-from-mirror can't be {use[:100]!r}, but one of {', '.join(_USES)}", table, "pull-from-mirror")
    return Location(location, table.value("insecure", bool, False), use != "digest-only" and not only_digests, use != "tag-only")


def _rule(prefix: str, location: str, insecure: bool, blocked: bool, mirrors: tuple[Location, ...], path: str) -> RegistryRule:
    """A location that is a wildcard names no host: the registry itself is meant."""
    return RegistryRule(prefix, "" if location.startswith("*.") else location, insecure, blocked, mirrors, path)


def _check_wildcard(prefix: str, table: _Table, key: str) -> None:
    if prefix.startswith("*.") and not _WILDCARD.fullmatch(prefix):
        raise _Invalid(f"{table.what}: a wildcard stands for hosts alone, as in *.example.com", table, key)


# Routes.


def routes_of_rule(rule: RegistryRule, reference: Reference) -> HostRoutes:
    """What a rule that matches REFERENCE means for it. Raises UnsupportedFormat for a location that can't take the port behind a wildcard."""
    matched = rule.matched(reference) or ""
    mirrors = tuple(_route(rule, mirror, matched, reference) for mirror in rule.mirrors)
    upstream = None
    if rule.location and rule.location != matched:
        upstream = _route(rule, Location(rule.location, rule.insecure), matched, reference)
    return HostRoutes(mirrors, upstream, insecure=rule.insecure, blocked_by=rule.path if rule.blocked else None)


def _route(rule: RegistryRule, location: Location, matched: str, reference: Reference) -> Route:
    """LOCATION takes the place of the MATCHED part of a name; a port that follows that part stays behind it."""
    place = location.location
    if rule.is_wildcard and matched != reference.registry:
        port = reference.registry[len(matched) :]
        if "/" in place or _PORT.search(place):
            raise UnsupportedFormat(f"{rule.path}: the location {place} for {rule.prefix} can't take the port {port} of {reference.context}")
        place += port
    keeper, _slash, their_part = place.partition("/")
    settings = HostSettings(validate_certs=not location.insecure, may_be_plain=location.insecure)
    host = HUB_HOST if keeper == DOCKER_HUB else keeper
    return Route(host, settings, keeper, own_part=matched.partition("/")[2], their_part=their_part, tags=location.tags, digests=location.digests)
