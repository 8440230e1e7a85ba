# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bases of images on the page of a report."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from tests.support.answers import Row, answer, digest, row
from tests.support.pages import Element, read_page

APP = "registry.example.com/team/app:1"
BASE = "docker.io/library/debian:12"
NEWEST = digest("newest")


def base(current: str | None, **other: t.Any) -> Row:
    """Return what a host says about the base of an image: its registry has CURRENT now."""
    is_current = None if current is None else current == digest("base")
    return {"name": BASE, "digest": digest("base"), "current_digest": current, "is_current": is_current, "error": None, "msg": None, **other}


def page_of(**stores: Row) -> Element:
    return read_page(report_page(stores))


def tables(page: Element) -> dict[str, list[list[str]]]:
    return {table.one("caption").text: table.table() for table in page.one(id="bases").all("table")}


def test_images_on_a_replaced_base_are_shown_with_the_remedy() -> None:
    page = page_of(one=answer(row(APP, base=base(NEWEST)), row("b", base=base(digest("base")))), two=answer(row(APP, base=base(NEWEST))))

    assert tables(page) == {"Images on a base that was replaced": [[APP, BASE, digest("base")[:19], NEWEST[:19], "one, two"]]}
    assert "image_rebase" in page.one(id="bases").text
    assert "1 image stands on the newest base." in page.one(id="bases").text
    (tile,) = [tile for tile in page.one("ul", **{"class": "tiles"}).all("li") if "base" in tile.text]
    assert (tile.text, tile.attributes["class"]) == ("1 image on a base that was replaced", "bad")


def test_a_base_that_could_not_be_checked_is_no_outdated_one() -> None:
    page = page_of(one=answer(row(APP, base=base(None, error="denied", msg="the registry refuses the <b>login</b>"))))

    assert tables(page) == {"Bases that could not be checked": [[APP, BASE, "the registry refuses the <b>login</b>", "one"]]}
    assert page.all("b") == []
    assert "No image is on a base that was replaced." in page.one(id="bases").text


def test_without_an_answer_about_bases_the_page_says_nothing_about_them() -> None:
    assert page_of(one=answer(row(APP))).all(id="bases") == []
    assert "0 images stand on the newest base." in page_of(one=answer(row(APP, base=None))).one(id="bases").text


@pytest.mark.parametrize(
    "malformed", [[], "text", {}, {**base(NEWEST), "is_current": 1}, {**base(NEWEST), "digest": "<b>"}, {**base(NEWEST), "name": 1}]
)
def test_a_malformed_answer_is_a_problem_of_its_host(malformed: t.Any) -> None:
    page = page_of(one=answer(row(APP, base=malformed)), two=answer(row(APP, base=base(NEWEST))))
    assert [line[0] for line in page.one(id="not-asked").one("table").table()] == ["one"]
    assert tables(page)["Images on a base that was replaced"][0][-1] == "two"
