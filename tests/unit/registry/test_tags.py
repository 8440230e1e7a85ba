# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of a registry: page by page, within limits, and from no other host."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import typing as t
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import ImageNotFound, RegistryError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.registry import tags
from ansible_collections.longshore.images.plugins.module_utils.registry.endpoint import Endpoint
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request, Response
from ansible_collections.longshore.images.plugins.module_utils.registry.mirror_fallback import MirrorFallback
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from tests.support.responses import FakeResponse

URL = "https://r.test"


@dataclasses.dataclass
class FakeEndpoint:
    """Responds by the query of a request."""

    answers: t.Callable[[str], FakeResponse]
    registry: str = "r.test"
    requests: list[str] = dataclasses.field(default_factory=list)

    def send(self, request: Request, repository: str) -> Response:
        query = urlsplit(request.url).query
        self.requests.append(request.url)
        answer = self.answers(query)
        if answer.status == 404:
            raise ImageNotFound("not there", status=404)
        assert answer.status in request.accepted
        return t.cast(Response, dataclasses.replace(answer, url=URL + request.url))


def names(key: str, *values: t.Any, links: t.Sequence[str] = ()) -> FakeResponse:
    return FakeResponse(json.dumps({key: values}).encode(), links)


def repository(endpoint: FakeEndpoint) -> Repository:
    as_endpoint = t.cast(Endpoint, endpoint)
    return Repository(as_endpoint, "team/app", "r.test", MirrorFallback([as_endpoint], "team/app"))


def tags_of(answers: t.Callable[[str], FakeResponse]) -> tuple[list[str] | None, list[str]]:
    endpoint = FakeEndpoint(answers)
    found = tags.list_tags(repository(endpoint), 2)
    return (None if found is None else [str(tag) for tag in found]), endpoint.requests


def pages(query: str) -> FakeResponse:
    """Return one of three pages with two tags each."""
    last = int(parse_qs(query).get("last", ["0"])[0])
    links = [f'</v2/team/app/tags/list?last={last + 2}&n=2>; rel="next"'] if last < 4 else []
    return names("tags", str(last), str(last + 1), links=links)


def test_pages_are_requested_until_there_is_no_next_link() -> None:
    found, requests = tags_of(pages)
    assert found == [f"r.test/team/app:{number}" for number in range(6)]
    assert requests == [f"/v2/team/app/tags/list?{query}" for query in ("n=2", "last=2&n=2", "last=4&n=2")]


@pytest.mark.parametrize(
    "link",
    [
        '<https://r.test/v2/team/app/tags/list?last=b>; rel="next"',
        "<https://r.test:443/v2/team/app/tags/list?last=b>;rel=next",
        '</elsewhere?last=b>; title="x"; rel="next"; y=z',
        '<?last=b>; REL="NEXT"',
        '</first>; rel="first", </v2/team/app/tags/list?last=b>; rel="next"',
        '</first>; title="a, <b>; rel=next"; rel=first, <?last=b>; ; rel="last next"; rel=prev,',
    ],
)
def test_the_next_page_is_requested_from_the_same_path(link: str) -> None:
    found, requests = tags_of(lambda query: names("tags", "b", links=[] if query == "last=b" else [link]))
    assert found == ["r.test/team/app:b"]
    assert requests[1:] == ["/v2/team/app/tags/list?last=b"]


@pytest.mark.parametrize("link", ['</x?last=b>; rel="prev"', "</x?last=b>", "", '<>; rel="nextish"', '</x?last=b>; rel="prev next2"'])
def test_a_header_without_a_next_link_ends_the_list(link: str) -> None:
    assert len(tags_of(lambda query: names("tags", "a", links=[link]))[1]) == 1


@pytest.mark.parametrize(
    "link",
    [
        "garbage",
        "/v2/?last=b",
        "</x?last=b",
        "<</x>; rel=next",
        '</x>; rel="next',
        "</x> rel=next",
        "</x>; rel=next y",
        "</x>; =next",
        "<a>; rel=next <b>",
    ],
)
def test_a_malformed_link_is_an_error_and_not_the_end_of_the_list(link: str) -> None:
    with pytest.raises(RegistryError, match="malformed Link"):
        tags_of(lambda query: names("tags", "a", links=[link]))


@pytest.mark.parametrize("start", ["<", "<a>;", "<a>; x=", '<a>; x="', "<a>; x=\\", ", ", "<a>, "])
def test_links_are_parsed_in_linear_time_and_ignored_above_8_kib(start: str) -> None:
    began = time.process_time()
    assert len(tags_of(lambda query: names("tags", "a", links=[start * (60_000 // len(start))] * 100))[1]) == 1
    with contextlib.suppress(RegistryError):
        tags_of(lambda query: names("tags", "a", links=[start * (8_192 // len(start))] * 100))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "address", ["https://evil.test/x?last=b", "http://r.test/x?last=b", "//evil.test/?last=b", "https://r.test:444/", "https://[x/", "ftp://r.test/"]
)
def test_a_list_that_continues_at_another_host_is_refused_without_a_request(address: str) -> None:
    endpoint = FakeEndpoint(lambda query: names("tags", "a", links=[f'<{address}>; rel="next"']))
    with pytest.raises(RegistryError, match="another host"):
        tags.list_tags(repository(endpoint))
    assert len(endpoint.requests) == 1


def test_a_list_that_repeats_a_page_is_refused() -> None:
    with pytest.raises(RegistryError, match="there already"):
        tags_of(lambda query: names("tags", "a", links=[f'<?n={"3" if query == "n=2" else "2"}>; rel="next"']))


def test_an_endless_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "MAX_PAGES", 10)
    with pytest.raises(RegistryError, match="10 pages"):
        tags_of(lambda query: names("tags", "a", links=[f'<?{query}1>; rel="next"']))


def test_more_names_than_are_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "MAX_NAMES", 10)
    with pytest.raises(RegistryError, match="more than the 10"):
        tags_of(lambda query: names("tags", *map(str, range(11))))


def test_a_registry_that_refuses_the_page_size_is_asked_without_one() -> None:
    found, requests = tags_of(lambda query: FakeResponse(b"", status=400) if query else names("tags", "a"))
    assert found == ["r.test/team/app:a"]
    assert requests == ["/v2/team/app/tags/list?n=2", "/v2/team/app/tags/list"]


def test_a_missing_repository_has_no_list_and_an_empty_one_has_an_empty_list() -> None:
    assert tags_of(lambda query: FakeResponse(b"", status=404))[0] is None
    assert tags_of(lambda query: FakeResponse(b'{"tags": null}'))[0] == []


def test_invalid_and_repeated_names_are_ignored() -> None:
    found, _asked = tags_of(lambda query: names("tags", "a", "../b", "", "a", "c d", "x" * 129, "e\n", "@sha256:" + "0" * 64, "f:1", ".g"))
    assert found == ["r.test/team/app:a"]
    endpoint = FakeEndpoint(lambda query: names("repositories", "a/b", "UPPER", "a:1", "a@sha256:" + "0" * 64, "", "/x", "../y", "b"))
    assert [found.context for found in tags.list_repositories(t.cast(Endpoint, endpoint))] == ["r.test/a/b", "r.test/b"]


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b'{"tags": "a"}', b'{"tags": [1]}', b'{"tags": {}}', b'{"tags": [], "tags": []}'])
def test_a_response_that_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="the tags of r"):
        tags_of(lambda query: FakeResponse(content))


def test_an_endless_response_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="longer than"):
        tags_of(lambda query: FakeResponse(bytes(5_000_000)))
