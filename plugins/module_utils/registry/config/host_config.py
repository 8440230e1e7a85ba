# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host's engines are told of registries: containers-registries.conf(5), containerd's hosts.toml, and the certificates of all of them."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
import types
import typing as t

from ...errors import UnsupportedFormat, system_error
from ...limits import MAX_CONFIG_FILE as MAX_FILE
from ...oci.reference import Reference
from ...oci.text import sanitise
from .hosts_toml import routes_of_hosts_file
from .mirrors import HostRoutes, Route
from .registries_conf import RegistryRule, read_rules, routes_of_rule

if t.TYPE_CHECKING:
    from .host_certificates import HostCertificates

CONTAINERS = "/etc/containers"
DOCKER = "/etc/docker"
CONTAINERD = "/etc/containerd/certs.d"

# Lines that say something: any but empty ones and comments; and those by which podman's registries begin, of both versions and in all spellings of
# TOML: a table of that name, or a key before the first table. In another table that is a name like others: Debian has an alias for "registry".
_ANYTHING = re.compile(rb"^[^\S\n]*[^\s#]", re.MULTILINE)
_REGISTRY = re.compile(
    rb"""^[^\S\n]*\[{1,2}[^\S\n]*(["']?)registr(?:y|ies)\1[^\S\n]*[\].]|\A(?:(?!^[^\S\n]*\[)[^\n]*\n)*?[^\S\n]*(["']?)registr(?:y|ies)\2[^\S\n]*[.=]""",
    re.MULTILINE,
)


class HostRegistryConfig:
    """The files of podman and containerd. They are read when a registry is first asked for, and one that can't be made out is an error, not passed over."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._rules: list[RegistryRule] | None = None
        self._certificates: dict[str, HostCertificates | None] = {}

    def routes(self, reference: Reference) -> HostRoutes:
        """What the files say of a repository: podman's mirrors before containerd's. Raises UnsupportedFormat for a file that is odd."""
        if self._rules is None:
            self._rules = self._read_rules()
        matching = [rule for rule in self._rules if rule.matched(reference) is not None]
        best = max(matching, key=lambda rule: rule.rank, default=None)
        found = routes_of_rule(best, reference) if best is not None else HostRoutes()
        hosts = self._hosts_file(reference.registry)
        return _joined(found, hosts) if hosts is not None else found

    def with_certificates(self, route: Route) -> Route:
        """Return ROUTE with the certificates that the host has for it, where its settings name none.

        Raises UnsupportedFormat for a folder with one half of a pair, InputOutputError for a file that can't be read.
        """
        if route.settings.plain_http:
            return route
        if route.keeper not in self._certificates:
            self._certificates[route.keeper] = self._read_certificates(route.keeper)
        found = self._certificates[route.keeper]
        return dataclasses.replace(route, settings=found.added_to(route.settings)) if found is not None else route

    def _read_certificates(self, registry: str) -> HostCertificates | None:
        """What podman and docker look for, in the first of their folders that exists, else what containerd does."""
        if registry in (".", ".."):
            return None
        home = os.environ.get("HOME") or os.path.expanduser("~")
        places = [os.path.join(place, "certs.d", registry) for place in (os.path.join(home, ".config/containers"), CONTAINERS, DOCKER)]
        folder = next(filter(os.path.isdir, places), None)
        containerds = self._hosts_folder(registry)
        if folder is None and containerds is None:
            return None
        from .host_certificates import read_certificates

        found = read_certificates(folder) if folder is not None else None
        if (found is None or found.is_empty) and containerds is not None and not _is_filled(os.path.join(containerds, "hosts.toml")):
            found = read_certificates(containerds, key_may_be_within=True)
        return found

    # podman's files.

    def _read_rules(self) -> list[RegistryRule]:
        """The rules of all files; of two for one prefix the later file's."""
        rules: dict[str, RegistryRule] = {}
        main, *beside = self._files()
        for path in filter(None, (main, *beside)):
            read = self._read(path, _REGISTRY)
            if read is not None:
                rules.update((rule.prefix, rule) for rule in read_rules(*read, path, may_be_version_1=path is main))
        return list(rules.values())

    def _files(self) -> list[str | None]:
        """The main file, if there is one, the user's own before the system's, and then what is put beside it, the user's last."""
        environment = os.environ
        config = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".config")
        own = os.path.join(config, "containers")
        mains = [environment.get("CONTAINERS_REGISTRIES_CONF"), os.path.join(own, "registries.conf"), os.path.join(CONTAINERS, "registries.conf")]
        main = next((path for path in mains if path and os.path.exists(path)), None)
        folders = [os.path.join(place, "registries.conf.d") for place in (CONTAINERS, own)]
        beside = [path for folder in folders for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.conf")))]
        return [main, *beside]

    # containerd's files.

    def _hosts_folder(self, registry: str) -> str | None:
        """The first folder that is there counts, whatever it holds."""
        host, colon, port = registry.rpartition(":")
        names = [f"{host}_{port}_", registry] if colon and port.isdigit() else [registry]
        folders = (os.path.join(CONTAINERD, name) for name in [*names, "_default"])
        return next(filter(os.path.isdir, folders), None)

    def _hosts_file(self, registry: str) -> HostRoutes | None:
        folder = self._hosts_folder(registry)
        path = os.path.join(folder, "hosts.toml") if folder is not None else None
        if path is None or not os.path.exists(path):
            return None
        read = self._read(path, _ANYTHING)
        return routes_of_hosts_file(read[0], path, registry) if read is not None else None

    def _read(self, path: str, telling: re.Pattern[bytes]) -> tuple[dict[str, t.Any], str] | None:
        """A file as TOML, and its text; None where it holds nothing that matters (no TELLING line), or nothing here can read it, which is warned of."""
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise system_error(error, path) from error
        if len(data) > MAX_FILE:
            raise UnsupportedFormat(f"{path} is longer than the {MAX_FILE} bytes that are allowed")
        if telling.search(data) is None:
            return None
        reader = _toml()
        if reader is None:
            self.warnings.append(f"{path} is passed over: reading it takes Python 3.11, or the library tomli; host_config: false does without it")
            return None
        try:
            text = data.decode("utf-8")
            return reader.loads(text), text
        except (ValueError, RecursionError) as error:
            raise UnsupportedFormat(
                f"{path} is no valid TOML: {sanitise(str(error), 200)}; mend it, or do without it by host_config: false"
            ) from error


def _joined(found: HostRoutes, hosts: HostRoutes) -> HostRoutes:
    return dataclasses.replace(found, mirrors=found.mirrors + hosts.mirrors, server=hosts.server)


def _is_filled(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _toml() -> types.ModuleType | None:
    for name in ("tomllib", "tomli"):
        try:
            return __import__(name)
        except ImportError:
            continue
    return None
