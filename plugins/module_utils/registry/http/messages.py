# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and responses of registries, token servers and storage servers, and a response's body as a stream."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import time
import typing as t

from ...limits import DOCUMENT_SECONDS
from .connections import read_available
from .errors import parse_number
from .retries import describe_error

with contextlib.suppress(ImportError):  # HttpClient reports it
    import urllib3

# The path of the request that only asks whether a host is a registry and who may log in (distribution specification, API version check).
VERSION_CHECK = "/v2/"

# The buffers of all connections fit into the cache of a processor: with 1 MiB, large pulls take 40 % more processor time.
READ_SIZE = 512 * 1024
SEND_SIZE = 128 * 1024

# Buffers for reading bodies. They are used again, because the kernel clears the pages of a new buffer, which costs as much as receiving the bytes.
_free_buffers: list[bytearray] = []


@dataclasses.dataclass(frozen=True)
class Request:
    """One request. `body` makes the body again for each try; its length in bytes is known in advance.

    - A request that is not `repeatable` is tried once, because its effect depends on what an earlier try left behind.
    - `same_host_only`: refuse a redirect to another host, because the body is a secret.
    - `scopes`: permissions that the request needs in addition to those in the registry's challenge.
    - `limit`: read at most one byte more than this of the body at once. A body that breaks off counts as a failed try.
    - `deadline`: time of the monotonic clock at which retries end, if the errors began before this request.
    - `has_fallback`: the caller has another request for the same purpose, so don't retry if a host fails that this one was redirected to.
    - `local_peers`: the kinds of local addresses that it may be sent to. None allows all and is for hosts that the task names; otherwise they are those of
      the response that led to this request.
    - `check_redirect`: raises an error for an address that the request must not be redirected to.
    """

    method: str
    url: str
    what: str
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: t.Callable[[], Body] | None = None
    authorization: str | None = dataclasses.field(default=None, repr=False)
    accepted: tuple[int, ...] = (200,)
    repeatable: bool = True
    has_fallback: bool = False
    same_host_only: bool = False
    scopes: tuple[str, ...] = ()
    limit: int | None = None
    deadline: float | None = None
    local_peers: frozenset[str] | None = None
    check_redirect: t.Callable[[str], None] | None = None


class Body:
    """A body of known length, sent in small pieces: the timeout of a connection applies to each piece."""

    def __init__(self, size: int, chunks: t.Iterable[bytes | bytearray | memoryview]) -> None:
        self._size = size
        self._chunks = chunks

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> t.Iterator[bytes | bytearray | memoryview]:
        for chunk in self._chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), SEND_SIZE):
                yield view[start : start + SEND_SIZE]


class Interrupted(Exception):
    """A body ended early. The bytes before that are good, and the rest can be requested again."""


class Response:
    """A response whose body was not read yet. The reader of the body closes it.

    `local_peers` are the kinds of local addresses that its links and redirects may lead to: only a response from loopback may lead to loopback.
    """

    def __init__(self, inner: t.Any, url: str, what: str, read_deadline: float, local_peers: frozenset[str] = frozenset()) -> None:
        """INNER is a response of urllib3.

        READ_DEADLINE is the time of the monotonic clock by which `body` must have read everything; `chunks` has no such deadline.
        """
        self._inner = inner
        self._read_deadline = read_deadline
        self.local_peers = local_peers
        self._on_close: t.Callable[[], None] | None = None
        self.url = url
        self.what = what
        self.status: int = inner.status
        self.headers: t.Mapping[str, str] = inner.headers
        self._read_body: bytes | None = None

    def header_values(self, name: str) -> list[str]:
        """Return all values of a header that may occur several times."""
        return [str(value) for value in self._inner.headers.getlist(name)]

    def chunks(self) -> t.Iterator[memoryview]:
        """Yield the body as it arrives, without decoding it. The chunks share one buffer: each is valid only until the next one is read.

        Raises Interrupted if the connection breaks or stalls.
        """
        try:
            buffer = _free_buffers.pop()
        except IndexError:
            buffer = bytearray(READ_SIZE)
        try:
            with memoryview(buffer) as view:
                while True:
                    try:
                        count = read_available(self._inner, view)
                    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
                        raise Interrupted(describe_error(error)) from error
                    if not count:
                        return
                    yield view[:count]
        finally:
            self.close()
            _free_buffers.append(buffer)

    def body(self, limit: int) -> bytes:
        """Return at most LIMIT + 1 bytes of the body, so that the caller can see that it is too long. The body of an error response may break off.

        Raises Interrupted if the connection breaks, and at the deadline for documents: 4 MiB at 1.5 KiB/s is no stall, but would take 45 minutes.
        """
        if self._read_body is not None:
            return self._read_body[: limit + 1]
        data = bytearray()
        try:
            for chunk in self.chunks():
                data += chunk
                if len(data) > limit:
                    break
                if time.monotonic() > self._read_deadline:
                    self.close()
                    raise Interrupted(f"it didn't end within {DOCUMENT_SECONDS:.0f} seconds")
        except Interrupted:
            if self.status < 400:
                raise
        self.close()
        return bytes(data[: limit + 1])

    def read_ahead(self, limit: int) -> None:
        """Read the body up to LIMIT + 1 bytes and keep it for `body`. Raises Interrupted if it ends early, which urllib3 1.26 doesn't detect."""
        data = self.body(limit)
        length = parse_number(self.headers.get("Content-Length"))
        if length is not None and len(data) <= limit and len(data) < length:
            raise Interrupted(f"it ended after {len(data)} of {length} bytes")
        self._read_body = data

    def close(self) -> None:
        self._inner.close()
        self._inner.release_conn()
        if self._on_close is not None:
            self._on_close()

    def on_close(self, callback: t.Callable[[], None]) -> None:
        """Set CALLBACK, which runs when the response is closed or read to its end. It may run more than once."""
        self._on_close = callback
