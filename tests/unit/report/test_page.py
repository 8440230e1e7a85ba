# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of a report. That it's good to look at was checked by eye: light and dark, on wide and narrow screens, with none, one and thirty hosts."""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from ansible_collections.longshore.images.plugins.plugin_utils.report import page as pages
from tests.support.answers import Row, answer, digest, engine_answer, engine_row, lock_text, row, verification
from tests.support.pages import Element, read_page

APP = "docker.io/library/app:1"
WEB = "registry.example.com:5000/team/web:2"
EVIL = "<img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}{% raw %}</script>"
FLEET = {
    "right": answer(row(APP, parts={"base": 1000, "app": 500}), row(WEB, parts={"base": 1000, "web": 200})),
    "moved": answer(row(APP, text="moved"), row(WEB)),
    "incomplete": answer(row(APP), row("localhost/extra:1")),
    "gone": {"unreachable": True, "msg": "No route to host"},
}
ENGINES = {
    "right": [engine_answer("docker", engine_row(APP, size=2000), engine_row(WEB, text="moved", size=1500)), engine_answer("podman")],
    "moved": [{"msg": "docker can't be reached", "error": "engine_error"}],
}
LOCK = lock_text(APP, WEB)


def page(answers: dict[str, Row], title: str = "Images", lock: str = "", engines: dict[str, list[Row]] | None = None) -> Element:
    return read_page(report_page(answers, title, lock, engines=engines))


def tables(section: Element) -> dict[str, list[list[str]]]:
    return {table.one("caption").text: table.table() for table in section.all("table")}


def short(word: str) -> str:
    return digest(word)[:19]


def test_drift_is_shown_by_name_and_host() -> None:
    drift = page(FLEET, lock=LOCK).one(id="drift")
    assert tables(drift)["What is not as locked"] == [
        [APP, "another image", short(APP), short("moved"), "moved"],
        [WEB, "missing", short(WEB), "none", "incomplete"],
    ]
    assert tables(drift)["What the lock file doesn't name"] == [["localhost/extra:1", "incomplete"]]
    assert tables(drift)["Names that mean different images on different hosts"] == [
        [APP, short(APP), "right, incomplete"],
        [APP, short("moved"), "moved"],
    ]
    assert [svg.attributes["aria-label"] for svg in drift.all("svg", role="img")] == [
        "right: 2 as locked",
        "moved: 1 as locked, 1 another image",
        "incomplete: 1 as locked, 1 missing, 1 not in the lock file",
    ]


def test_a_host_that_could_not_be_asked_is_on_the_page_and_in_no_sum() -> None:
    seen = page(FLEET, lock=LOCK)
    assert seen.one(id="not-asked").one("table").table() == [["gone", "No route to host"]]
    assert [tile.text for tile in seen.one("ul", **{"class": "tiles"}).all("li")][:2] == [
        "3 of 4 hosts answered",
        "2 drifts from the lock file, on 2 hosts",
    ]
    assert ["gone", "could not be asked"] in seen.one(id="disk").one("table").table()
    assert [note.text for note in seen.all(**{"class": "note"})] == ["could not be asked"] * 2
    assert [part.one("strong").text for part in seen.one(id="hosts").all("summary")] == ["right", "moved", "incomplete"]


