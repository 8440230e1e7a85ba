# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP as registries need it: redirects, retries and bounds are decided here, `requests` only carries the bytes."""

from __future__ import annotations

import os
import re
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ...errors import LongshoreError, RegistryError, Unreachable, missing_library
from ...limits import CONNECT_TIMEOUT, DEADLINE, DOCUMENT_SECONDS, MAX_ERROR_BODY, MAX_REDIRECTS, MAX_RETRY_AFTER, READ_TIMEOUT
from ..auth.credentials import HostCredentials
from ..config.settings import ClientSettings, Credentials, HostSettings
from .connections import ForbiddenPeer, make_session
from .errors import error_from_response, error_from_tunnel, host_of, lower_limit, rate_limit_of, redact_url, retry_after_seconds
from .messages import Interrupted, Request, Response
from .proxy import proxy_for, proxy_place
from .retries import PASSING_STATUS, describe_error, pause
from .throttle import Slot, Throttle
from .urls import local_kind, refuse_local, resolve_redirect, url_origin

LIBRARY_ERROR: ImportError | None = None
try:
    import requests
    import urllib3
except ImportError as missing:
    LIBRARY_ERROR = missing

# Connections for each transfer that may run at once: large blobs come over several.
CONNECTIONS = 3

# A handshake that the other side, or something on the way, ended: no word on certificates. What it is called depends on OpenSSL and its version.
_ENDED = re.compile(r"EOF occurred|\(EOF\)")
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class HttpClient:
    """Sends requests for all registries of a run over kept connections."""

    def __init__(self, settings: ClientSettings) -> None:
        """Raises MissingLibrary on a host without `requests`."""
        if LIBRARY_ERROR is not None:
            raise missing_library("requests (2.25 or newer)", "python3-requests", LIBRARY_ERROR)
        self.settings = settings
        self.found_credentials: list[Credentials] = []
        self.found_tokens: list[str] = []
        self._host_credentials = HostCredentials(settings.auth_file, os.environ)
        self.rate_limit: tuple[int | None, int | None] | None = None
        self._environment = dict(os.environ)
        self._lock = threading.Lock()
        self._gates: dict[t.Hashable, Throttle] = {}
        self._session = make_session(CONNECTIONS * settings.concurrency, settings.timeout)
        if settings.request_log is not None:
            self._session = settings.request_log.watch(self._session)

    def host_credentials(self, registry: str, repository: str) -> Credentials | None:
        """What the host's auth files and their helpers have for a repository."""
        found = self._host_credentials.find(registry, repository)
        if found is not None and found not in self.found_credentials:
            self.found_credentials.append(found)
        return found

    def close(self) -> None:
        """Ends the connections that were kept, for a process that goes on; others end with it."""
        self._session.close()

    def send(self, request: Request, host: HostSettings) -> Response:
        """The answer, of a status that REQUEST accepts.

        Faults that pass are tried again, `retries` times and 45 s at most. A host that has had too many requests gets fewer at once from then on.
        Raises Denied, ImageNotFound, RateLimited, RegistryError by the status of the answer, and Unreachable where there is none.
        """
        gate = self._gate(request.url)
        leave = gate.acquire(request.deadline or time.monotonic() + DEADLINE)
        deadline = request.deadline or time.monotonic() + DEADLINE
        tries = max(1, self.settings.retries) if request.repeatable else 1
        for attempt in range(tries):
            if attempt:
                leave = gate.acquire(deadline)
            try:
                response = self._send_once(request, host, deadline)
                response.when_closed(leave.release)
                if response.status in request.accepted:
                    if request.limit is not None:
                        response.hold(request.limit)
                    gate.record_success()
                    return response
                error = self._refusal(response, request, gate, leave)
            except _PassingFault as fault:
                error = Unreachable(f"{request.what}: {fault.place or host_of(request.url)} can't be reached: {fault}")
                error.elsewhere = fault.elsewhere
            except Interrupted as fault:
                error = Unreachable(f"{request.what}: {host_of(request.url)} broke off its answer: {fault}")
            except BaseException:
                leave.release()
                raise
            leave.release()
            if attempt + 1 >= tries or (request.falls_back and error.elsewhere):
                raise error
            pause(attempt, deadline, error)
        raise AssertionError("there is at least one try")

    def _refusal(self, response: Response, request: Request, gate: Throttle, leave: Slot) -> LongshoreError:
        """The error that an answer stands for, if it is one that may pass. Raises any other."""
        try:
            error = error_from_response(response, request.method, request.what, MAX_ERROR_BODY, request.authorization)
        except Interrupted as fault:
            raise _PassingFault(str(fault)) from fault
        finally:
            response.close()
        error.elsewhere = url_origin(response.url) != url_origin(request.url)
        error.retry_after = wait = retry_after_seconds(response.headers.get("Retry-After"))
        if response.status == 429:
            gate.record_rejection(leave, wait and min(wait, MAX_RETRY_AFTER), error)
        if response.status not in PASSING_STATUS:
            raise error
        return error

    def _gate(self, url: str) -> Throttle:
        with self._lock:
            return self._gates.setdefault(url_origin(url), Throttle())

    def _send_once(self, request: Request, host: HostSettings, deadline: float) -> Response:
        """One try, redirects included. Credentials leave it at the first address that is another one."""
        url, authorization, settings, local_peers = request.url, request.authorization, host, request.local_peers
        for hop in range(MAX_REDIRECTS + 1):
            if hop and time.monotonic() >= deadline:
                raise _PassingFault("its redirects take too long")
            try:
                response = self._exchange(request, url, authorization, settings, deadline, local_peers)
            except (Unreachable, _PassingFault) as fault:
                fault.elsewhere = url_origin(url) != url_origin(request.url)
                raise
            self._note(response)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            target = resolve_redirect(url, location, f"{request.what}: {redact_url(url)} redirects")
            if url_origin(target) != url_origin(url):
                if request.stays:
                    raise RegistryError(f"{request.what}: {redact_url(url)} redirects a request with credentials to another host, which is refused")
                authorization = None
                settings = host.for_strangers
                if request.check_redirect is not None:
                    request.check_redirect(target)
            url, local_peers = target, response.local_peers
        raise RegistryError(f"{request.what}: {redact_url(request.url)} redirects more than {MAX_REDIRECTS} times")

    def _exchange(
        self, request: Request, url: str, authorization: str | None, settings: HostSettings, deadline: float, local_peers: frozenset[str] | None
    ) -> Response:
        kind = local_kind(urlsplit(url).hostname or "")
        refuse_local(url, kind, local_peers, request.what)
        headers = {"User-Agent": "longshore", "Accept-Encoding": "identity", "Accept": "*/*", **request.headers, **dict(settings.headers)}
        if authorization is not None:
            headers["Authorization"] = authorization
        body = request.body() if request.body is not None else None
        if body is not None and len(body) == 0:
            headers["Content-Length"] = "0"
        proxy = proxy_for(url, self.settings.proxy, self._environment)
        began = time.monotonic()
        try:
            # Through a proxy the peer is the proxy, which resolves the name: only the host as it is written can be checked.
            inner, peer = self._session.ask(
                request.method,
                url,
                None if proxy else local_peers,
                headers=headers,
                data=t.cast(t.Any, body) if body is not None and len(body) else None,
                stream=True,
                allow_redirects=False,
                timeout=self._timeouts(deadline),
                verify=settings.verify,
                cert=settings.cert,
                proxies={"http": proxy, "https": proxy} if proxy else {},
            )
        except ForbiddenPeer as error:
            refuse_local(url, error.kind, local_peers, request.what)
            raise
        except requests.exceptions.SSLError as error:
            if _ENDED.search(str(error)) is not None:
                raise _PassingFault(describe_error(error), _way_of(url, proxy)) from error
            from .tls_errors import tls_hint

            reason = describe_error(error)
            hint = tls_hint(reason, settings, bool(proxy))
            raise Unreachable(f"{request.what}: no trusted TLS connection to {_way_of(url, proxy)}: {reason}{hint}") from error
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidHeader,
        ) as error:
            # Its own words would show the query of the address, or the header.
            raise RegistryError(f"{request.what}: {redact_url(url)} can't be asked: {type(error).__name__}") from error
        except (urllib3.exceptions.HTTPError, requests.exceptions.RequestException) as error:
            reason, way = describe_error(error), _way_of(url, proxy)
            raise error_from_tunnel(request.what, way, reason) or _PassingFault(reason, way) from error
        if inner.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            inner.close()
            raise RegistryError(f"{request.what}: {redact_url(url)} answered with a Content-Encoding though none was allowed")
        answered = kind if proxy else peer
        return Response(inner, url, request.what, began + DOCUMENT_SECONDS, frozenset([answered] if answered is not None else ()))

    def _timeouts(self, deadline: float) -> tuple[float, float]:
        """How long connecting, and then a silence, may last: a fault that stays has to be over at DEADLINE."""
        most = min(self.settings.timeout, max(1.0, deadline - time.monotonic()))
        return min(CONNECT_TIMEOUT, most), min(READ_TIMEOUT, most)

    def _note(self, response: Response) -> None:
        """Of all that registries tell of their quotas, what leaves the least."""
        told = rate_limit_of(response.headers)
        with self._lock:
            self.rate_limit = lower_limit(self.rate_limit, told)


class _PassingFault(Exception):
    """No answer, for a reason that may be gone at the next try. `place` is who gave none, where that may be another than was asked first."""

    elsewhere = False

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.place = place


def _way_of(url: str, proxy: str | None) -> str:
    """Who is asked, and through which proxy."""
    return host_of(url) + (f" through the proxy {proxy_place(proxy)}" if proxy else "")
