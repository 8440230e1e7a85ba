# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registries on the page of a report."""

from __future__ import annotations

import typing as t

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from tests.support.pages import Element, read_page


def repository(name: str, *going: str, msg: str | None = None, **numbers: int) -> dict[str, t.Any]:
    return {"name": name, "tags": 3, "images": 2, "size": 2_000_000, "size_shared": 500_000, "removed_tags": list(going), "msg": msg, **numbers}


def section(answers: dict[str, t.Any]) -> Element:
    return read_page(report_page({}, registries=answers)).one(id="registries")


def test_repositories_have_their_sizes_and_what_the_policy_would_remove() -> None:
    rows = [repository("r.test/app", "1", "2"), repository("r.test/web"), repository("r.test/odd", msg="r.test/odd:1 is odd")]
    found = section(
        {"r.test": {"repositories": rows, "registry_size": 5_500_000, "bytes_freed": 1_200_000, "failed": True, "msg": "r.test/odd:1 is odd"}}
    )
    assert found.one("table").table() == [
        ["r.test/app", "3", "2", "2.0 MB", "500.0 kB", "1, 2"],
        ["r.test/web", "3", "2", "2.0 MB", "500.0 kB", "nothing"],
        ["r.test/odd", "3", "2", "2.0 MB", "500.0 kB", "r.test/odd:1 is odd"],
    ]
    assert "5.5 MB in 3 repositories. The policy would remove 2 tags and free 1.2 MB." in found.text


def test_a_registry_that_gave_no_answer_is_shown_with_the_reason() -> None:
    found = section({"r.test": {"failed": True, "msg": "r.test can't be reached"}, "s.test": {}})
    assert "r.test can't be reached" in found.text
    assert "It wasn't asked." in found.text
    assert found.all("table") == []


def test_text_of_a_registry_is_no_markup() -> None:
    rows = [repository("r.test/<b>", "<i>{{ 1 }}", msg=None)]
    found = section({"<u>": {"repositories": rows, "registry_size": 1, "bytes_freed": 1}})
    assert found.all("b") == found.all("i") == found.all("u") == []
    assert "<i>{{ 1 }}" in found.text


def test_a_page_without_registries_has_no_such_section() -> None:
    assert 'id="registries"' not in report_page({})
