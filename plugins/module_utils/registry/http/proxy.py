# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which proxy to use for a URL. This module reads the environment: libraries would also take passwords and CA files from it."""

from __future__ import annotations

import base64
import ipaddress
import re
import typing as t
from urllib.parse import unquote, urlsplit

from ...oci.text import sanitise, without_userinfo

_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, given: str | None, environment: t.Mapping[str, str]) -> str | None:
    """Return the proxy for URL, or None.

    A proxy that the task has GIVEN is used for every URL. One from the environment is not used for this machine itself, nor for hosts that `no_proxy` lists.
    """
    if given:
        return given
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    if is_loopback(host):
        return None
    no_proxy = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if _is_listed(host, parts.port or _DEFAULT_PORTS.get(parts.scheme), no_proxy):
        return None
    name = f"{parts.scheme}_proxy"
    # In a CGI program HTTP_PROXY is the client's header `Proxy` (CVE-2016-5385): ignore the upper-case name for http then.
    upper = "" if parts.scheme == "http" and "REQUEST_METHOD" in environment else environment.get(name.upper(), "")
    return environment.get(name) or upper or environment.get("all_proxy") or environment.get("ALL_PROXY") or None


def describe_proxy(proxy: str) -> str:
    """Return scheme, host and port of a proxy, for a message."""
    scheme, _mark, place = without_userinfo(proxy if "://" in proxy else f"http://{proxy}").partition("://")
    return sanitise(f"{scheme}://{re.split('[/?#]', place)[0]}", 300)


def proxy_headers(proxy: str) -> dict[str, str]:
    """Return the headers with the user name and the password in the URL of a proxy (RFC 7617), none if it has none."""
    parts = urlsplit(proxy)
    if parts.username is None and parts.password is None:
        return {}
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def is_loopback(host: str) -> bool:
    """Return True if HOST (a name or an address, without port or brackets) can only be this machine: names below `localhost` too (RFC 6761, 6.3)."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    below, dot, top = host.removesuffix(".").lower().rpartition(".")
    return top == "localhost" and bool(below) == bool(dot)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_listed(host: str, port: int | None, no_proxy: str) -> bool:
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return "*" in entries or any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int | None) -> bool:
    address = _address(host)
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    pattern, wanted_port = _split_port(entry)
    if wanted_port is not None and wanted_port != port:
        return False
    if address is not None:
        return _address(pattern) == address
    pattern = pattern[1:] if pattern.startswith("*.") else pattern
    return host == pattern.lstrip(".") or host.endswith(pattern if pattern.startswith(".") else f".{pattern}")


def _split_port(entry: str) -> tuple[str, int | None]:
    if _address(entry) is not None:
        return entry, None
    head, colon, tail = entry.rpartition(":")
    return (head, int(tail)) if colon and tail.isascii() and tail.isdigit() and len(tail) <= 5 else (entry, None)
