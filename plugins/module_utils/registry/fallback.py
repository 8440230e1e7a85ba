# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from the mirrors of a registry, and from itself where they fail."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import Denied, ImageNotFound, LongshoreError, RateLimited, RegistryError, Unreachable
from .endpoint import Endpoint
from .http import Request, Response

# What another way may mend. Everything else is wrong on this host, and would be hidden.
_PASSING_ON = (Denied, ImageNotFound, RateLimited, RegistryError, Unreachable)


class Fallback:
    """The ways to one repository, in the order in which they are asked.

    A mirror that can't be reached is not asked again in this run, and one whose answer broke off is passed over when the same is asked for again.
    """

    def __init__(self, endpoints: t.Sequence[Endpoint], repository: str) -> None:
        self._endpoints = endpoints
        self._repository = repository
        self.answered_by = endpoints[-1]
        self._given: dict[str, Endpoint] = {}

    def send(self, request: Request, by_tag: bool) -> Response:
        """The first answer of use. A mirror is tried once, the last way as often as it takes; its error tells of the others too."""
        broken = self._given.get(request.url) if request.deadline is not None else None
        ways = [endpoint for endpoint in self._ways(by_tag) if endpoint is not broken] or [self._endpoints[-1]]
        told: list[str] = []
        for endpoint in ways[:-1]:
            try:
                response = endpoint.send(dataclasses.replace(request, repeatable=False), self._repository)
            except _PASSING_ON as error:
                endpoint.is_down = endpoint.is_down or isinstance(error, Unreachable)
                told.append(_without_subject(error, request))
                continue
            if response.status != 404:
                self.answered_by = self._given[request.url] = endpoint
                return response
            response.close()
            told.append(f"{endpoint.registry} doesn't have it")
        self._given.pop(request.url, None)
        try:
            response = ways[-1].send(request, self._repository)
        except _PASSING_ON as error:
            if told:
                error.message = f"{error.message} (before that: {'; '.join(told)})"
            raise
        self.answered_by = ways[-1]
        return response

    def _ways(self, by_tag: bool) -> list[Endpoint]:
        usable = [endpoint for endpoint in self._endpoints if (endpoint.route.tags if by_tag else endpoint.route.digests)]
        up = [endpoint for endpoint in usable if not endpoint.is_down]
        return up or usable or [self._endpoints[-1]]


def _without_subject(error: LongshoreError, request: Request) -> str:
    return error.message.removeprefix(f"{request.what}: ")
