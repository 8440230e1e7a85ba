# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding repositories: by docker.io's search, and by the catalog of other registries."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from urllib.parse import urlencode

from ..errors import InvalidReference, LongshoreError
from ..limits import MAX_DOCUMENT, MAX_SEARCH_PAGES
from ..oci.document import Document
from ..oci.reference import DOCKER_HUB, Reference
from ..oci.text import sanitise
from ..registry import tags as listing
from .endpoint import Endpoint
from .http.messages import Request
from .registries import Registries

HUB_SEARCH = "https://index.docker.io/v1/search"
MAX_PAGE_SIZE = 100

_NO_CATALOG = frozenset((400, 401, 403, 404, 405, 501))


@dataclasses.dataclass(frozen=True)
class FoundRepository:
    """One repository. The fields that only docker.io returns are None for other registries."""

    reference: Reference
    description: str | None = None
    stars: int | None = None
    official: bool | None = None
    automated: bool | None = None


def search_repositories(registries: Registries, registry: str, term: str) -> t.Iterator[FoundRepository]:
    """Return the repositories of REGISTRY that match TERM, in the registry's order. A page is requested after the previous one was read."""
    if registry == DOCKER_HUB:
        return _search_hub(registries.endpoint(registry), term)
    return _search_catalog(registries, registry, term)


def _search_hub(endpoint: Endpoint, term: str) -> t.Iterator[FoundRepository]:
    what = f"search at {endpoint.registry} for {sanitise(term, 200)!r}"
    budget = listing.ListBudget(what)
    for number in range(1, MAX_SEARCH_PAGES + 1):
        url = f"{HUB_SEARCH}?{urlencode({'q': term, 'n': MAX_PAGE_SIZE, 'page': number})}"
        request = Request("GET", url, what, headers={"Accept": "application/json"}, limit=MAX_DOCUMENT)
        _response, data = budget.read(functools.partial(endpoint.send, request, ""))
        page = Document.parse(data, what)
        rows = page.children("results")
        for row in rows:
            try:
                reference = listing.repository_reference(endpoint.registry, row.required_text("name"))
            except InvalidReference:
                continue  # not a valid name: it couldn't be pulled
            description = row.text("description")
            yield FoundRepository(
                reference=reference,
                description=sanitise(description) if description is not None else None,
                stars=row.number("star_count") or 0,
                official=row.boolean("is_official") or False,
                automated=row.boolean("is_automated") or False,
            )
        if not rows or number >= (page.number("num_pages") or 1):
            return


def _search_catalog(registries: Registries, registry: str, term: str) -> t.Iterator[FoundRepository]:
    """Yield the repositories with TERM in their names. Public registries show no catalog: then yield the repository that is called exactly TERM."""
    wanted = term.lower()
    try:
        for reference in listing.list_repositories(registries.endpoint(registry)):
            if wanted in reference.repository:
                yield FoundRepository(reference)
    except LongshoreError as error:
        if error.status not in _NO_CATALOG:
            raise
        exact = _find_exact(registries, registry, term)
        if exact is None:
            raise
        yield FoundRepository(exact)


def _find_exact(registries: Registries, registry: str, name: str) -> Reference | None:
    try:
        reference = listing.repository_reference(registry, name)
    except InvalidReference:
        return None
    return reference if listing.list_tags(registries.repository(reference)) is not None else None
