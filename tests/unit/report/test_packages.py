# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages of images on the page of a report."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from ansible_collections.longshore.images.plugins.plugin_utils.report import packages as limits
from tests.support.answers import Row, answer, digest, row
from tests.support.pages import Element, read_page

APP = "registry.example.com/team/app:1"
SCRIPT = '<script>alert("{{ 7 * 7 }}")</script>'


def package(name: t.Any = "openssl", version: t.Any = "3.0.15") -> Row:
    return {"type": "deb", "name": name, "version": version}


def listed(*packages: Row, name: str = APP, **other: t.Any) -> Row:
    """Return what a host says about the packages of image NAME, as a loop registers it."""
    item = {"name": name, "digest": digest(name)}
    return {"packages": list(packages), "platform": "linux/amd64", "unreadable": [], "ansible_loop_var": "item", "item": item, **other}


def section(stores: dict[str, Row], packages: dict[str, t.Any]) -> Element:
    return read_page(report_page(stores, packages=packages)).one(id="packages")


def summaries(found: Element) -> list[str]:
    return [" ".join(summary.text.split()) for summary in found.all("summary")]


def test_hosts_with_the_same_packages_share_a_folded_list() -> None:
    stores = {"one": answer(row(APP), row("b", APP)), "two": answer(row(APP))}

    found = section(stores, {"one": [listed(package())], "two": [listed(package())]})

    assert summaries(found) == [f"b, {APP} 1 package, linux/amd64 {digest(APP)[:19]} on one, two"]
    assert found.one("table").table() == [["openssl", "3.0.15", "deb"]]
    assert "open" not in found.one("details").attributes


def test_text_from_an_image_is_never_markup() -> None:
    hostile = {**package(SCRIPT, SCRIPT), "type": SCRIPT}
    page = read_page(report_page({"one": answer(row(APP))}, packages={"one": [listed(hostile, platform=SCRIPT)]}))

    assert page.one(id="packages").one("table").table() == [[SCRIPT, SCRIPT, SCRIPT]]
    assert len(page.all("script")) == 1


def test_an_image_that_could_not_be_read_and_an_incomplete_list_say_so() -> None:
    stores = {"one": answer(row(APP)), "two": answer(row(APP)), "three": answer(row(APP))}
    failed = {**listed(failed=True, msg="blob <b>x</b> is missing"), "packages": []}

    found = section(stores, {"one": [failed], "two": [listed(unreadable=[{}])], "three": []})

    assert summaries(found) == [f"{APP} could not be read {digest(APP)[:19]} on one", f"{APP} 0 packages, linux/amd64 {digest(APP)[:19]} on two"]
    assert "blob <b>x</b> is missing" in found.text
    assert "could not be read: 1." in found.text


def test_the_size_of_the_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_OF_AN_IMAGE", 3)
    monkeypatch.setattr(limits, "MOST_OF_ALL_IMAGES", 5)
    many = [package(f"{number}" * 1000) for number in range(4)]
    stores = {"one": answer(row("a"), row("b"), row("c"))}

    found = section(stores, {"one": [listed(*many, name=name) for name in "abc"]})

    assert [len(table.table()) for table in found.all("table")] == [3, 2]
    assert {len(line[0]) for table in found.all("table") for line in table.table()} == {limits.MOST_CHARACTERS}
    assert [text in found.text for text in ("1 of 4 packages are", "2 of 4 packages are", "4 of 4 packages are")] == [True] * 3


def test_without_an_answer_about_packages_the_page_says_nothing_about_them() -> None:
    assert read_page(report_page({"one": answer(row(APP))})).all(id="packages") == []
    assert "No host that answered has a named image" in section({"one": answer()}, {"one": []}).text


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "text",
        [None],
        [{}],
        [listed(item=None)],
        [listed(item={"digest": []})],
        [listed(packages={})],
        [listed(package(name=1))],
        [listed({})],
        [listed(platform=1)],
        [listed(unreadable=1)],
        [listed(ansible_loop_var=[])],
    ],
)
def test_a_malformed_answer_spoils_no_other_host(malformed: t.Any) -> None:
    found = section({"bad": answer(row(APP)), "good": answer(row(APP))}, {"bad": malformed, "good": [listed(package())]})
    assert f"{APP} 1 package, linux/amd64 {digest(APP)[:19]} on good" in summaries(found)
    assert found.one("table").table() == [["openssl", "3.0.15", "deb"]]
