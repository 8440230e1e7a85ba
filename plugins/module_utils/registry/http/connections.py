# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that detect a stall: reading stops with a timeout if a server sends its headers or its body too slowly.

They also check the peer's address before anything is sent, because a host name in a registry's response may resolve to a loopback address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import socket
import ssl
import threading
import typing as t

from ...http_bounds import BoundedResponse, bounded_response
from ...limits import HEADER_SECONDS, STALL_SECONDS
from .urls import local_address_kind

with contextlib.suppress(ImportError):  # HttpClient reports it
    import requests
    import urllib3


# X509_V_FLAG_PARTIAL_CHAIN, which Python 3.9 doesn't name: a trusted certificate doesn't have to be self-signed.
_PARTIAL_CHAIN = 0x80000
# OpenSSL's names for a response that isn't TLS at all. Which one occurs depends on its version and on the first bytes of the response.
NOT_TLS_REASONS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
)


class _StreamedResponse(BoundedResponse):
    """A response whose body is read as it arrives: waiting for a full buffer would lose the bytes that arrived before a connection broke."""

    received = 0  # bytes of the body
    _has_read = False

    def read(self, amt: int | None = None) -> bytes:
        """Return the bytes that have arrived, at most AMT."""
        if amt is None:
            return super().read()
        data = self.read1(amt)
        if self.length == 0:
            self.close()
        return data

    def read_available(self, buffer: memoryview) -> int:
        """Read the bytes that arrive within a moment into BUFFER and return their number, 0 only at the end. Raises IncompleteRead if it ends early."""
        if self.chunked or not self._has_read:
            # The first read may find bytes that arrived with the headers, in the buffer of `fp`.
            self._has_read = True
            data = self.read(len(buffer))
            buffer[: len(data)] = data
            count = len(data)
        elif self.isclosed():
            return 0
        else:
            rest = buffer if self.length is None else buffer[: self.length]
            count = self._bytes.fill(rest) if self._bytes.can_fill else self.fp.readinto1(rest)
            if self.length is not None:
                self.length -= count
            if not count or self.length == 0:
                self.close()
        if not count and self.length:
            raise http.client.IncompleteRead(b"", self.length)
        self.received += count
        return count


def read_available(raw: t.Any, buffer: memoryview) -> int:
    """Read into BUFFER the bytes of a urllib3 response that have arrived, and return their number, 0 at the end. Then the connection can be used again.

    The `read` of urllib3 copies the bytes and needs new memory for each call, which makes it three times as slow.
    """
    count: int = raw._original_response.read_available(buffer)
    if raw._original_response.isclosed():
        raw.release_conn()
    return count


def count_received(raw: t.Any) -> int:
    """Return how many bytes of the body of a urllib3 response were read."""
    count: int = raw._original_response.received
    return count


