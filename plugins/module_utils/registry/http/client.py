# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP as registries need it: redirects, retries and bounds are decided here, `requests` only carries the bytes."""

from __future__ import annotations

import dataclasses
import http.client
import os
import random
import re
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ...errors import LongshoreError, RegistryError, Unreachable, missing_library
from ...limits import CONNECT_TIMEOUT, DEADLINE, DOCUMENT_SECONDS, MAX_ERROR_BODY, MAX_REDIRECTS, MAX_RETRY_AFTER, READ_TIMEOUT
from ...oci.text import sanitise
from ..auth.credentials import HostCredentials
from ..config.settings import ClientSettings, Credentials, HostSettings
from .connections import ForbiddenPeer, make_session
from .errors import error_from_response, error_from_tunnel, host_of, lower_limit, parse_number, rate_limit_of, redact_url, retry_after_seconds
from .proxy import proxy_for, proxy_place
from .throttle import Slot, Throttle
from .urls import local_kind, refuse_local, resolve_redirect, url_origin

LIBRARY_ERROR: ImportError | None = None
try:
    import requests
    import urllib3
except ImportError as missing:
    LIBRARY_ERROR = missing

CHUNK = 256 * 1024
SENT_AT_ONCE = 128 * 1024
# Connections for each transfer that may run at once: large blobs come over several.
CONNECTIONS = 3

PASSING_STATUS = frozenset((408, 429, 500, 502, 503, 504))
# A handshake that the other side, or something on the way, ended: no word on certificates. What it is called depends on OpenSSL and its version.
_ENDED = re.compile(r"EOF occurred|\(EOF\)")
_SOURCE_LINE = re.compile(r" \(_ssl\.c:[0-9]+\)")
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it is meant. `body` makes the body anew for every try, with its length in bytes known before.

    One that is not `repeatable` is tried once: what it asks for depends on what its first try left. One that `stays` is sent to no other host by a
    redirect: its body is a secret. `scopes` are what it needs to be allowed beside what the registry's own challenge names. With a `limit` the body of
    the answer is read at once, up to one byte more than that: one that breaks off is a try that failed. `deadline` is the moment on the monotonic
    clock by which a fault has to have ended, where it began before this request. One that `falls_back` on another request isn't tried again when
    another host fails, to which it was redirected. `local_peers` are the kinds of local addresses that it may be sent to: None, which is all, where the
    task names the host, else those of the answer that led to it. `check_redirect` raises an error for an address that it may not be redirected to.
    """

    method: str
    url: str
    what: str
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: t.Callable[[], Body] | None = None
    authorization: str | None = dataclasses.field(default=None, repr=False)
    accepted: tuple[int, ...] = (200,)
    repeatable: bool = True
    falls_back: bool = False
    stays: bool = False
    scopes: tuple[str, ...] = ()
    limit: int | None = None
    deadline: float | None = None
    local_peers: frozenset[str] | None = None
    check_redirect: t.Callable[[str], None] | None = None


class Body:
    """A body of known length that is sent piece by piece. The pieces are small, since it is for each of them that a connection must not stall."""

    def __init__(self, size: int, chunks: t.Iterable[bytes | bytearray | memoryview]) -> None:
        self._size = size
        self._chunks = chunks

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> t.Iterator[bytes | bytearray | memoryview]:
        for chunk in self._chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), SENT_AT_ONCE):
                yield view[start : start + SENT_AT_ONCE]


class Interrupted(Exception):
    """A body ended in the middle; what came before is good and may be continued."""


class Response:
    """An answer whose body is still on the wire. It is closed by whoever reads it.

    `local_peers` are the kinds of local addresses that it may lead to: only an answer from loopback may lead to loopback.
    """

    def __init__(self, inner: requests.Response, url: str, what: str, whole_by: float, local_peers: frozenset[str] = frozenset()) -> None:
        """WHOLE_BY is the moment of the monotonic clock by which `body` must have read everything; `chunks` has no such deadline."""
        self._inner = inner
        self._whole_by = whole_by
        self.local_peers = local_peers
        self._on_close: t.Callable[[], None] | None = None
        self.url = url
        self.what = what
        self.status = inner.status_code
        self.headers: t.Mapping[str, str] = inner.headers
        self._held: bytes | None = None

    def header_values(self, name: str) -> list[str]:
        """All values of a header that may occur several times."""
        return [str(value) for value in self._inner.raw.headers.getlist(name)]

    def chunks(self) -> t.Iterator[bytes]:
        """The body as it is on the wire, in pieces as they come. Raises Interrupted when the connection breaks or stalls."""
        try:
            while True:
                try:
                    chunk: bytes = self._inner.raw.read(CHUNK, decode_content=False)
                except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
                    raise Interrupted(describe_error(error)) from error
                if not chunk:
                    return
                yield chunk
        finally:
            self.close()

    def body(self, limit: int) -> bytes:
        """At most LIMIT + 1 bytes of the body: the caller sees that it is too long. The words of a failure count as far as they came.

        Raises Interrupted when the connection breaks, and at the deadline for documents: 4 MiB at 1.5 KiB/s are no stall, and would take 45 minutes.
        """
        if self._held is not None:
            return self._held[: limit + 1]
        data = bytearray()
        try:
            for chunk in self.chunks():
                data += chunk
                if len(data) > limit:
                    break
                if time.monotonic() > self._whole_by:
                    self.close()
                    raise Interrupted(f"it didn't end within {DOCUMENT_SECONDS:.0f} seconds")
        except Interrupted:
            if self.status < 400:
                raise
        self.close()
        return bytes(data[: limit + 1])

    def hold(self, limit: int) -> None:
        """Reads the body up to LIMIT + 1 bytes, for `body`. Raises Interrupted when it ends early, which urllib3 1.26 doesn't notice."""
        data = self.body(limit)
        promised = parse_number(self.headers.get("Content-Length"))
        if promised is not None and len(data) <= limit and len(data) < promised:
            raise Interrupted(f"it ended after {len(data)} of {promised} bytes")
        self._held = data

    def close(self) -> None:
        self._inner.close()
        if self._on_close is not None:
            self._on_close()

    def when_closed(self, call: t.Callable[[], None]) -> None:
        """Calls CALL when the answer has been read, given up or closed, and perhaps again later."""
        self._on_close = call


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


