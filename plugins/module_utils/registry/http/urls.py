# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of addresses that registries send, against server-side request forgery: which host a URL leads to, and which hosts are refused."""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
import typing as t
from urllib.parse import urljoin, urlsplit

from ...errors import RegistryError

LOOPBACK, LINK_LOCAL = "loopback", "link-local"

IPAddress = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# Host and port that all URL parsers read in the same way. Some libraries and proxies decode `%6cocalhost`, map other alphabets to ASCII, or end a host at a
# backslash, and urllib does neither: we would check one host and they would connect to another (server-side request forgery).
_PLAIN_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
# Names that distributions put into /etc/hosts, in addition to those below .localhost (RFC 6761).
_LOCAL_NAMES = frozenset(
    (
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost4.localdomain4",
        "localhost6",
        "localhost6.localdomain6",
        "ip6-localhost",
        "ip6-loopback",
    )
)
# Metadata services of clouds at addresses that are not link-local (AWS over IPv6, Alibaba Cloud). They give credentials to every client.
_METADATA = frozenset((ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")))
# Prefixes of IPv6 addresses whose last 32 bits are an IPv4 address: mapped, compatible, translated (RFC 4291, 2.5.5; RFC 2765), NAT64 (RFC 6052; RFC 8215).
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_IPV4_PREFIXES = (*(ipaddress.IPv6Network(f"{prefix}/96") for prefix in ("::ffff:0:0", "::", "::ffff:0:0:0", "64:ff9b::")), LOCAL_NAT64)


class ForbiddenAddress(RegistryError):
    """A registry leads to an address that only this host or its link can reach."""


@functools.lru_cache(maxsize=256)
def url_origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port: credentials are sent to exactly these. Raises ValueError for an invalid URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def has_plain_host(url: str) -> bool:
    """Return True if the host of URL is ASCII without `%`, so that nothing on the way to the connection changes it."""
    try:
        parts = urlsplit(url)
        return _PLAIN_AUTHORITY.fullmatch(parts.netloc) is not None and bool(url_origin(url)[1])
    except ValueError:
        return False


def resolve_redirect(url: str, location: str, what: str) -> str:
    """Return the absolute address for LOCATION in a response from URL. WHAT, for the message, says who does what: "... redirects".

    Raises RegistryError if the address is invalid, contains a user name or password (they would be sent instead of ours), has a host that isn't plain, or
    leads from https to http.
    """
    target = _join_location(url, location)
    if target is None:
        raise RegistryError(f"{what} to an invalid address")
    if urlsplit(target).netloc != urlsplit(url).netloc and not has_plain_host(target):
        raise RegistryError(f"{what} to a host whose name contains % or letters that are not ASCII, or can't be parsed, which is refused")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise RegistryError(f"{what} from https to http, which is refused")
    return target


def _join_location(url: str, location: str) -> str | None:
    try:
        parsed = urlsplit(location)
        # `urljoin` would read an address without a host as a path of the same host.
        is_valid = "@" not in parsed.netloc and (parsed.netloc or not (parsed.scheme or location.startswith("//")))
        target = urljoin(url, location)
        scheme, host, _port = url_origin(target)
    except ValueError:
        return None
    return target if is_valid and scheme in ("http", "https") and host else None


# Addresses of this host and its network link.


def parse_address(host: str) -> IPAddress | None:
    """Return HOST as an IP address, in any spelling that resolvers accept (`127.1`, `0x7f000001`), None for a name."""
    text = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except (OSError, UnicodeError):
            return None


def is_local_name(host: str) -> bool:
    """Return True for names of this host. No name is looked up."""
    name = host.rstrip(".").lower()
    return name in _LOCAL_NAMES or name.endswith(".localhost")


def embedded_addresses(address: IPAddress) -> tuple[IPAddress, ...]:
    """Return the IPv4 addresses that systems and gateways may derive from an IPv6 one; ADDRESS itself if there are none."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    found = [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) for network in _IPV4_PREFIXES if address in network]
    found += [embedded for embedded in (address.sixtofour, address.teredo[1] if address.teredo is not None else None) if embedded is not None]
    return tuple(found) or (address,)


@functools.lru_cache(maxsize=256)
def local_address_kind(host: str) -> str | None:
    """Return "loopback" or "link-local" if HOST, a name or an address, is of that kind, else None. Metadata services of clouds count as link-local."""
    if is_local_name(host):
        return LOOPBACK
    address = parse_address(host)
    if address is None:
        return None
    # Connecting to the unspecified address reaches loopback.
    addresses = (address, *embedded_addresses(address))
    if any(one.is_loopback or one.is_unspecified for one in addresses):
        return LOOPBACK
    return LINK_LOCAL if any(one.is_link_local or one in _METADATA for one in addresses) else None


def refuse_local_address(url: str, kind: str | None, allowed: t.Collection[str] | None, what: str) -> None:
    """Raise ForbiddenAddress if URL leads to an address of a KIND that is not in ALLOWED. None allows all: the task itself names the host.

    Otherwise a registry could make this host send requests to its own services, or to the metadata service of its cloud, and learn from the responses.
    """
    if allowed is not None and kind is not None and kind not in allowed:
        server = f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}"
        raise ForbiddenAddress(f"{what}: the registry leads to {server}, a {kind} address, which is refused unless the registry is at one itself")
