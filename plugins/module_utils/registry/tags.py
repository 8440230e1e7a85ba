# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry lists: the tags of a repository, and its repositories (distribution specification, Content Discovery)."""

from __future__ import annotations

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
from .http.errors import host_of
from .http.link_header import next_target
from .http.messages import Request, Response
from .http.urls import url_origin
from .repository import Repository

PAGE_SIZE = 1000


def list_tags(repository: Repository, page_size: int = PAGE_SIZE) -> list[Reference] | None:
    """All tags of a repository in the registry's order, each as a reference; None where the registry doesn't have the repository.

    Raises RegistryError for more tags or pages than are allowed, UnsupportedFormat for answers that are no lists of tags.
    """
    parent = Reference(repository.registry, repository.repository)
    what = f"the tags of {repository.name}"
    path = f"/v2/{repository.repository}/tags/list"
    try:
        return list(_names(repository.endpoint, repository.repository, path, "tags", what, page_size, parent.tagged))
    except ImageNotFound:
        return None


def list_repositories(endpoint: Endpoint, page_size: int = PAGE_SIZE) -> t.Iterator[Reference]:
    """All repositories of a registry, each as a reference; a page is asked for when the one before has been read.

    Raises as `tags` does, and Denied, ImageNotFound or RegistryError where the registry doesn't show what it has.
    """
    what = f"the catalog of {endpoint.registry}"

    def read(name: str) -> Reference:
        return repository_reference(endpoint.registry, name)

    return _names(endpoint, "", "/v2/_catalog", "repositories", what, page_size, read)


def repository_reference(registry: str, name: str) -> Reference:
    """A repository by the name that its registry gives it. Raises InvalidReference for what is no such name."""
    reference = Reference.parse(f"{registry}/{name}")
    if not reference.repository.endswith(name):
        raise InvalidReference(f"{name!r} is not a repository")
    return reference


def _names(
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
                continue  # nobody could ask for it by such a name
            yield reference


class ListBudget:
    """How many bytes all pages of the list WHAT may have, and how long all of them may take to come. What is done between two pages doesn't count."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bytes = 0
        self._seconds = 0.0

    def read(self, ask: t.Callable[[], Response]) -> tuple[Response, bytes]:
        """Return the answer to one request for a page, and its body. Raises RegistryError for too many bytes, Unreachable when all took too long."""
        began = time.monotonic()
        response = ask()
        data = response.body(MAX_DOCUMENT)
        self._seconds += time.monotonic() - began
        self._bytes += len(data)
        if self._bytes > MAX_LIST_BYTES:
            raise RegistryError(f"{self._what}: all pages together are longer than the {MAX_LIST_BYTES} bytes that are allowed")
        if self._seconds > LIST_SECONDS:
            raise Unreachable(f"{self._what}: its pages took more than the {LIST_SECONDS:.0f} seconds that are allowed")
        return response, data


def read_pages(
    endpoint: Endpoint, repository: str, path: str, what: str, page_size: int | None, accept: str = "application/json"
) -> t.Iterator[Document]:
    """The pages of a list, one after the other. Raises as `tags` does, and ImageNotFound."""

    def answer(query: str, accepted: tuple[int, ...] = (200,)) -> Response:
        return endpoint.send(
            Request("GET", f"{path}?{query}" if query else path, what, {"Accept": accept}, accepted=accepted, limit=MAX_DOCUMENT),
            repository,
        )

    budget = ListBudget(what)
    asked: set[str] = set()
    query = f"n={page_size}" if page_size is not None else ""
    response, data = budget.read(lambda: answer(query, (200, 400) if query else (200,)))
    if response.status == 400:  # a registry may refuse pages of this size instead of giving smaller ones
        response, data = budget.read(lambda: answer(""))
    while True:
        yield Document.parse(data, what)
        asked.add(query)
        following = _next_query(response, what)
        if following is None:
            return
        if following in asked:
            raise RegistryError(f"{what}: {endpoint.registry} gives a page that was there already as the next one")
        if len(asked) >= MAX_PAGES:
            raise RegistryError(f"{what}: there are more than the {MAX_PAGES} pages that are allowed")
        query = following
        response, data = budget.read(functools.partial(answer, query))


def _next_query(response: Response, what: str) -> str | None:
    """Where the list goes on: the query alone, so that whatever address a registry believes to have, the next page is asked for where this one was."""
    address = next_target(response.header_values("Link"), what)
    if address is None:
        return None
    try:
        target: str = urljoin(response.url, address)
        same = url_origin(target) == url_origin(response.url)
    except ValueError:
        same = False
    if not same:
        raise RegistryError(f"{what}: {host_of(response.url)} lets the list go on at another host, which is refused")
    return urlsplit(target).query