def pause(attempt: int, deadline: float, error: LongshoreError) -> None:
    """Waits before the next try: as long as the server told with ERROR, else a random part of a time that doubles. Raises ERROR when that passes DEADLINE."""
    wait = min(error.retry_after, MAX_RETRY_AFTER) if error.retry_after is not None else random.uniform(0, 0.5 * 2**attempt)
    if time.monotonic() + wait > deadline:
        raise error
    time.sleep(wait)


def describe_error(error: BaseException) -> str:
    """The words of the innermost cause: `requests` and `urllib3` wrap one error in three sentences that show addresses of objects."""
    seen: set[int] = set()
    inner: BaseException | None = error
    words = type(error).__name__
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, OSError) and inner.strerror:
            words = inner.strerror
        elif isinstance(inner, (TimeoutError, urllib3.exceptions.TimeoutError)):
            words = "no answer in time"
        elif (
            not isinstance(inner, (requests.exceptions.RequestException, urllib3.exceptions.MaxRetryError))
            and str(inner)
            and "object at 0x" not in str(inner)
        ):
            words = str(inner)
        inner = getattr(inner, "reason", None) if isinstance(getattr(inner, "reason", None), BaseException) else _nested(inner)
    return sanitise(_SOURCE_LINE.sub("", words), 300)


def _nested(error: BaseException) -> BaseException | None:
    nested = next((argument for argument in error.args if isinstance(argument, BaseException)), None)
    return nested or error.__cause__ or (None if error.__suppress_context__ else error.__context__)
