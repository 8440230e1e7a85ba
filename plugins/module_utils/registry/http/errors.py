# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer says: failures by their status and the registry's own words, and how much of a quota is left."""

from __future__ import annotations

import re
import time
import typing as t
from urllib.parse import urlsplit

from ...errors import Denied, ImageNotFound, LongshoreError, RateLimited, RegistryError, UnsupportedFormat
from ...oci.document import Document
from ...oci.text import sanitise

_CAUSES: dict[int, tuple[type[LongshoreError], str]] = {
    401: (Denied, "refuses what it was given for credentials"),
    403: (Denied, "denies this"),
    404: (ImageNotFound, "doesn't have it"),
    407: (Denied, "is behind a proxy that asks for a user name and a password; give them in proxy, as http://USER:PASSWORD@HOST:PORT"),
    429: (RateLimited, "has had too many requests; wait, log in, or use a mirror"),
}


# By the scheme with which they were sent; an identity token goes in a form, and a client certificate below HTTP.
_REFUSED = {"Basic": "refuses this user name and password", "Bearer": "refuses the token that was got for this"}

_TUNNEL = re.compile(r"Tunnel connection failed: (?:403|407)\b")


class Answer(t.Protocol):
    """The part of a response that this room reads."""

    status: int
    url: str
    headers: t.Mapping[str, str]

    def body(self, limit: int) -> bytes: ...


def error_from_response(response: Answer, method: str, what: str, limit: int, authorization: str | None = None) -> LongshoreError:
    """The error that a response with a failing status stands for. Its body is read, at most LIMIT bytes of it. AUTHORIZATION is what it was asked with."""
    told = [] if method == "HEAD" else _registry_errors(response.body(limit))
    kind, words = _CAUSES.get(response.status, (RegistryError, f"answered with status {response.status}"))
    if response.status == 401 and authorization is not None:
        words = _REFUSED.get(authorization.partition(" ")[0], words)
    place = urlsplit(response.url).netloc.rpartition("@")[2]
    detail = f": {'; '.join(told)}" if told else _hint(response)
    return kind(sanitise(f"{what}: {place} {words}{detail}"), status=response.status, registry_errors=told)


def error_from_tunnel(what: str, place: str, reason: str) -> LongshoreError | None:
    """The error that REASON, in the words of Python, stands for where a proxy wants no tunnel made for us; None where it says something else."""
    return Denied(f"{what}: {place} can't be reached: {reason}") if _TUNNEL.search(reason) is not None else None


def _hint(response: Answer) -> str:
    """What an answer without a registry's own words makes likely."""
    if response.status == 400 and response.url.startswith("http:"):
        return "; if it speaks TLS, leave out plain_http"
    is_registry = any(name.lower() == "docker-distribution-api-version" for name in response.headers)
    return "" if is_registry or response.status != 404 else "; it may be no registry at all"


def _registry_errors(body: bytes) -> list[str]:
    """`CODE: message` of each error (distribution specification, Error Codes); nothing from bodies of any other shape."""
    try:
        errors = Document.parse(body, "error").children("errors")
        return [sanitise(": ".join(filter(None, (error.text("code"), error.text("message")))), 300) for error in errors[:5]]
    except UnsupportedFormat:
        return []


def rate_limit_of(headers: t.Mapping[str, str]) -> tuple[int | None, int | None] | None:
    """Limit and remaining pulls as Docker Hub tells them (`100;w=21600`), None where it doesn't."""
    limit, remaining = (_leading_number(headers.get(name)) for name in ("RateLimit-Limit", "RateLimit-Remaining"))
    return None if limit is None and remaining is None else (limit, remaining)


Quota = t.Optional[tuple[t.Optional[int], t.Optional[int]]]


def lower_limit(one: Quota, other: Quota) -> Quota:
    """The quota of which less is left, the first where it is the same; one that isn't told in full gives way."""
    told = [quota for quota in (one, other) if quota is not None]
    return min(told, key=lambda quota: (quota[1] is None, quota[1] or 0), default=None)


def parse_number(text: str | None) -> int | None:
    """The number that a header's value is. Any that no memory or clock could hold is as large as can be."""
    digits = (text or "").strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    return int(digits) if len(digits) < 20 else 2**63


def retry_after_seconds(retry_after: str | None) -> float | None:
    """Return the seconds from a `Retry-After` header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    seconds = parse_number(retry_after)
    if seconds is not None:
        return float(seconds)
    from email.utils import parsedate_to_datetime  # for the few answers that hold a date

    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _leading_number(text: str | None) -> int | None:
    match = re.match(r"\s*([0-9]{1,12})\b", text or "")
    return int(match.group(1)) if match else None


def host_of(url: str) -> str:
    """Scheme, host and port of a URL, for a message."""
    parts = urlsplit(url)
    return sanitise(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", 300)


def redact_url(url: str) -> str:
    """A URL for a message: user, password, query and fragment may be secrets and are left out."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address given"
    return sanitise(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 300)
