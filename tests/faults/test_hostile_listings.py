# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of tags and repositories with pages that link to wrong places or never end."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.support.images import make_image
from tests.support.programmable import reactions
from tests.support.programmable.cases import Case, check_each
from tests.support.programmable.sandbox import ModuleRun, Sandbox
from tests.support.programmable.server import Reaction

TAGS = "GET */tags/list*"
COUNT = 30
ALL_TAGS = json.dumps({"name": "app", "tags": [f"v{number}" for number in range(COUNT)]}).encode()


def link(target: str) -> Reaction:
    return reactions.header("Link", f'<{target}>; rel="next"')


CASES = [
    Case("the next page at another host", TAGS, link("{evil}/v2/app/tags/list?last=x"), "registry_error", "another host", at_most={TAGS: 1}),
    Case("the next page without a host", TAGS, link("http:///v2/app/tags/list?last=x"), "registry_error", at_most={TAGS: 2}),
    Case("the next page at no address", TAGS, link("http://[::1"), "registry_error", at_most={TAGS: 1}),
    Case("the same page again and again", TAGS, link("/v2/app/tags/list?last=x"), "registry_error", "there already", at_most={TAGS: 2}),
    Case("a page that fails once", TAGS, reactions.instead(503), times=1, at_most={TAGS: 2}),
    Case("a page that breaks off once", TAGS, reactions.cut(10), times=1, at_most={TAGS: 2}),
    Case("a page for people", TAGS, reactions.instead(200, b"<html></html>"), "unsupported_format", at_most={TAGS: 1}),
    Case("tags that are no list", TAGS, reactions.instead(200, b'{"name": "app", "tags": {"1": 1}}'), "unsupported_format", at_most={TAGS: 1}),
    Case("a page without an end", TAGS, reactions.instead(200, b"x" * 1_000_000, repeat=10_000, framing="chunks"), "unsupported_format"),
    Case("tags that nobody could ask for", TAGS, reactions.body(lambda data: data.replace(b'"v0"', json.dumps("../\x1b[2J").encode() + b', "v0"'))),
    Case(
        "a next page that is no link",
        TAGS,
        reactions.header("Link", "/v2/app/tags/list?last=x"),
        "registry_error",
        "malformed Link",
        at_most={TAGS: 1},
    ),
    Case("links of sixty thousand characters", TAGS, reactions.instead(200, ALL_TAGS, *[("Link", "<" * 60_000)] * 5)),
    Case("a list at another host", TAGS, reactions.redirect("{evil}{target}")),
]


def check_tags(sandbox: Sandbox, case: Case) -> ModuleRun:
    for number in range(COUNT):
        sandbox.distribution.put(make_image("small", 1), "app", f"v{number}")
    sandbox.script(*case.faults)
    outcome = sandbox.run(
        "image_search_info", with_store=False, registry=sandbox.registry.host, term="app", list_tags=True, timeout=3, retries=2, **sandbox.access()
    )
    for pattern, most in case.at_most.items():
        assert sandbox.registry.count(pattern) <= most
    assert outcome.seconds < case.within
    if case.error is None:
        assert not outcome.failed, outcome.results["msg"]
        assert len(outcome.results["results"][0]["tags"]) == COUNT
    else:
        assert outcome.failed
        assert outcome.results["error"] == case.error, outcome.results["msg"]
        assert case.message in outcome.results["msg"]
        assert sandbox.registry.host in outcome.results["msg"]
    return outcome


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_list_is_read_completely_from_its_own_registry_or_refused(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_tags, case)
