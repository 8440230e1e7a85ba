# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of podman, buildah and skopeo: a file in registries.conf.d, the certificates of each host, and logins."""

from __future__ import annotations

import typing as t

from ..errors import InvalidOption, UnsupportedFormat
from ..oci.reference import Reference
from ..registry.config.mirrors import Route
from ..registry.config.registries_conf import RegistryRule, read_rules, routes_from_rule
from ..registry.config.settings import Credentials
from .containerd import Parse, quote_toml
from .entries import ClientEntry, HostAccess
from .planned_file import PlannedFile, certificate_file, own_file


def describe_unsupported(entry: ClientEntry) -> t.Iterator[str]:
    """Yield a sentence for each setting of an entry that podman can't express."""
    for route in entry.mirrors:
        if route.settings.headers:
            yield f"podman sends no headers of your own to the mirror {route.host} of {entry.name}; use a login, or image_pull, which does"
    if entry.denied and not entry.mirrors[-1].tags:
        yield (
            f"podman asks the last mirror of {entry.name} for tags too if the registry is denied; set resolve_tags of {entry.mirrors[-1].host} to true"
        )


def registries_conf(entries: t.Sequence[ClientEntry], path: str) -> PlannedFile | None:
    """Return the file with a table for each registry, None if none needs one."""
    tables = [lines for lines in map(_table, entries) if lines]
    return own_file(path, [line for lines in tables for line in ("", *lines)]) if tables else None


def _table(entry: ClientEntry) -> list[str]:
    """Return the table of a registry. If it is denied, its last mirror replaces the registry itself, which podman would ask last."""
    mirrors = entry.mirrors
    last = mirrors.pop() if entry.denied else None
    insecure = bool(entry.settings.plain_http) or not entry.settings.validate_certs
    location = entry.name
    if last is not None:
        location, insecure = _location(last), _is_insecure(last)
    if not (mirrors or last is not None or insecure or entry.blocked):
        return []
    lines = ["[[registry]]", f"prefix = {quote_toml(entry.name)}", f"location = {quote_toml(location)}"]
    lines += ["insecure = true"] if insecure else []
    lines += ["blocked = true"] if entry.blocked else []
    for route in mirrors:
        lines += ["", "[[registry.mirror]]", f"location = {quote_toml(_location(route))}"]
        lines += ["insecure = true"] if _is_insecure(route) else []
        lines += [] if route.tags else ['pull-from-mirror = "digest-only"']
    return lines


def _location(route: Route) -> str:
    return f"{route.host}/{route.added_prefix}".rstrip("/")


def _is_insecure(route: Route) -> bool:
    return bool(route.settings.plain_http) or not route.settings.validate_certs


def certificates(access: t.Sequence[HostAccess], folder: str) -> list[PlannedFile]:
    """Return the certificate files of all hosts, each in its folder below FOLDER. Docker's have the same names."""
    return [certificate_file(f"{folder}/{host.host}/{name}", content) for host in access for name, content in host.certificates.files().items()]


def logins(access: t.Sequence[HostAccess]) -> dict[str, Credentials]:
    """Return the logins by their keys in auth.json: a host, or a host with a path."""
    return {f"{host.host}/{path}".rstrip("/"): login for host in access for path, login in host.logins.items()}


def check_registries_conf(file: PlannedFile, entries: t.Sequence[ClientEntry], parse: Parse) -> None:
    """Raise UnsupportedFormat if our own reader of registries.conf doesn't find the settings of ENTRIES in FILE."""
    text = (file.content or b"").decode()
    rules = {rule.prefix: rule for rule in read_rules(parse(text), text, file.path, allow_version_1=False)}
    for entry in entries:
        mirrors = entry.mirrors
        last = mirrors.pop() if entry.denied else None
        rule = rules.get(entry.name)
        if rule is None and not mirrors and last is None and not entry.blocked:
            continue
        if rule is None or not _is_rule_of_entry(rule, entry, mirrors, last):
            raise UnsupportedFormat(f"{file.path} would not say what was asked for {entry.name}; nothing was written, please report this")


def _is_rule_of_entry(rule: RegistryRule, entry: ClientEntry, mirrors: t.Sequence[Route], last: Route | None) -> bool:
    found = routes_from_rule(rule, Reference(entry.name, "a"))
    upstream = None if found.upstream is None else (found.upstream.host, found.upstream.added_prefix)
    return (
        [(route.registry, route.added_prefix, route.tags) for route in found.mirrors]
        == [(route.host, route.added_prefix, route.tags) for route in mirrors]
        and upstream == (None if last is None else (last.host, last.added_prefix))
        and bool(found.blocked_by) == entry.blocked
    )


def check_other_rules(other_rules: t.Sequence[RegistryRule], entries: t.Sequence[ClientEntry]) -> None:
    """Raise InvalidOption if one of OTHER_RULES is for a registry that gets a table: podman uses one of the two and ignores the other."""
    with_table = {entry.name for entry in entries if _table(entry)}
    for rule in other_rules:
        if rule.prefix in with_table:
            raise InvalidOption(
                f"{rule.path} already has a table for {rule.prefix}, and podman uses only one; delete it there, or leave out this registry"
            )
