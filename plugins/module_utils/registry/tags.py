# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of a registry: the tags of a repository, and all repositories (distribution specification, Content Discovery)."""

from __future__ import annotations

import dataclasses
import functools
import time
import typing as t
from urllib.parse import urljoin, urlsplit

from ..errors import ImageNotFound, InvalidReference, RegistryError, Unreachable
from ..limits import LIST_SECONDS, MAX_DOCUMENT, MAX_LIST_BYTES
from ..limits import MAX_LIST_PAGES as MAX_PAGES
from ..limits import MAX_LISTED_NAMES as MAX_NAMES
from ..oci.document import Document
from ..oci.reference import Reference
from .endpoint import Endpoint
from .http.errors import describe_origin
from .http.link_header import next_target
from .http.messages import Request, Response
from .http.urls import url_origin
from .repository import Repository

PAGE_SIZE = 1000


@dataclasses.dataclass(frozen=True)
class TagList:
    """All tags of a repository, in the registry's order. `unusable` are listed names that no client can request, so their manifests are unknown."""

    tags: tuple[Reference, ...] = ()
    unusable: tuple[str, ...] = ()


def list_tags(repository: Repository, page_size: int = PAGE_SIZE) -> list[Reference] | None:
    """Return the tags of a repository that can be requested; None if the registry doesn't have the repository. Raises the errors of `read_tag_list`."""
    found = read_tag_list(repository, page_size)
    return list(found.tags) if found is not None else None


def read_tag_list(repository: Repository, page_size: int = PAGE_SIZE) -> TagList | None:
    """Return all tags of a repository; None if the registry doesn't have the repository.

    Raises RegistryError for more tags or pages than are allowed, UnsupportedFormat for responses that are no lists of tags.
    """
    parent = Reference(repository.registry, repository.repository)
    what = f"the tags of {repository.name}"
    path = f"/v2/{repository.repository}/tags/list"
    unusable: list[str] = []

    def read(name: str) -> Reference:
        try:
            return parent.with_tag(name)
        except InvalidReference:
            unusable.append(name)
            raise

    try:
        tags = tuple(_list_names(repository.endpoint, repository.repository, path, "tags", what, page_size, read))
    except ImageNotFound:
        return None
    return TagList(tags, tuple(unusable))


def list_repositories(endpoint: Endpoint, page_size: int = PAGE_SIZE) -> t.Iterator[Reference]:
    """Return all repositories of a registry, each as a reference; a page is requested after the previous one was read.

    Raises the errors of `read_tag_list`, and Denied, ImageNotFound or RegistryError if the registry shows no catalog.
    """
    what = f"the catalog of {endpoint.registry}"

    def read(name: str) -> Reference:
        return repository_reference(endpoint.registry, name)

    return _list_names(endpoint, "", "/v2/_catalog", "repositories", what, page_size, read)


def repository_reference(registry: str, name: str) -> Reference:
    """Return the reference for the repository that its registry calls NAME. Raises InvalidReference for an invalid name."""
    reference = Reference.parse(f"{registry}/{name}")
    if not reference.repository.endswith(name):
        raise InvalidReference(f"{name!r} is not a repository")
    return reference


def _list_names(
    endpoint: Endpoint, repository: str, path: str, key: str, what: str, page_size: int, read: t.Callable[[str], Reference]
) -> t.Iterator[Reference]:
    seen: set[str] = set()
    for page in read_pages(endpoint, repository, path, what, page_size):
        for name in page.texts(key, None):
            if name in seen:
                continue
            seen.add(name)
            if len(seen) > MAX_NAMES:
                raise RegistryError(f"{what}: there are more than the {MAX_NAMES} that are allowed")
            try:
                reference = read(name)
            except InvalidReference:
                continue  # not a valid name: it couldn't be requested
            yield reference


class ListBudget:
    """Limits for the list WHAT: how many bytes all its pages may have, and how long they may take. Time between two requests doesn't count."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bytes = 0
        self._seconds = 0.0

    def read(self, send: t.Callable[[], Response]) -> tuple[Response, bytes]:
        """Return the response to one request for a page, and its body. Raises RegistryError for too many bytes, Unreachable if all pages take too long."""
        started = time.monotonic()
        response = send()
        data = response.body(MAX_DOCUMENT)
        self._seconds += time.monotonic() - started
        self._bytes += len(data)
        if self._bytes > MAX_LIST_BYTES:
            raise RegistryError(f"{self._what}: all pages together are longer than the {MAX_LIST_BYTES} bytes that are allowed")
        if self._seconds > LIST_SECONDS:
            raise Unreachable(f"{self._what}: its pages took more than the {LIST_SECONDS:.0f} seconds that are allowed")
        return response, data


def read_pages(
    endpoint: Endpoint, repository: str, path: str, what: str, page_size: int | None, accept: str = "application/json"
) -> t.Iterator[Document]:
    """Yield the pages of a list. Raises the errors of `read_tag_list`, and ImageNotFound."""

    def request_page(query: str, accepted: tuple[int, ...] = (200,)) -> Response:
        return endpoint.send(
            Request("GET", f"{path}?{query}" if query else path, what, headers={"Accept": accept}, accepted=accepted, limit=MAX_DOCUMENT),
            repository,
        )

    budget = ListBudget(what)
    seen_queries: set[str] = set()
    query = f"n={page_size}" if page_size is not None else ""
    response, data = budget.read(lambda: request_page(query, (200, 400) if query else (200,)))
    if response.status == 400:  # a registry may refuse a page size instead of sending smaller pages
        response, data = budget.read(lambda: request_page(""))
    while True:
        yield Document.parse(data, what)
        seen_queries.add(query)
        next_query = _next_query(response, what)
        if next_query is None:
            return
        if next_query in seen_queries:
            raise RegistryError(f"{what}: {endpoint.registry} sends a page of the list that was there already")
        if len(seen_queries) >= MAX_PAGES:
            raise RegistryError(f"{what}: there are more than the {MAX_PAGES} pages that are allowed")
        query = next_query
        response, data = budget.read(functools.partial(request_page, query))


def _next_query(response: Response, what: str) -> str | None:
    """Return the query for the next page. Only the query of the link is used, so that the page is requested where this one was."""
    address = next_target(response.header_values("Link"), what)
    if address is None:
        return None
    try:
        target: str = urljoin(response.url, address)
        same = url_origin(target) == url_origin(response.url)
    except ValueError:
        same = False
    if not same:
        raise RegistryError(f"{what}: {describe_origin(response.url)} continues the list at another host, which is refused")
    return urlsplit(target).query