class _CompatibleVerification:
    """Verifies certificates as skopeo, docker and curl do, on every version of Python.

    Python 3.13 refuses CAs without the extensions of RFC 5280, and most home-made CAs don't have them. Older versions refuse to trust a certificate whose
    issuer is not in the CA file. Signatures, names and dates are always verified.
    """

    ssl_context: ssl.SSLContext | None
    cert_reqs: t.Any

    def connect(self) -> None:
        if self.ssl_context is None:
            ssl_tools = urllib3.util.ssl_
            self.ssl_context = context = ssl_tools.create_urllib3_context(cert_reqs=ssl_tools.resolve_cert_reqs(self.cert_reqs))
            context.verify_flags = ssl.VerifyFlags((context.verify_flags | _PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT)
        t.cast(t.Any, super()).connect()


class ForbiddenPeer(Exception):
    """A connection leads to a loopback or link-local address that this request may not be sent to. Nothing was sent over it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclasses.dataclass
class _PeerCheck:
    """The kinds of local addresses that one request may be sent to (None: all), and the kind of the address that it was sent to."""

    allowed: frozenset[str] | None
    kind: str | None = None


class _ThreadState(threading.local):
    # A thread sends one request at a time. Only reading the body of one may send a second one, which ends before the reading continues.
    check: _PeerCheck | None = None


_thread = _ThreadState()


class _CheckedConnection:
    """Part of a connection class of urllib3: compares the address of the peer with what the current request allows.

    A pooled connection may have been opened by a request that allowed more, so each request is checked again.
    """

    sock: socket.socket | None
    peer_kind: str | None = None

    def _new_conn(self) -> socket.socket:
        """Open the connection. Raises ForbiddenPeer before TLS begins or a proxy receives a request."""
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            self.peer_kind = local_address_kind(str(sock.getpeername()[0]))
            self._check_peer()
        except BaseException:
            sock.close()
            raise
        return sock

    def putrequest(self, *arguments: t.Any, **options: t.Any) -> None:
        """Begin a request. Raises ForbiddenPeer."""
        if self.sock is not None:
            self._check_peer()
        super().putrequest(*arguments, **options)  # type: ignore[misc]

    def _check_peer(self) -> None:
        check = _thread.check
        if check is not None:
            check.kind = self.peer_kind
            if check.allowed is not None and self.peer_kind is not None and self.peer_kind not in check.allowed:
                raise ForbiddenPeer(self.peer_kind)


def _make_pool_classes(window: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Return connection pool classes of urllib3, by scheme, whose connections check the peer and detect stalls."""
    response_class = bounded_response(window, min(HEADER_SECONDS, window), base=_StreamedResponse)
    pools = {}
    for scheme, pool in (("http", urllib3.HTTPConnectionPool), ("https", urllib3.HTTPSConnectionPool)):
        kind = t.cast(t.Any, pool).ConnectionCls
        bases = (_CompatibleVerification, _CheckedConnection, kind) if scheme == "https" else (_CheckedConnection, kind)
        connection = type("Connection", bases, {"response_class": response_class})
        pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})
    return pools


def make_adapter(connections: int, window: float) -> requests.adapters.HTTPAdapter:
    """Return an adapter for a session that keeps CONNECTIONS open for each host. A response that stays too slow for WINDOW seconds is a stall."""
    pools = _make_pool_classes(min(STALL_SECONDS, window))

    class CheckingAdapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *arguments: t.Any, **options: t.Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **options: t.Any) -> t.Any:
            if proxy.lower().startswith("socks"):
                # urllib3 uses another connection class for SOCKS. Ours would bypass the proxy without a check.
                raise requests.exceptions.InvalidSchema("SOCKS proxies are not supported")
            manager = super().proxy_manager_for(proxy, **options)
            manager.pool_classes_by_scheme = pools
            return manager

    return CheckingAdapter(pool_maxsize=connections)


class PeerSession:
    """Sends requests over kept-open connections, and checks the peers. It detects stalls, and reads no environment, cookies, netrc files or redirects.

    It takes the place of `requests.Session`, which does these things for every request, and reads a redirect's body of any length.
    """

    def __init__(self, connections: int, window: float) -> None:
        """Keep CONNECTIONS open for each host. A response that stays too slow for WINDOW seconds is a stall."""
        self._adapter = make_adapter(connections, window)

    def send_checked(
        self,
        method: str,
        url: str,
        allowed: frozenset[str] | None,
        headers: t.Mapping[str, str] | None = None,
        data: t.Any = None,
        timeout: float | tuple[float, float] | None = None,
        verify: bool | str = True,
        cert: t.Any = None,
        proxies: t.Mapping[str, str | None] | None = None,
    ) -> tuple[requests.Response, str | None]:
        """Send a request. Return the response and the kind of local address that it came from, None for other addresses.

        ALLOWED are the kinds of local addresses that it may be sent to, None for all. Raises ForbiddenPeer, and what `requests` raises.
        """
        prepared = requests.PreparedRequest()
        prepared.prepare(method=method, url=url, headers=dict(headers or {}), data=data)
        if not str(prepared.url).lower().startswith(("http://", "https://")):
            raise requests.exceptions.InvalidSchema("only http and https are supported")
        outer_check, check = _thread.check, _PeerCheck(allowed)
        _thread.check = check
        try:
            response = self._adapter.send(prepared, stream=True, timeout=timeout, verify=verify, cert=cert, proxies=t.cast(t.Any, proxies))
            return response, check.kind
        finally:
            _thread.check = outer_check

    def close(self) -> None:
        self._adapter.close()
