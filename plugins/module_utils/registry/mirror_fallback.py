# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from the mirrors of a registry, and from the registry itself if they fail."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import Denied, ImageNotFound, LongshoreError, RateLimited, RegistryError, Unreachable, UnsupportedFormat
from ..oci.digest import DigestMismatch
from .endpoint import Endpoint
from .http.messages import Request, Response

# Errors for which the next endpoint may succeed. All others are problems of this host, and trying on would hide them.
_FALLBACK_ERRORS = (Denied, DigestMismatch, ImageNotFound, RateLimited, RegistryError, Unreachable, UnsupportedFormat)

_Result = t.TypeVar("_Result")


class MirrorFallback:
    """The endpoints of one repository, in the order in which they are tried.

    A mirror that is unreachable is not used again in this run. One whose response broke off is skipped when the same URL is requested again, and one that
    sent wrong bytes for a URL is never asked for that URL again.
    """

    def __init__(self, endpoints: t.Sequence[Endpoint], repository: str) -> None:
        self._endpoints = endpoints
        self._repository = repository
        self.answered_by = endpoints[-1]
        self._served_by: dict[str, Endpoint] = {}
        self._mirrors_used: dict[str, set[Endpoint]] = {}
        self._bad_mirrors: dict[str, set[Endpoint]] = {}

    @property
    def last(self) -> Endpoint:
        """The endpoint that has everything: the registry itself, unless only mirrors may be read."""
        return self._endpoints[-1]

    def send(self, request: Request, by_tag: bool) -> Response:
        """Return the first usable response. A mirror is tried once, the last endpoint is retried; its error includes the errors of the mirrors."""
        return self.send_and_read(request, by_tag, lambda response: response)

    def send_and_read(self, request: Request, by_tag: bool, read: t.Callable[[Response], _Result]) -> _Result:
        """Return the result of READ for the first response that it accepts. If READ raises an error for a mirror's response, the next endpoint is tried."""
        interrupted = self._served_by.get(request.url) if request.deadline is not None else None
        skipped = {interrupted, *self._bad_mirrors.get(request.url, ())}
        endpoints = [endpoint for endpoint in self._usable_endpoints(by_tag) if endpoint not in skipped] or [self._endpoints[-1]]
        failures: list[str] = []
        for endpoint in endpoints[:-1]:
            try:
                response = endpoint.send(dataclasses.replace(request, repeatable=False), self._repository)
                if response.status != 404:
                    result = read(response)
                    self.answered_by = self._served_by[request.url] = endpoint
                    self._mirrors_used.setdefault(request.url, set()).add(endpoint)
                    return result
            except _FALLBACK_ERRORS as error:
                endpoint.is_down = endpoint.is_down or isinstance(error, Unreachable)
                failures.append(_describe_failure(endpoint, error, request))
                continue
            response.close()
            failures.append(f"{endpoint.registry} doesn't have it")
        self._served_by.pop(request.url, None)
        try:
            result = read(endpoints[-1].send(request, self._repository))
        except _FALLBACK_ERRORS as error:
            if failures:
                error.message = f"{error.message} (before that: {'; '.join(failures)})"
            raise
        self.answered_by = endpoints[-1]
        return result

    def report_bad_blob(self, url: str) -> bool:
        """Record that the mirrors which served URL sent wrong bytes. Return True if another endpoint can still serve it."""
        suspects = self._mirrors_used.pop(url, set()) - {self._endpoints[-1]}
        self._bad_mirrors.setdefault(url, set()).update(suspects)
        return bool(suspects)

    def _usable_endpoints(self, by_tag: bool) -> list[Endpoint]:
        usable = [endpoint for endpoint in self._endpoints if (endpoint.route.tags if by_tag else endpoint.route.digests)]
        reachable = [endpoint for endpoint in usable if not endpoint.is_down]
        return reachable or usable or [self._endpoints[-1]]


def _describe_failure(endpoint: Endpoint, error: LongshoreError, request: Request) -> str:
    """Return the message of a mirror's error, with the mirror's name."""
    message = error.message.removeprefix(f"{request.what}: ")
    return message if endpoint.route.host in message else f"{endpoint.registry}: {message}"
