# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that notice a stall: where a server drips its answer, headers or body, the answer is given up."""

from __future__ import annotations

import contextlib
import http.cookiejar
import ssl
import typing as t

from ..http_bounds import BoundedResponse, bounded_response
from ..limits import HEADER_SECONDS, STALL_SECONDS

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


def _pools(window: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """The connection pools of urllib3, for connections whose answers are watched."""
    answer = bounded_response(window, min(HEADER_SECONDS, window), base=_Answer)
    pools = {}
    for scheme, pool in (("http", urllib3.HTTPConnectionPool), ("https", urllib3.HTTPSConnectionPool)):
        kinds = (_AsOtherClients, t.cast(t.Any, pool).ConnectionCls) if scheme == "https" else (t.cast(t.Any, pool).ConnectionCls,)
        connection = type("Connection", kinds, {"response_class": answer})
        pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})
    return pools


def watching_adapter(connections: int, window: float) -> requests.adapters.HTTPAdapter:
    """Carries the requests of a session, CONNECTIONS to each host at once without opening new ones; an answer may drip for WINDOW seconds."""
    pools = _pools(min(STALL_SECONDS, window))

    class WatchingAdapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *arguments: t.Any, **options: t.Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *arguments: t.Any, **options: t.Any) -> t.Any:
            manager = super().proxy_manager_for(*arguments, **options)
            manager.pool_classes_by_scheme = pools
            return manager

    return WatchingAdapter(pool_maxsize=connections)


def make_session(connections: int, window: float) -> requests.Session:
    """A session over connections that notice a stall. It takes nothing from the environment, keeps no cookies and never looks at a redirect."""

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> str | None:
            """None for all: even where it isn't to follow them, `requests` reads a redirect's body, however long, and stumbles over odd addresses."""

    session = Session()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = watching_adapter(connections, window)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