def test_engines_are_shown_beside_the_stores() -> None:
    seen = page(FLEET, lock=LOCK, engines=ENGINES)
    assert seen.one(id="not-asked").one("table").table() == [["moved engine", "docker can't be reached"], ["gone", "No route to host"]]
    assert [tile.text for tile in seen.one("ul", **{"class": "tiles"}).all("li")][:3] == [
        "3 of 4 hosts answered",
        "2 of 3 engines answered",
        "5 drifts from the lock file, on 3 hosts",
    ]
    assert [label.text for label in seen.one(id="disk").all("span") if "label" in label.attributes.get("class", "")] == [
        *("right", "docker", "podman", "moved", "engine", "incomplete", "gone", "bytes")
    ]
    assert seen.one(id="disk").one("table").table()[1] == ["right docker", "2", "3.5 kB", "up to 3.5 kB", "unknown", "unknown"]
    moved = f"ID {digest('moved-config')[:19]}"
    assert tables(seen.one(id="drift"))["What is not as locked"] == [
        [APP, "another image", short(APP), short("moved"), "moved"],
        [APP, "missing", short(APP), "none", "right (podman)"],
        [WEB, "another image", short(WEB), short("moved"), "right (docker)"],
        [WEB, "missing", short(WEB), "none", "right (podman), incomplete"],
    ]
    assert moved not in seen.text
    docker = next(part for part in seen.one(id="hosts").all("details") if part.one("strong").text == "right docker")
    assert docker.one("summary").text == "right docker 2 images, up to 3.5 kB in the engine"
    assert [(line[0], line[1], line[4], line[5], line[6]) for line in docker.one("table").table()] == [
        (APP, short(APP), "2.0 kB", "unknown", "as locked"),
        (WEB, short("moved"), "1.5 kB", "unknown", "another image"),
    ]


def test_an_image_of_which_only_the_id_is_known_is_shown_by_it() -> None:
    seen = page({}, engines={"one": [engine_answer("docker", engine_row(APP))]})
    assert seen.one(id="images").one("table").table()[0][1] == f"ID {digest(f'{APP}-config')[:19]}"


def test_used_and_shared_bytes_are_shown_for_each_host() -> None:
    disk = page(FLEET).one(id="disk")
    assert disk.one("table").table()[0] == ["right", "2", "2.7 kB", "1.7 kB", "1.0 kB", "37 %"]
    label = "right: 700 B needed by one image, 1.0 kB shared by several, stored once, 1.0 kB saved by sharing"
    assert disk.all("svg", role="img")[0].attributes["aria-label"] == label


def test_the_images_of_a_host_are_listed_with_their_unshared_sizes_and_with_missing_ones() -> None:
    rows = [part.one("table").table() for part in page(FLEET, lock=LOCK).one(id="hosts").all("details")]
    assert rows[0][0] == [APP, short(APP), "linux/amd64", "2026-01-31", "1.5 kB", "500 B", "as locked"]
    assert [(line[0], line[-1]) for line in rows[2]] == [(APP, "as locked"), ("localhost/extra:1", "not in the lock file"), (WEB, "missing")]


def test_without_a_lock_file_hosts_are_compared_with_each_other() -> None:
    drift = page(FLEET).one(id="drift")
    assert list(tables(drift)) == ["Names that mean different images on different hosts"]
    assert "no lock file" in drift.text


def test_platforms_and_ages_are_counted_by_different_images() -> None:
    both = row(APP, platforms=["linux/amd64", "linux/arm64"])
    seen = page({"one": answer(both, row("localhost/same:1", text=APP)), "two": answer(row(APP), row(WEB, created="1970-01-01T00:00:00Z"))})
    labels = {section: [svg.attributes["aria-label"] for svg in seen.one(id=section).all("svg", role="img")] for section in ("platforms", "age")}
    assert labels == {
        "platforms": ["linux/amd64: 2 images", "linux/arm64: 1 images"],
        "age": ["2026-01: 1 images", "no date: 1 images"],
    }


@pytest.mark.parametrize(
    "answers",
    [{}, {"one": answer()}, {"one": {}}, {"one": answer(row(APP, image_id=None, platforms=[]))}, {"one": answer(row(None, text="old"))}],
    ids=str,
)
@pytest.mark.parametrize("lock", ["", LOCK, lock_text()], ids=["no lock", "lock", "empty lock"])
def test_a_fleet_with_little_to_show_has_a_page(answers: dict[str, Row], lock: str) -> None:
    seen = page(answers, lock=lock)
    assert {"drift", "disk", "platforms", "age", "images", "hosts"} <= {section.attributes["id"] for section in seen.all("section")}


