# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses that registries give: where they lead, and where they mustn't."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import typing as t
from urllib.parse import urljoin, urlsplit

from ...errors import RegistryError

with contextlib.suppress(ImportError):  # reported when a client is made
    import requests
    import urllib3

LOOPBACK, LINK_LOCAL = "loopback", "link-local"

IPAddress = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# Host and port as all readers of URLs understand them. `requests` decodes `%6cocalhost` and maps other alphabets to ASCII, urllib3 ends a host at a
# backslash, and urllib does neither: a host that was judged in one spelling would be connected to in another (server-side request forgery).
_PLAIN_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
# Names that distributions put into /etc/hosts, beside those below .localhost (RFC 6761).
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
# Metadata services of clouds, which give credentials to whoever can connect, at addresses that are not link-local (AWS over IPv6, Alibaba Cloud).
_METADATA = frozenset((ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")))
# Prefixes of IPv6 addresses whose last 32 bits are an IPv4 address: mapped, compatible, translated (RFC 4291, 2.5.5; RFC 2765), NAT64 (RFC 6052; RFC 8215).
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_IPV4_BEHIND = (*(ipaddress.IPv6Network(f"{prefix}/96") for prefix in ("::ffff:0:0", "::", "::ffff:0:0:0", "64:ff9b::")), LOCAL_NAT64)


class ForbiddenAddress(RegistryError):
    """A registry leads to an address that only this host or its link can reach."""


def url_origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: credentials are given to exactly these. Raises ValueError for a URL that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_plain(url: str) -> bool:
    """Return True if the host of URL is ASCII without `%`, and is the very host that `requests` connects to for URL."""
    prepared = requests.models.PreparedRequest()
    try:
        if _PLAIN_AUTHORITY.fullmatch(urlsplit(url).netloc) is None:
            return False
        prepared.prepare_url(url, None)
        dialled = urllib3.util.parse_url(prepared.url or "")
        return url_origin(url) == url_origin(prepared.url or "") and urlsplit(url).hostname == (dialled.host or "").strip("[]").lower()
    except (ValueError, urllib3.exceptions.HTTPError):
        return False


def resolve_redirect(url: str, location: str, what: str) -> str:
    """The address that LOCATION means in an answer from URL. WHAT, for the message, says who does what: "... redirects".

    Raises RegistryError for one that is none, holds a user's name or password (they would be sent in place of ours), has a host that isn't plain, or
    leads from https to http.
    """
    target = _joined(url, location)
    if target is None:
        raise RegistryError(f"{what} to an address that is none")
    if urlsplit(target).netloc != urlsplit(url).netloc and not is_plain(target):
        raise RegistryError(f"{what} to a host whose name holds % or letters that are not ASCII, or can't be read, which is refused")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise RegistryError(f"{what} from https to http, which is refused")
    return target


def _joined(url: str, location: str) -> str | None:
    try:
        asked = urlsplit(location)
        # Without a host it would be taken for an address of the same one.
        is_sound = "@" not in asked.netloc and (asked.netloc or not (asked.scheme or location.startswith("//")))
        target = urljoin(url, location)
        scheme, host, _port = url_origin(target)
    except ValueError:
        return None
    return target if is_sound and scheme in ("http", "https") and host else None


# Addresses of this host and its link.


def read_address(host: str) -> IPAddress | None:
    """Return the IP address that HOST is in any spelling that resolvers accept (`127.1`, `0x7f000001`), None for a name."""
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


def addresses_behind(address: IPAddress) -> tuple[IPAddress, ...]:
    """Return the IPv4 addresses that systems and gateways may make of an IPv6 one; ADDRESS itself where there are none."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    found = [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) for network in _IPV4_BEHIND if address in network]
    found += [embedded for embedded in (address.sixtofour, address.teredo[1] if address.teredo is not None else None) if embedded is not None]
    return tuple(found) or (address,)


def local_kind(host: str) -> str | None:
    """Return "loopback" or "link-local" if HOST, a name or an address, is of that kind, else None. Metadata services of clouds count as link-local."""
    if is_local_name(host):
        return LOOPBACK
    address = read_address(host)
    if address is None:
        return None
    # Connecting to the unspecified address reaches loopback.
    meant = (address, *addresses_behind(address))
    if any(one.is_loopback or one.is_unspecified for one in meant):
        return LOOPBACK
    return LINK_LOCAL if any(one.is_link_local or one in _METADATA for one in meant) else None


def refuse_local(url: str, kind: str | None, allowed: t.Collection[str] | None, what: str) -> None:
    """Raise ForbiddenAddress if URL leads to an address of KIND that is not ALLOWED. None allows all: the task itself names the host.

    A registry could otherwise make this host send requests to its own services, or to the metadata service of its cloud, and learn from the answers.
    """
    if allowed is not None and kind is not None and kind not in allowed:
        place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}"
        raise ForbiddenAddress(f"{what}: the registry leads to {place}, a {kind} address, which is refused unless the registry is at one itself")
