# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry configuration of this host's engines: containers-registries.conf(5), containerd's hosts.toml, and the certificates of all of them."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
import types
import typing as t

from ...errors import UnsupportedFormat, system_error
from ...files import read_named
from ...limits import MAX_CONFIG_FILE as MAX_FILE
from ...oci.reference import Reference
from ...oci.text import sanitise
from .mirrors import HostRoutes, Route

if t.TYPE_CHECKING:
    from .host_certificates import HostCertificates
    from .registries_conf import RegistryRule

CONTAINERS = "/etc/containers"
DOCKER = "/etc/docker"
CONTAINERD = "/etc/containerd/certs.d"

# Lines that matter. _ANY_SETTING matches all but empty lines and comments. REGISTRY_SETTING matches the beginning of podman's registries, in both versions
# and all spellings of TOML: a table of that name, or a key before the first table. Elsewhere it is an ordinary name: Debian has an alias "registry".
_ANY_SETTING = re.compile(rb"^[^\S\n]*[^\s#]", re.MULTILINE)
REGISTRY_SETTING = re.compile(
    rb"""^[^\S\n]*\[{1,2}[^\S\n]*(["']?)registr(?:y|ies)\1[^\S\n]*[\].]|\A(?:(?!^[^\S\n]*\[)[^\n]*\n)*?[^\S\n]*(["']?)registr(?:y|ies)\2[^\S\n]*[.=]""",
    re.MULTILINE,
)


class HostRegistryConfig:
    """The files of podman and containerd. They are read at the first use of a registry. A file that can't be parsed is an error and never ignored."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._rules: list[RegistryRule] | None = None
        self._certificates: dict[str, HostCertificates | None] = {}

    def routes(self, reference: Reference) -> HostRoutes:
        """Return the routes to a repository: podman's mirrors before containerd's. Raises UnsupportedFormat for an invalid file."""
        if self._rules is None:
            self._rules = self._read_rules()
        matching = [rule for rule in self._rules if rule.match(reference) is not None]
        best_rule = max(matching, key=lambda rule: rule.rank, default=None)
        found = HostRoutes()
        if best_rule is not None:
            from .registries_conf import routes_from_rule

            found = routes_from_rule(best_rule, reference)
        hosts = self._hosts_file(reference.registry)
        return _merge_routes(found, hosts) if hosts is not None else found

    def with_certificates(self, route: Route) -> Route:
        """Return ROUTE with the certificates that the host has for it, if its settings name none.

        Raises UnsupportedFormat if one file of a pair is missing, InputOutputError if a file can't be read.
        """
        if route.settings.plain_http:
            return route
        if route.registry not in self._certificates:
            self._certificates[route.registry] = self._read_certificates(route.registry)
        found = self._certificates[route.registry]
        return dataclasses.replace(route, settings=found.apply_to(route.settings)) if found is not None else route

    def _read_certificates(self, registry: str) -> HostCertificates | None:
        """Read the certificates from the first existing folder of podman and docker, else from containerd's folder."""
        if registry in (".", ".."):
            return None
        home = os.environ.get("HOME") or os.path.expanduser("~")
        folders = [os.path.join(base, "certs.d", registry) for base in (os.path.join(home, ".config/containers"), CONTAINERS, DOCKER)]
        folder = next(filter(os.path.isdir, folders), None)
        containerd_folder = self._hosts_folder(registry)
        if folder is None and containerd_folder is None:
            return None
        from .host_certificates import read_certificates

        found = read_certificates(folder) if folder is not None else None
        if (found is None or found.is_empty) and containerd_folder is not None and not _is_nonempty(os.path.join(containerd_folder, "hosts.toml")):
            found = read_certificates(containerd_folder, allow_combined_file=True)
        return found

    # podman's files.

    def _read_rules(self) -> list[RegistryRule]:
        """Return the rules of all files. If two files have a rule for the same prefix, the later file's counts."""
        rules: dict[str, RegistryRule] = {}
        main, *drop_ins = self._find_files()
        for path in filter(None, (main, *drop_ins)):
            parsed = self._read(path, REGISTRY_SETTING)
            if parsed is not None:
                from .registries_conf import read_rules

                rules.update((rule.prefix, rule) for rule in read_rules(*parsed, path, allow_version_1=path is main))
        return list(rules.values())

    def _find_files(self) -> list[str | None]:
        """Return the main file or None (the user's own before the system's), then the drop-in files, the user's last."""
        environment = os.environ
        config = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".config")
        user_folder = os.path.join(config, "containers")
        main_files = [
            environment.get("CONTAINERS_REGISTRIES_CONF"),
            os.path.join(user_folder, "registries.conf"),
            os.path.join(CONTAINERS, "registries.conf"),
        ]
        main = next((path for path in main_files if path and os.path.exists(path)), None)
        folders = [os.path.join(base, "registries.conf.d") for base in (CONTAINERS, user_folder)]
        drop_ins = [path for folder in folders for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.conf")))]
        return [main, *drop_ins]

    # containerd's files.

    def _hosts_folder(self, registry: str) -> str | None:
        """Return the first existing folder for REGISTRY, even if it is empty, as containerd does."""
        host, colon, port = registry.rpartition(":")
        names = [f"{host}_{port}_", registry] if colon and port.isdigit() else [registry]
        folders = (os.path.join(CONTAINERD, name) for name in [*names, "_default"])
        return next(filter(os.path.isdir, folders), None)

    def _hosts_file(self, registry: str) -> HostRoutes | None:
        folder = self._hosts_folder(registry)
        path = os.path.join(folder, "hosts.toml") if folder is not None else None
        if path is None or not os.path.exists(path):
            return None
        parsed = self._read(path, _ANY_SETTING)
        if parsed is None:
            return None
        from .hosts_toml import routes_from_hosts_file

        return routes_from_hosts_file(*parsed, path, registry)

    def _read(self, path: str, relevant_line: re.Pattern[bytes]) -> tuple[dict[str, t.Any], str] | None:
        """Read a TOML file and return it parsed, with its text.

        Returns None if no line matches RELEVANT_LINE, so that nothing in it matters, or with a warning if no library is installed that can parse it.
        """
        try:
            data = read_named(path, MAX_FILE)
        except OSError as error:
            raise system_error(error, path) from error
        if len(data) > MAX_FILE:
            raise UnsupportedFormat(f"{path} is longer than the {MAX_FILE} bytes that are allowed")
        if relevant_line.search(data) is None:
            return None
        parser = find_toml_parser()
        if parser is None:
            self.warnings.append(f"{path} is ignored: reading it requires Python 3.11 or the library tomli; host_config: false silences this warning")
            return None
        try:
            text = data.decode("utf-8")
            return parser.loads(text), text
        except (ValueError, RecursionError) as error:
            raise UnsupportedFormat(
                f"{path} is not valid TOML: {sanitise(str(error), 200)}; fix it, or set host_config: false to ignore it"
            ) from error


def _merge_routes(found: HostRoutes, hosts: HostRoutes) -> HostRoutes:
    return dataclasses.replace(found, mirrors=found.mirrors + hosts.mirrors, server=hosts.server, blocked_by=found.blocked_by or hosts.blocked_by)


def _is_nonempty(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def find_toml_parser() -> types.ModuleType | None:
    """Return a library that parses TOML, None if this Python has none."""
    for name in ("tomllib", "tomli"):
        try:
            return __import__(name)
        except ImportError:
            continue
    return None