def test_text_of_strangers_is_text() -> None:
    labels = {"org.opencontainers.image.version": EVIL}
    answers = {EVIL: answer(row(EVIL, text="evil", platforms=[f"linux/{EVIL}"], labels=labels, created=EVIL)), "gone": {"failed": True, "msg": EVIL}}
    answers[EVIL]["store"] = EVIL
    engines = {EVIL: [{**engine_answer("docker", containerd_namespace=EVIL), "images": None, "msg": EVIL, "failed": True}]}
    seen = page(answers, title=EVIL, engines=engines)
    plain = page(
        {"x": answer(row("y", labels={"org.opencontainers.image.version": "1"})), "gone": {"failed": True}}, engines={"x": [{"failed": True}]}
    )
    # Its elements are those of a page without such text, but for the breaks behind slashes.
    assert [element.name for element in seen.all() if element.name != "wbr"] == [element.name for element in plain.all() if element.name != "wbr"]
    assert seen.one("head").one("title").text == seen.one("h1").text == EVIL
    assert {key for element in seen.all() for key in element.attributes} == {key for element in plain.all() for key in element.attributes}
    assert [line[:3] for line in seen.one(id="images").one("table").table()] == [
        [f"{EVIL} version {EVIL}"[:1000], short("evil"), f"linux/{EVIL}"[:80]]
    ]
    assert seen.one(id="not-asked").one("table").table() == [[f"{EVIL} docker {EVIL}", EVIL], ["gone", EVIL]]


def test_the_page_needs_no_other_file_and_runs_only_its_own_script() -> None:
    text = report_page(FLEET, "Images", LOCK)
    seen = read_page(text)
    script = "".join(t.cast("list[str]", seen.one("script").children))
    policy = seen.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    assert not {"link", "img", "iframe", "object", "embed", "use", "image", "base", "form"} & {element.name for element in seen.all()}
    assert all(element.attributes["href"].startswith("#") for element in seen.all("a"))
    assert not {"src", "srcset", "style", "xlink:href"} & {key for element in seen.all() for key in element.attributes}
    assert not [key for element in seen.all() for key in element.attributes if key.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|@font-face", text)
    assert "prefers-color-scheme: dark" in seen.one("style").text
    assert {link.attributes["href"][1:] for link in seen.all("a")} == {section.attributes["id"] for section in seen.all("section")}


def test_a_large_page_leaves_the_tables_of_hosts_unread_until_they_are_opened() -> None:
    """A browser that runs scripts reads what is in noscript as one text. So 200 hosts with 100 images open in less than a second."""
    rows = [row(f"localhost/{number}:1") for number in range(pages.MOST_ROWS_AT_ONCE // 2)]
    small, large = (page(dict.fromkeys(hosts, answer(*rows))).one(id="hosts") for hosts in (("one", "two"), ("one", "two", "three")))
    assert small.all("noscript") == []
    assert [len(host.one("noscript").all("table")) for host in large.all("details")] == [1, 1, 1]


def test_every_class_of_the_page_and_every_colour_of_a_plot_has_its_style() -> None:
    answers = {**FLEET, "signed": answer(row(APP, verification=verification(error="unsigned")))}
    seen = page(answers, lock=LOCK, engines=ENGINES)
    style = seen.one("style").text
    words = {word for element in seen.all() for word in element.attributes.get("class", "").split()}
    assert {word for word in words if not re.search(rf"\.{re.escape(word)}\b", style)} == set()
    colours = [set(re.findall(r"(--[a-z-]+):", block)) for block in re.findall(r":root \{(.*?)\}", style)]
    assert len(colours) == 2
    assert colours[0] == colours[1] == set(re.findall(r"var\((--[a-z-]+)\)", style))


def test_the_order_in_which_a_store_lists_its_images_does_not_change_the_page() -> None:
    turned = {name: {**answers, "images": answers["images"][::-1]} if "images" in answers else answers for name, answers in FLEET.items()}
    assert report_page(turned, "Images", LOCK) == report_page(FLEET, "Images", LOCK)


def test_an_invalid_lock_file_is_reported() -> None:
    with pytest.raises(AnsibleFilterError, match="The lock file of the report is not a lock file"):
        report_page(FLEET, "Images", "{}")
