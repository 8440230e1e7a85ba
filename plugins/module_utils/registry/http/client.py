# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP client for registries. It decides about redirects, retries and limits itself; `urllib3` only transports the bytes."""

from __future__ import annotations

import os
import re
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ...errors import LongshoreError, RegistryError, Unreachable
from ...limits import CONNECT_TIMEOUT, DEADLINE, DOCUMENT_SECONDS, MAX_ERROR_BODY, MAX_REDIRECTS, MAX_RETRY_AFTER, READ_TIMEOUT
from ..config.ca_bundle import missing_requests
from ..config.settings import ClientSettings, Credentials, HostSettings
from .connections import ForbiddenPeer, InvalidRequest, PeerSession
from .errors import describe_origin, error_from_response, error_from_tunnel, lower_rate_limit, read_rate_limit, redact_url, retry_after_seconds
from .messages import Interrupted, Request, Response
from .proxy import describe_proxy, proxy_for
from .retries import TRANSIENT_STATUSES, describe_error, wait_before_retry
from .throttle import Slot, Throttle
from .urls import local_address_kind, refuse_local_address, resolve_redirect, url_origin

if t.TYPE_CHECKING:
    from ..auth.credentials import HostCredentials

LIBRARY_ERROR: ImportError | None = None
try:
    import urllib3
except ImportError as missing:
    LIBRARY_ERROR = missing

# Connections for each transfer that may run at once: large blobs are downloaded over several.
CONNECTIONS_PER_TRANSFER = 3

# The server, or something between, ended the handshake; that says nothing about certificates. The message depends on OpenSSL's version.
_CONNECTION_ENDED = re.compile(r"EOF occurred|\(EOF\)")
_REDIRECT_STATUSES = frozenset((301, 302, 303, 307, 308))


