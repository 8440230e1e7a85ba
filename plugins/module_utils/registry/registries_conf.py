# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for registries as podman, skopeo and buildah know them (containers-registries.conf(5), version 2)."""

from __future__ import annotations

import dataclasses

from ..oci.reference import DOCKER_HUB, Reference
from .route import HUB_HOST, HostRoutes, Route
from .settings import HostSettings
from .toml_values import Table, tables, value


@dataclasses.dataclass(frozen=True)
class Location:
    """Where the images of a prefix are also had, or had instead. `tags` and `digests` tell which references it is asked for."""

    location: str
    insecure: bool
    tags: bool = True
    digests: bool = True


@dataclasses.dataclass(frozen=True)
class RegistryRule:
    """What holds for all names that begin with PREFIX; `*.example.com` stands for every host below that."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[Location, ...]
    path: str

    def matched(self, reference: Reference) -> str | None:
        """The part of a name that the prefix stands for; None where it isn't meant."""
        if self.prefix.startswith("*."):
            host = reference.registry.rpartition(":")[0] or reference.registry
            return reference.registry if host.endswith(self.prefix[1:]) else None
        if reference.context == self.prefix or reference.context.startswith(f"{self.prefix}/"):
            return self.prefix
        return None


def read_rules(document: Table, path: str) -> list[RegistryRule]:
    """The `[[registry]]` tables of a file. Raises UnsupportedFormat."""
    rules = []
    for number, table in enumerate(tables(document, "registry", path)):
        what = f"{path}: registry {number + 1}"
        location = value(table, "location", str, "", what)
        prefix = value(table, "prefix", str, "", what) or location
        only_digests = value(table, "mirror-by-digest-only", bool, False, what)
        mirrors = tuple(_mirror(mirror, only_digests, what) for mirror in tables(table, "mirror", what))
        if prefix:
            insecure, blocked = (value(table, key, bool, False, what) for key in ("insecure", "blocked"))
            rules.append(RegistryRule(prefix.rstrip("/"), location.rstrip("/"), insecure, blocked, mirrors, path))
    return rules


def _mirror(table: Table, only_digests: bool, what: str) -> Location:
    use = value(table, "pull-from-mirror", str, "digest-only" if only_digests else "all", f"{what}, mirror")
    location = value(table, "location", str, "", f"{what}, mirror").rstrip("/")
    return Location(location, value(table, "insecure", bool, False, f"{what}, mirror"), use != "digest-only", use != "tag-only")


def routes_of_rule(rule: RegistryRule, reference: Reference) -> HostRoutes:
    """What a rule that matches REFERENCE means for it."""
    matched = rule.matched(reference) or ""
    mirrors = tuple(_route(mirror, matched) for mirror in rule.mirrors if mirror.location)
    upstream = None
    if rule.location and rule.location != matched:
        upstream = _route(Location(rule.location, rule.insecure), matched)
    return HostRoutes(mirrors, upstream, insecure=rule.insecure, blocked_by=rule.path if rule.blocked else None)


def _route(location: Location, matched: str) -> Route:
    """LOCATION takes the place of the MATCHED part of a name."""
    keeper, _slash, their_part = location.location.partition("/")
    settings = HostSettings(validate_certs=not location.insecure, may_be_plain=location.insecure)
    host = HUB_HOST if keeper == DOCKER_HUB else keeper
    return Route(host, settings, keeper, own_part=matched.partition("/")[2], their_part=their_part, tags=location.tags, digests=location.digests)
