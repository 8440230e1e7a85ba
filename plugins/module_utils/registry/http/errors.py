# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors made from responses (by status and the registry's own messages), rate limits, and URLs for messages."""

from __future__ import annotations

import re
import time
import typing as t
from urllib.parse import urlsplit

from ...errors import Denied, ImageNotFound, LongshoreError, RateLimited, RegistryError, UnsupportedFormat
from ...oci.document import Document
from ...oci.text import sanitise

_CAUSES: dict[int, tuple[type[LongshoreError], str]] = {
    401: (Denied, "refuses the credentials"),
    403: (Denied, "denies this"),
    404: (ImageNotFound, "doesn't have it"),
    407: (Denied, "is behind a proxy that asks for a user name and a password; give them in proxy, as http://USER:PASSWORD@HOST:PORT"),
    429: (RateLimited, "received too many requests; wait, log in, or use a mirror"),
}


# By authentication scheme. An identity token is sent in a form instead, and a client certificate by TLS.
_REFUSED_CREDENTIALS = {"Basic": "refuses this user name and password", "Bearer": "refuses the token for this request"}

_TUNNEL = re.compile(r"Tunnel connection failed: (?:403|407)\b")


class ErrorResponse(t.Protocol):
    """The part of a response that this module reads."""

    status: int
    url: str
    headers: t.Mapping[str, str]

    def body(self, limit: int) -> bytes: ...


def error_from_response(response: ErrorResponse, method: str, what: str, limit: int, authorization: str | None = None) -> LongshoreError:
    """Return the error for a response with a failing status. Reads at most LIMIT bytes of its body. AUTHORIZATION is the header that was sent."""
    messages = [] if method == "HEAD" else _registry_errors(response.body(limit))
    kind, cause = _CAUSES.get(response.status, (RegistryError, f"answered with status {response.status}"))
    if response.status == 401 and authorization is not None:
        cause = _REFUSED_CREDENTIALS.get(authorization.partition(" ")[0], cause)
    server = urlsplit(response.url).netloc.rpartition("@")[2]
    detail = f": {'; '.join(messages)}" if messages else _advice(response)
    return kind(sanitise(f"{what}: {server} {cause}{detail}"), status=response.status, registry_errors=messages)


def error_from_tunnel(what: str, server: str, reason: str) -> LongshoreError | None:
    """Return Denied if REASON, Python's message, says that a proxy refused the tunnel; None for other reasons."""
    return Denied(f"{what}: {server} can't be reached: {reason}") if _TUNNEL.search(reason) is not None else None


def _advice(response: ErrorResponse) -> str:
    """Return advice for a response without error messages of a registry."""
    if response.status == 400 and response.url.startswith("http:"):
        return "; if it speaks TLS, leave out plain_http"
    is_registry = any(name.lower() == "docker-distribution-api-version" for name in response.headers)
    return "" if is_registry or response.status != 404 else "; it may not be a registry"


def _registry_errors(body: bytes) -> list[str]:
    """Return `CODE: message` for each error in a body (distribution specification, Error Codes); nothing for bodies of another shape."""
    try:
        errors = Document.parse(body, "error").children("errors")
        return [sanitise(": ".join(filter(None, (error.text("code"), error.text("message")))), 300) for error in errors[:5]]
    except UnsupportedFormat:
        return []


def read_rate_limit(headers: t.Mapping[str, str]) -> tuple[int | None, int | None] | None:
    """Return the limit and the remaining pulls from Docker Hub's headers (`100;w=21600`), None if they are missing."""
    limit, remaining = (_leading_number(headers.get(name)) for name in ("RateLimit-Limit", "RateLimit-Remaining"))
    return None if limit is None and remaining is None else (limit, remaining)


RateLimit = t.Optional[tuple[t.Optional[int], t.Optional[int]]]


def lower_rate_limit(first: RateLimit, second: RateLimit) -> RateLimit:
    """Return the rate limit with fewer remaining pulls, the first if they are equal. One without a remaining count is used last."""
    limits = [limit for limit in (first, second) if limit is not None]
    return min(limits, key=lambda limit: (limit[1] is None, limit[1] or 0), default=None)


def parse_number(text: str | None) -> int | None:
    """Return the number in a header, None if it is not one. Numbers of 20 digits and more become 2**63: no memory or clock could hold them."""
    digits = (text or "").strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    return int(digits) if len(digits) < 20 else 2**63


def retry_after_seconds(retry_after: str | None) -> float | None:
    """Return the seconds in a `Retry-After` header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    seconds = parse_number(retry_after)
    if seconds is not None:
        return float(seconds)
    from email.utils import parsedate_to_datetime  # only few responses contain a date

    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _leading_number(text: str | None) -> int | None:
    match = re.match(r"\s*([0-9]{1,12})\b", text or "")
    return int(match.group(1)) if match else None


def describe_origin(url: str) -> str:
    """Return scheme, host and port of a URL, for a message."""
    parts = urlsplit(url)
    return sanitise(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", 300)


def redact_url(url: str) -> str:
    """Return a URL for a message, without user, password, query and fragment: these may be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the given address"
    return sanitise(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 300)
