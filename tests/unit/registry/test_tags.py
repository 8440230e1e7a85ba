# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of a registry: page after page, within bounds, and from nobody else."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import typing as t
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import ImageNotFound, RegistryError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.registry import tags as listing
from ansible_collections.longshore.images.plugins.module_utils.registry.endpoint import Endpoint
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request, Response
from ansible_collections.longshore.images.plugins.module_utils.registry.mirror_fallback import MirrorFallback
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository

URL = "https://r.test"


@dataclasses.dataclass
class Answer:
    """What an endpoint returns, as far as lists are concerned."""

    content: bytes
    links: t.Sequence[str] = ()
    status: int = 200
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    url: str = ""
    what: str = "the list"

    def header_values(self, name: str) -> list[str]:
        return list(self.links) if name == "Link" else []

    def body(self, limit: int) -> bytes:
        return self.content[: limit + 1]

    def close(self) -> None:
        """Nothing is open."""


@dataclasses.dataclass
class FakeEndpoint:
    """Answers by the query that is asked for."""

    answers: t.Callable[[str], Answer]
    registry: str = "r.test"
    asked: list[str] = dataclasses.field(default_factory=list)

    def send(self, request: Request, repository: str) -> Response:
        query = urlsplit(request.url).query
        self.asked.append(request.url)
        answer = self.answers(query)
        if answer.status == 404:
            raise ImageNotFound("not there", status=404)
        assert answer.status in request.accepted
        return t.cast(Response, dataclasses.replace(answer, url=URL + request.url))


def names(key: str, *values: t.Any, links: t.Sequence[str] = ()) -> Answer:
    return Answer(json.dumps({key: values}).encode(), links)


def repository(endpoint: FakeEndpoint) -> Repository:
    way = t.cast(Endpoint, endpoint)
    return Repository(way, "team/app", "r.test", MirrorFallback([way], "team/app"))


def tags_of(answers: t.Callable[[str], Answer]) -> tuple[list[str] | None, list[str]]:
    endpoint = FakeEndpoint(answers)
    found = listing.list_tags(repository(endpoint), 2)
    return (None if found is None else [str(tag) for tag in found]), endpoint.asked


def pages(query: str) -> Answer:
    """Two tags on each of three pages."""
    last = int(parse_qs(query).get("last", ["0"])[0])
    links = [f'</v2/team/app/tags/list?last={last + 2}&n=2>; rel="next"'] if last < 4 else []
    return names("tags", str(last), str(last + 1), links=links)


def test_pages_follow_each_other_until_none_is_announced() -> None:
    found, asked = tags_of(pages)
    assert found == [f"r.test/team/app:{number}" for number in range(6)]
    assert asked == [f"/v2/team/app/tags/list?{query}" for query in ("n=2", "last=2&n=2", "last=4&n=2")]


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
def test_a_next_page_is_asked_for_where_the_first_one_was(link: str) -> None:
    found, asked = tags_of(lambda query: names("tags", "b", links=[] if query == "last=b" else [link]))
    assert found == ["r.test/team/app:b"]
    assert asked[1:] == ["/v2/team/app/tags/list?last=b"]


@pytest.mark.parametrize("link", ['</x?last=b>; rel="prev"', "</x?last=b>", "", '<>; rel="nextish"', '</x?last=b>; rel="prev next2"'])
def test_what_announces_no_next_page_ends_the_list(link: str) -> None:
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
def test_a_list_that_goes_on_at_another_host_is_refused_and_nobody_is_asked(address: str) -> None:
    endpoint = FakeEndpoint(lambda query: names("tags", "a", links=[f'<{address}>; rel="next"']))
    with pytest.raises(RegistryError, match="another host"):
        listing.list_tags(repository(endpoint))
    assert len(endpoint.asked) == 1


def test_a_list_that_goes_round_in_circles_is_refused() -> None:
    with pytest.raises(RegistryError, match="there already"):
        tags_of(lambda query: names("tags", "a", links=[f'<?n={"3" if query == "n=2" else "2"}>; rel="next"']))


def test_a_list_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_PAGES", 10)
    with pytest.raises(RegistryError, match="10 pages"):
        tags_of(lambda query: names("tags", "a", links=[f'<?{query}1>; rel="next"']))


def test_more_names_than_are_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_NAMES", 10)
    with pytest.raises(RegistryError, match="more than the 10"):
        tags_of(lambda query: names("tags", *map(str, range(11))))


def test_a_registry_that_refuses_large_pages_is_asked_for_its_own() -> None:
    found, asked = tags_of(lambda query: Answer(b"", status=400) if query else names("tags", "a"))
    assert found == ["r.test/team/app:a"]
    assert asked == ["/v2/team/app/tags/list?n=2", "/v2/team/app/tags/list"]


def test_a_repository_that_is_not_there_has_no_list_and_an_empty_one_is_empty() -> None:
    assert tags_of(lambda query: Answer(b"", status=404))[0] is None
    assert tags_of(lambda query: Answer(b'{"tags": null}'))[0] == []


def test_names_that_nobody_could_ask_for_and_repeated_ones_are_left_out() -> None:
    found, _asked = tags_of(lambda query: names("tags", "a", "../b", "", "a", "c d", "x" * 129, "e\n", "@sha256:" + "0" * 64, "f:1", ".g"))
    assert found == ["r.test/team/app:a"]
    endpoint = FakeEndpoint(lambda query: names("repositories", "a/b", "UPPER", "a:1", "a@sha256:" + "0" * 64, "", "/x", "../y", "b"))
    assert [found.context for found in listing.list_repositories(t.cast(Endpoint, endpoint))] == ["r.test/a/b", "r.test/b"]


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b'{"tags": "a"}', b'{"tags": [1]}', b'{"tags": {}}', b'{"tags": [], "tags": []}'])
def test_an_answer_that_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="the tags of r"):
        tags_of(lambda query: Answer(content))


def test_an_answer_that_never_ends_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="longer than"):
        tags_of(lambda query: Answer(bytes(5_000_000)))
