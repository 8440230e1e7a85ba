# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from the mirrors of a registry, and from itself where they fail."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import Denied, DigestMismatch, ImageNotFound, LongshoreError, RateLimited, RegistryError, Unreachable, UnsupportedFormat
from .endpoint import Endpoint
from .http.messages import Request, Response

# What another way may mend. Everything else is wrong on this host, and would be hidden.
_PASSING_ON = (Denied, DigestMismatch, ImageNotFound, RateLimited, RegistryError, Unreachable, UnsupportedFormat)

_Taken = t.TypeVar("_Taken")


class MirrorFallback:
    """The ways to one repository, in the order in which they are asked.

    A mirror that can't be reached is not asked again in this run, and one whose answer broke off is passed over when the same is asked for again. What
    it gave wrongly it isn't asked for again either.
    """

    def __init__(self, endpoints: t.Sequence[Endpoint], repository: str) -> None:
        self._endpoints = endpoints
        self._repository = repository
        self.answered_by = endpoints[-1]
        self._given: dict[str, Endpoint] = {}
        self._suspects: dict[str, set[Endpoint]] = {}
        self._liars: dict[str, set[Endpoint]] = {}

    @property
    def last(self) -> Endpoint:
        """The way that has everything: the registry itself, where it may be read from."""
        return self._endpoints[-1]

    def send(self, request: Request, by_tag: bool) -> Response:
        """The first answer of use. A mirror is tried once, the last way as often as it takes; its error tells of the others too."""
        return self.take(request, by_tag, lambda response: response)

    def take(self, request: Request, by_tag: bool, read: t.Callable[[Response], _Taken]) -> _Taken:
        """What READ makes of the first answer that it can read: where it refuses a mirror's, the next is asked."""
        broken = self._given.get(request.url) if request.deadline is not None else None
        passed_over = {broken, *self._liars.get(request.url, ())}
        ways = [endpoint for endpoint in self._ways(by_tag) if endpoint not in passed_over] or [self._endpoints[-1]]
        told: list[str] = []
        for endpoint in ways[:-1]:
            try:
                response = endpoint.send(dataclasses.replace(request, repeatable=False), self._repository)
                if response.status != 404:
                    taken = read(response)
                    self.answered_by = self._given[request.url] = endpoint
                    self._suspects.setdefault(request.url, set()).add(endpoint)
                    return taken
            except _PASSING_ON as error:
                endpoint.is_down = endpoint.is_down or isinstance(error, Unreachable)
                told.append(_told_by(endpoint, error, request))
                continue
            response.close()
            told.append(f"{endpoint.registry} doesn't have it")
        self._given.pop(request.url, None)
        try:
            taken = read(ways[-1].send(request, self._repository))
        except _PASSING_ON as error:
            if told:
                error.message = f"{error.message} (before that: {'; '.join(told)})"
            raise
        self.answered_by = ways[-1]
        return taken

    def report_bad_blob(self, url: str) -> bool:
        """What was given at URL turned out wrong: the mirrors that gave it aren't asked for it again. False where no other way is left."""
        suspects = self._suspects.pop(url, set()) - {self._endpoints[-1]}
        self._liars.setdefault(url, set()).update(suspects)
        return bool(suspects)

    def _ways(self, by_tag: bool) -> list[Endpoint]:
        usable = [endpoint for endpoint in self._endpoints if (endpoint.route.tags if by_tag else endpoint.route.digests)]
        up = [endpoint for endpoint in usable if not endpoint.is_down]
        return up or usable or [self._endpoints[-1]]


def _told_by(endpoint: Endpoint, error: LongshoreError, request: Request) -> str:
    """What a mirror's error says, who it is included."""
    words = error.message.removeprefix(f"{request.what}: ")
    return words if endpoint.route.host in words else f"{endpoint.registry}: {words}"
