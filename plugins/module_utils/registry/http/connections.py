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
import os
import socket
import ssl
import threading
import typing as t
from urllib.parse import urlsplit

from ...http_bounds import BoundedResponse, bounded_response
from ...limits import HEADER_SECONDS, MAX_POOLS, STALL_SECONDS
from ..config.ca_bundle import default_authorities
from ..config.settings import is_valid_header
from .proxy import proxy_headers
from .urls import local_address_kind, url_origin

with contextlib.suppress(ImportError):  # HttpClient reports it
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

    Connections with the same CAs share what OpenSSL made of them, because reading the CAs of a system takes longer than the whole handshake.
    """

    ssl_context: ssl.SSLContext | None
    cert_reqs: t.Any
    cert_file: str | None
    ca_certs: str | None
    ca_cert_dir: str | None
    proxy: t.Any
    contexts: dict[t.Hashable, ssl.SSLContext]  # whose CAs were read

    def connect(self) -> None:
        key = (self.cert_reqs, self.ca_certs, self.ca_cert_dir)
        # A connection with a client certificate would add it to the context, and one to a proxy with TLS needs the CAs twice.
        can_share = self.cert_file is None and (self.proxy is None or self.proxy.scheme != "https")
        if can_share and key in self.contexts:
            self.ssl_context, self.ca_certs, self.ca_cert_dir = self.contexts[key], None, None
        elif self.ssl_context is None:
            ssl_tools = urllib3.util.ssl_
            self.ssl_context = context = ssl_tools.create_urllib3_context(cert_reqs=ssl_tools.resolve_cert_reqs(self.cert_reqs))
            context.verify_flags = ssl.VerifyFlags((context.verify_flags | _PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT)
        t.cast(t.Any, super()).connect()
        if can_share and self.ssl_context is not None:
            self.contexts.setdefault(key, self.ssl_context)


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
        connection = type("Connection", bases, {"response_class": response_class, "contexts": {}})
        pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})
    return pools


class InvalidRequest(Exception):
    """A URL, a header or a proxy that can't be used. The message shows none of them, because they may contain secrets."""


class _Peer(t.NamedTuple):
    """The peer and the settings of a pool. Requests with different values never share a connection."""

    scheme: str
    host: str
    port: int | None
    verify: bool | str
    cert: str | tuple[str, str] | None
    proxy: str | None


class PeerSession:
    """Sends requests over kept-open connections of urllib3. It checks the peers, detects stalls, and refuses what urllib3 would send in another way.

    It reads no environment, cookies, netrc files or redirects. `requests` reads these for every request, which takes as long as the request itself.
    """

    def __init__(self, connections: int, window: float) -> None:
        """Keep CONNECTIONS open for each host. A response that stays too slow for WINDOW seconds is a stall."""
        self._connections = connections
        self._pool_classes = _make_pool_classes(min(STALL_SECONDS, window))
        self._pools: dict[_Peer, urllib3.HTTPConnectionPool] = {}  # the one that was used last is at the end
        self._lock = threading.Lock()

    def send_checked(
        self,
        method: str,
        url: str,
        allowed: frozenset[str] | None,
        headers: t.Mapping[str, str] | None = None,
        data: t.Any = None,
        timeout: tuple[float, float] = (60, 60),
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxy: str | None = None,
    ) -> tuple[t.Any, str | None]:
        """Send a request. Return the response of urllib3 and the kind of local address that it came from, None for other addresses.

        ALLOWED are the kinds of local addresses that it may be sent to, None for all. TIMEOUT are the seconds to connect and to wait for bytes.
        Raises ForbiddenPeer, InvalidRequest, and what urllib3 raises.
        """
        if not all(is_valid_header(name, value) for name, value in (headers or {}).items()):
            raise InvalidRequest("header")
        pool, target = self._find_pool(url, verify, cert, proxy)
        outer_check, check = _thread.check, _PeerCheck(allowed)
        _thread.check = check
        try:
            response = pool.request(
                method,
                target,
                body=data,
                headers=dict(headers or {}),
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
                preload_content=False,
                decode_content=False,
            )
            return response, check.kind
        finally:
            _thread.check = outer_check

    def _find_pool(
        self, url: str, verify: bool | str, cert: str | tuple[str, str] | None, proxy: str | None
    ) -> tuple[urllib3.HTTPConnectionPool, str]:
        """Return the pool for URL and the target for the request line. Raises InvalidRequest."""
        try:
            parts = urlsplit(url)
            scheme, host, port = url_origin(url)
        except ValueError as error:
            raise InvalidRequest("URL") from error
        if scheme not in ("http", "https") or not host:
            raise InvalidRequest("URL")
        # urllib3 would read a path that begins with two slashes as a host.
        target = "/" + parts.path.lstrip("/") if parts.path.startswith("//") else parts.path or "/"
        target += f"?{parts.query}" if parts.query else ""
        if proxy and scheme == "http":
            # The proxy gets the whole URL, so that connections to it are for any host.
            target, host, port = f"http://{parts.netloc.rpartition('@')[2]}{target}", "", None
        peer = _Peer(scheme, host, port, verify, cert, proxy or None)
        with self._lock:
            pool = self._pools.pop(peer, None) or self._make_pool(peer)
            self._pools[peer] = pool
            if len(self._pools) > MAX_POOLS:
                self._pools.pop(next(iter(self._pools))).close()
        return pool, target

    def _make_pool(self, peer: _Peer) -> urllib3.HTTPConnectionPool:
        options: dict[str, t.Any] = {"maxsize": self._connections}
        tls = _tls_options(peer) if "https" in (peer.scheme, (peer.proxy or "").partition(":")[0].lower()) else {}
        if peer.proxy is None:
            return self._pool_classes[peer.scheme](peer.host, peer.port, **options, **tls)
        proxy = peer.proxy if "://" in peer.proxy else f"http://{peer.proxy}"
        if not proxy.lower().startswith(("http://", "https://")):
            # urllib3 uses another connection class for SOCKS. Ours would bypass the proxy without a check.
            raise InvalidRequest("proxy")
        try:
            manager = urllib3.ProxyManager(proxy, proxy_headers=proxy_headers(proxy), **options)
        except (ValueError, urllib3.exceptions.HTTPError) as error:
            raise InvalidRequest("proxy") from error
        manager.pool_classes_by_scheme = t.cast(t.Any, self._pool_classes)
        return manager.connection_from_host(peer.host, peer.port, peer.scheme, pool_kwargs=tls)

    def close(self) -> None:
        with self._lock:
            while self._pools:
                self._pools.popitem()[1].close()


def _tls_options(peer: _Peer) -> dict[str, t.Any]:
    """Return how urllib3 verifies the certificate of PEER, and the client certificate."""
    options: dict[str, t.Any] = {"cert_reqs": "CERT_REQUIRED" if peer.verify else "CERT_NONE"}
    authorities = default_authorities() if peer.verify is True else peer.verify
    if authorities:
        options["ca_cert_dir" if os.path.isdir(authorities) else "ca_certs"] = authorities
    if peer.cert is not None:
        options["cert_file"], options["key_file"] = (peer.cert, None) if isinstance(peer.cert, str) else peer.cert
    return options