class HttpClient:
    """Sends requests to all registries of a run over kept-alive connections."""

    def __init__(self, settings: ClientSettings) -> None:
        """Open a session. Raises MissingLibrary on a host without `requests`."""
        if LIBRARY_ERROR is not None:
            raise missing_requests(LIBRARY_ERROR)
        self.settings = settings
        self.found_credentials: list[Credentials] = []
        self.found_tokens: list[str] = []
        self._host_credentials: HostCredentials | None = None
        self.rate_limit: tuple[int | None, int | None] | None = None
        self._environment = dict(os.environ)
        self._lock = threading.Lock()
        self._throttles: dict[t.Hashable, Throttle] = {}
        self._session = PeerSession(CONNECTIONS_PER_TRANSFER * settings.concurrency, settings.timeout)
        if settings.request_log is not None:
            self._session = settings.request_log.watch(self._session)

    def host_credentials(self, registry: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository from the host's auth files and their helpers."""
        with self._lock:
            if self._host_credentials is None:
                from ..auth.credentials import HostCredentials

                self._host_credentials = HostCredentials(self.settings.auth_file, self._environment)
        found = self._host_credentials.find(registry, repository)
        if found is not None and found not in self.found_credentials:
            self.found_credentials.append(found)
        return found

    def close(self) -> None:
        """Close the kept-alive connections. Only a process that continues needs this; at its end a process closes them anyway."""
        self._session.close()

    def send(self, request: Request, host: HostSettings) -> Response:
        """Send REQUEST and return the response, whose status is one that REQUEST accepts.

        Transient errors are retried, `retries` times and for at most 45 s. A host that answers 429 gets fewer requests at once from then on.
        Raises Denied, ImageNotFound, RateLimited or RegistryError, by the status of the response, and Unreachable if there is no response.
        """
        throttle = self._throttle_for(request.url)
        slot = throttle.acquire(request.deadline or time.monotonic() + DEADLINE)
        deadline = request.deadline or time.monotonic() + DEADLINE
        tries = max(1, self.settings.retries) if request.repeatable else 1
        for attempt in range(tries):
            if attempt:
                slot = throttle.acquire(deadline)
            try:
                response = self._send_once(request, host, deadline)
                response.on_close(slot.release)
                if response.status in request.accepted:
                    if request.limit is not None:
                        response.read_ahead(request.limit)
                    throttle.record_success()
                    return response
                error = self._retryable_error(response, request, throttle, slot)
            except _TransientError as failure:
                error = Unreachable(f"{request.what}: {failure.place or describe_origin(request.url)} can't be reached: {failure}")
                error.after_redirect = failure.after_redirect
            except Interrupted as failure:
                error = Unreachable(f"{request.what}: {describe_origin(request.url)} broke off its answer: {failure}")
            except BaseException:
                slot.release()
                raise
            slot.release()
            if attempt + 1 >= tries or (request.has_fallback and error.after_redirect):
                raise error
            wait_before_retry(attempt, deadline, error)
        raise AssertionError("unreachable: there is at least one try")

    def _retryable_error(self, response: Response, request: Request, throttle: Throttle, slot: Slot) -> LongshoreError:
        """Return the error for a response if a retry may help. Raises the error if not."""
        try:
            error = error_from_response(response, request.method, request.what, MAX_ERROR_BODY, request.authorization)
        except Interrupted as failure:
            raise _TransientError(str(failure)) from failure
        finally:
            response.close()
        error.after_redirect = url_origin(response.url) != url_origin(request.url)
        error.retry_after = wait = retry_after_seconds(response.headers.get("Retry-After"))
        if response.status == 429:
            throttle.record_rejection(slot, wait and min(wait, MAX_RETRY_AFTER), error)
        if response.status not in TRANSIENT_STATUSES:
            raise error
        return error

    def _throttle_for(self, url: str) -> Throttle:
        with self._lock:
            return self._throttles.setdefault(url_origin(url), Throttle())

    def _send_once(self, request: Request, host: HostSettings, deadline: float) -> Response:
        """Send REQUEST once and follow redirects. The credentials are dropped at the first redirect to another origin."""
        url, authorization, settings, local_peers = request.url, request.authorization, host, request.local_peers
        for hop in range(MAX_REDIRECTS + 1):
            if hop and time.monotonic() >= deadline:
                raise _TransientError("its redirects take too long")
            try:
                response = self._request(request, url, authorization, settings, deadline, local_peers)
            except (Unreachable, _TransientError) as failure:
                failure.after_redirect = url_origin(url) != url_origin(request.url)
                raise
            self._record_rate_limit(response)
            location = response.headers.get("Location")
            if response.status not in _REDIRECT_STATUSES or location is None:
                return response
            response.close()
            target = resolve_redirect(url, location, f"{request.what}: {redact_url(url)} redirects")
            if url_origin(target) != url_origin(url):
                if request.same_host_only:
                    raise RegistryError(f"{request.what}: {redact_url(url)} redirects a request with credentials to another host, which is refused")
                authorization = None
                settings = host.for_other_hosts
                if request.check_redirect is not None:
                    request.check_redirect(target)
            url, local_peers = target, response.local_peers
        raise RegistryError(f"{request.what}: {redact_url(request.url)} redirects more than {MAX_REDIRECTS} times")

    def _request(
        self, request: Request, url: str, authorization: str | None, settings: HostSettings, deadline: float, local_peers: frozenset[str] | None
    ) -> Response:
        host_kind = local_address_kind(urlsplit(url).hostname or "")
        refuse_local_address(url, host_kind, local_peers, request.what)
        headers = {"User-Agent": "longshore", "Accept-Encoding": "identity", "Accept": "*/*", **request.headers, **dict(settings.headers)}
        if authorization is not None:
            headers["Authorization"] = authorization
        body = request.body() if request.body is not None else None
        if body is not None:
            headers["Content-Length"] = str(len(body))
        proxy = proxy_for(url, self.settings.proxy, self._environment)
        started = time.monotonic()
        try:
            # Through a proxy the peer is the proxy, which resolves the name: only the host in the URL can be checked.
            response, peer_kind = self._session.send_checked(
                request.method,
                url,
                None if proxy else local_peers,
                headers=headers,
                data=body if body is not None and len(body) else None,
                timeout=self._timeouts(deadline),
                verify=settings.verify,
                cert=settings.cert,
                proxy=proxy,
            )
        except ForbiddenPeer as error:
            refuse_local_address(url, error.kind, local_peers, request.what)
            raise
        except urllib3.exceptions.SSLError as error:
            if _CONNECTION_ENDED.search(str(error)) is not None:
                raise _TransientError(describe_error(error), _describe_server(url, proxy)) from error
            from .tls_errors import tls_advice

            reason = describe_error(error)
            advice = tls_advice(reason, settings, bool(proxy))
            raise Unreachable(f"{request.what}: no trusted TLS connection to {_describe_server(url, proxy)}: {reason}{advice}") from error
        except InvalidRequest as error:
            raise RegistryError(f"{request.what}: the request to {redact_url(url)} has an invalid {error}, so it isn't sent") from error
        except urllib3.exceptions.HTTPError as error:
            reason, server = describe_error(error), _describe_server(url, proxy)
            raise error_from_tunnel(request.what, server, reason) or _TransientError(reason, server) from error
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            response.close()
            raise RegistryError(f"{request.what}: {redact_url(url)} sent a Content-Encoding although none was allowed")
        peer_kind = host_kind if proxy else peer_kind
        return Response(response, url, request.what, started + DOCUMENT_SECONDS, frozenset([peer_kind] if peer_kind is not None else ()))

    def _timeouts(self, deadline: float) -> tuple[float, float]:
        """Return the connect and the read timeout. Both are cut so that a permanent failure is reported by DEADLINE."""
        longest = min(self.settings.timeout, max(1.0, deadline - time.monotonic()))
        return min(CONNECT_TIMEOUT, longest), min(READ_TIMEOUT, longest)

    def _record_rate_limit(self, response: Response) -> None:
        """Record the rate limit of RESPONSE if fewer pulls remain than under the one recorded so far."""
        rate_limit = read_rate_limit(response.headers)
        with self._lock:
            self.rate_limit = lower_rate_limit(self.rate_limit, rate_limit)


class _TransientError(Exception):
    """No response, for a reason that a retry may cure. `place` is the server that gave none if that isn't the host of the request."""

    after_redirect = False

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.place = place


def _describe_server(url: str, proxy: str | None) -> str:
    """Return the host of URL, and the proxy if there is one, for a message."""
    return describe_origin(url) + (f" through the proxy {describe_proxy(proxy)}" if proxy else "")
