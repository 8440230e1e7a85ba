# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a registry as containerd configures them (containerd, Registry Configuration, hosts.toml)."""

from __future__ import annotations

import os
import typing as t

from ...errors import UnsupportedFormat
from ...oci.reference import DOCKER_HUB
from ...oci.text import sanitise, without_userinfo
from .ca_bundle import join_ca_files
from .mirrors import HUB_HOST, HostRoutes, Route, split_address
from .settings import HostSettings, is_valid_header
from .toml_values import InvalidValue, Table, check_paths, read_paths, read_strings, read_value

_ALL = ["pull", "resolve", "push"]


def routes_from_hosts_file(document: Table, text: str, path: str, registry: str) -> HostRoutes:
    """Return the hosts of a file, whose TEXT is DOCUMENT, as mirrors in their order, and its `server` in place of the registry.

    The registry is blocked if nothing may be pulled from its server, and no mirror is left. Raises UnsupportedFormat with the line of an invalid value.
    """
    address = ""
    try:
        mirrors = []
        for address, table in read_value(document, "host", dict, {}, "the file").items():
            if not isinstance(table, dict):
                raise InvalidValue(f"host {address} is not a table")
            mirrors.append(_read_route(address, table, registry, f"host {address}", os.path.dirname(path)))
        address = ""
        server = read_value(document, "server", str, "", "the file")
        server_route = _read_route(server, document, None, "server", os.path.dirname(path)) if server else None
        capabilities = read_strings(document, "capabilities", "the file")
    except InvalidValue as invalid:
        from .toml_lines import find_line_of_text

        line = find_line_of_text(text, address, invalid.key or (None if address else "server"))
        raise UnsupportedFormat(f"{path}, line {line}: {sanitise(str(invalid), 500)}; fix it, or set host_config: false to ignore it") from invalid
    if server_route is not None and server_route.host in (registry, HUB_HOST if registry == DOCKER_HUB else registry) and not _has_settings(document):
        server_route = None
    usable = tuple(route for route in mirrors if route.tags or route.digests)
    is_blocked = not usable and bool(capabilities) and "pull" not in capabilities
    return HostRoutes(mirrors=usable, server=server_route, blocked_by=path if is_blocked else None)


def _has_settings(table: Table) -> bool:
    return any(key in table for key in ("ca", "client", "skip_verify", "header", "override_path"))


def _read_route(address: str, table: Table, namespace: str | None, what: str, folder: str) -> Route:
    """Return the route to a host. Its root is the path of its address plus `/v2`, unless the path is declared complete. FOLDER is that of the file."""
    parts = split_address(address if "://" in address else f"https://{address}")
    if parts is None:
        raise InvalidValue(f"{'server' if namespace is None else 'host'} {without_userinfo(address)} is not an address")
    path = parts.path.rstrip("/")
    is_whole = read_value(table, "override_path", bool, False, what) or path.endswith("/v2")
    capabilities = read_strings(table, "capabilities", what) or _ALL
    registry = DOCKER_HUB if parts.netloc == HUB_HOST else parts.netloc
    return Route(
        host=parts.netloc,
        settings=_read_settings(table, parts.scheme == "http", what, folder),
        registry=registry,
        root=path if is_whole else f"{path}/v2",
        namespace=namespace,
        tags="resolve" in capabilities and "pull" in capabilities,
        digests="pull" in capabilities,
    )


def _read_settings(table: Table, plain_http: bool, what: str, folder: str) -> HostSettings:
    authorities = [os.path.join(folder, name) for name in read_paths(table, "ca", what)]
    certificate, key = _read_client_certificate(table, what)
    return HostSettings(
        plain_http=plain_http,
        validate_certs=not read_value(table, "skip_verify", bool, False, what),
        ca_path=join_ca_files(authorities) if len(authorities) > 1 else authorities[0] if authorities else None,
        ca_source=", ".join(authorities) or None,
        client_cert=os.path.join(folder, certificate) if certificate else None,
        client_key=os.path.join(folder, key) if key else None,
        headers=tuple(_read_headers(read_value(table, "header", dict, {}, what), what)),
    )


def _read_client_certificate(table: Table, what: str) -> tuple[str, str]:
    """Return the first client certificate: one file that also has the key, or a pair of files."""
    found = table.get("client", [])
    first = found[0] if isinstance(found, list) and found else found
    pair = (first, "") if isinstance(first, str) else tuple(first) if isinstance(first, list) else (None,)
    if len(pair) not in (0, 2) or not all(isinstance(name, str) for name in pair):
        raise InvalidValue(f"{what}: client is neither a file nor a list of pairs of files", "client")
    check_paths(pair, "client", what)
    return (pair[0], pair[1]) if pair else ("", "")


def _read_headers(table: Table, what: str) -> t.Iterator[tuple[str, str]]:
    for name in table:
        text = ", ".join(read_strings(table, name, f"{what}, header"))
        if not is_valid_header(name, text):
            raise InvalidValue(f"{what}: the header {name!r} or its value can't be sent", name)
        yield name, text
