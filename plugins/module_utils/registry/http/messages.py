# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and answers of registries, token servers and storage as values, and an answer's body as a stream."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import time
import typing as t

from ...limits import DOCUMENT_SECONDS
from .errors import parse_number
from .retries import describe_error

with contextlib.suppress(ImportError):  # HttpClient reports it
    import requests
    import urllib3

CHUNK = 256 * 1024
SENT_AT_ONCE = 128 * 1024


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
