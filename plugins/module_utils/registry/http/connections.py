# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that notice a stall: where a server drips its answer, headers or body, the answer is given up.

They also check the address that they are connected to before anything is sent: a name that a registry gave may resolve to a loopback address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.cookiejar
import socket
import ssl
import threading
import typing as t

from ...http_bounds import BoundedResponse, bounded_response
from ...limits import HEADER_SECONDS, STALL_SECONDS
from .urls import local_kind

with contextlib.suppress(ImportError):  # told by whoever makes a client
    import requests
    import urllib3


# Named here since Python 3.9 doesn't: a trusted certificate needn't be signed by itself.
_PARTIAL_CHAIN = 0x80000


class _Answer(BoundedResponse):
    def read(self, amt: int | None = None) -> bytes:
        """What has come, up to AMT bytes of it: whoever waits for all of them loses those that came before a connection broke."""
        if amt is None:
            return super().read()
        data = self.read1(amt)
        if self.length == 0:
            self.close()
        return data


class _AsOtherClients:
    """Verifies certificates as skopeo, docker and curl do, whichever Python runs it.

    Python 3.13 refuses authorities that lack extensions of RFC 5280, as most home-made ones do, and older ones refuse to trust a certificate whose own
    issuer isn't there. Signatures, names and times are verified as ever.
    """

    ssl_context: ssl.SSLContext | None
    cert_reqs: t.Any

    def connect(self) -> None:
        if self.ssl_context is None:
            tools = urllib3.util.ssl_
            self.ssl_context = context = tools.create_urllib3_context(cert_reqs=tools.resolve_cert_reqs(self.cert_reqs))
            context.verify_flags = ssl.VerifyFlags((context.verify_flags | _PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT)
        t.cast(t.Any, super()).connect()


class ForbiddenPeer(Exception):
    """A connection leads to a loopback or link-local address that this request may not be sent to. Nothing was sent over it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclasses.dataclass
class _PeerCheck:
    """Which kinds of local addresses one request may be sent to (None: all), and the kind of the address that it was sent to."""

    allowed: frozenset[str] | None
    kind: str | None = None


class _Thread(threading.local):
    # A thread sends one request at a time, except that reading a body may send another one, which is over before the body goes on.
    check: _PeerCheck | None = None


_thread = _Thread()


class _CheckedConnection:
    """Part of a connection class of urllib3: compares the address of the peer with what the current request allows.

    A connection from the pool may have been opened by a request that allowed more, so each request is checked anew.
    """

    sock: socket.socket | None
    peer_kind: str | None = None

    def _new_conn(self) -> socket.socket:
        """Open the connection. Raises ForbiddenPeer before TLS begins or a proxy is asked for anything."""
        opened: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            self.peer_kind = local_kind(str(opened.getpeername()[0]))
            self._check_peer()
        except BaseException:
            opened.close()
            raise
        return opened

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


def _pools(window: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """The connection pools of urllib3, for connections whose answers are watched."""
    answer = bounded_response(window, min(HEADER_SECONDS, window), base=_Answer)
    pools = {}
    for scheme, pool in (("http", urllib3.HTTPConnectionPool), ("https", urllib3.HTTPSConnectionPool)):
        kind = t.cast(t.Any, pool).ConnectionCls
        bases = (_AsOtherClients, _CheckedConnection, kind) if scheme == "https" else (_CheckedConnection, kind)
        connection = type("Connection", bases, {"response_class": answer})
        pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})
    return pools


def make_adapter(connections: int, window: float) -> requests.adapters.HTTPAdapter:
    """Carries the requests of a session, CONNECTIONS to each host at once without opening new ones; an answer may drip for WINDOW seconds."""
    pools = _pools(min(STALL_SECONDS, window))

    class WatchingAdapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *arguments: t.Any, **options: t.Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **options: t.Any) -> t.Any:
            if proxy.lower().startswith("socks"):
                # Its connections are of another class; ours would pass the proxy by, unchecked.
                raise requests.exceptions.InvalidSchema("SOCKS proxies are not supported")
            manager = super().proxy_manager_for(proxy, **options)
            manager.pool_classes_by_scheme = pools
            return manager

    return WatchingAdapter(pool_maxsize=connections)


class PeerSession(t.Protocol):
    """A session of `requests` that checks the peers of its connections."""

    def ask(self, method: str, url: str, allowed: frozenset[str] | None, **options: t.Any) -> tuple[requests.Response, str | None]: ...

    def close(self) -> None: ...


def make_session(connections: int, window: float) -> PeerSession:
    """A session over connections that notice a stall. It takes nothing from the environment, keeps no cookies and never looks at a redirect."""

    class Session(requests.Session):
        def ask(self, method: str, url: str, allowed: frozenset[str] | None, **options: t.Any) -> tuple[requests.Response, str | None]:
            """Send a request and return the answer with the kind of local address that it came from, None for others.

            ALLOWED are the kinds of local addresses that it may be sent to, None for all. Raises ForbiddenPeer, and what `request` raises.
            """
            outer, check = _thread.check, _PeerCheck(allowed)
            _thread.check = check
            try:
                return self.request(method, url, **options), check.kind
            finally:
                _thread.check = outer

        def get_redirect_target(self, resp: requests.Response) -> str | None:
            """None for all: even where it isn't to follow them, `requests` reads a redirect's body, however long, and stumbles over odd addresses."""

    session = Session()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = make_adapter(connections, window)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
