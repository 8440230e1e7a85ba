# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script of the report, run by Chromium without a network: it filters and sorts, and makes the tables of a large page when they are needed."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from ansible_collections.longshore.images.plugins.plugin_utils.report import page as pages
from tests.support.answers import answer, row
from tests.support.registry import needed

APP, WEB = "docker.io/library/app", "docker.io/library/web"
EVIL = '<img src=x onerror="document.title=1">'
FLEET = {
    "one.test": answer(row(f"{APP}:1", parts={"a": 900}), row(f"{APP}:9", parts={"a": 12_000_000}), row(f"{APP}:10", parts={"a": 3_000})),
    "two.test": answer(row(f"{APP}:9", parts={"a": 12_000_000}), row(f"{WEB}:1", parts={"w": 20_000}, created=None), row(EVIL, parts={"e": 950})),
    "none.test": answer(),
}
STEPS = """
const wait = () => new Promise((done) => setTimeout(done, 300));
const rows = (where) => [...document.querySelectorAll(`${where} tbody tr`)].filter((row) => row.checkVisibility() || row.closest("details:not([open])"))
  .filter((row) => !row.hidden).map((row) => row.cells[0].textContent.replace(/^.*library./, ""));
const hosts = () => [...document.querySelectorAll("#hosts > details")].filter((host) => !host.hidden).map((host) => host.querySelector("strong").textContent);
const filter = async (words) => {
  const box = document.querySelector("#filter input");
  box.value = words;
  box.dispatchEvent(new Event("input"));
  await wait();
  return [document.querySelector("#filter output").textContent, rows("#images"), hosts()];
};
const click = (column) => { document.querySelector(`#images thead th:nth-child(${column}) button`).click(); return rows("#images"); };
(async () => {
  const found = {made: document.querySelectorAll("#hosts table").length, blocked: document.getElementById("blocked") !== null};
  found.size = click(5); found.biggest = click(5); found.date = click(4); found.name = click(1);
  found.app = await filter("APP");
  found.host = await filter("two.test");
  found.both = await filter("two web");
  found.none = await filter("nothing-like-this");
  found.all = await filter("");
  for (const host of document.querySelectorAll("#hosts > details")) host.open = true;
  await wait();
  found.opened = rows("#hosts details");
  found.buttons = document.querySelectorAll("#hosts thead button").length;
  found.images = document.querySelectorAll("img").length;
  document.body.dataset.found = JSON.stringify(found);
})();
"""


def run_steps(folder: Path) -> dict[str, t.Any]:
    """Return what the steps find on the page, whose policy for content allows its own script and these steps only."""
    needed("chromium")
    text = report_page(FLEET, "Images", "")
    allowed = base64.b64encode(hashlib.sha256(STEPS.encode()).digest()).decode()
    (folder / "page.html").write_text(
        text.replace("script-src ", f"script-src 'sha256-{allowed}' ").replace("</body>", f"<script>{STEPS}</script></body>")
    )
    command = ["chromium", "--headless", "--no-sandbox", f"--user-data-dir={folder}/profile", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run([*command, (folder / "page.html").as_uri()], capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found is not None, done.stdout[-3000:]
    result: dict[str, t.Any] = json.loads(html.unescape(found.group(1)))
    return result


@pytest.mark.parametrize("is_large", [False, True])
def test_the_tables_are_filtered_and_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_large: bool) -> None:
    if is_large:
        monkeypatch.setattr(pages, "MOST_ROWS_AT_ONCE", 1)
    found = run_steps(tmp_path)
    assert (found["made"], found["blocked"]) == (0 if is_large else 2, False)
    # Sizes sort by bytes, versions by their parts, and an image without a date is the last.
    assert found["size"] == ["app:1", EVIL, "app:10", "web:1", "app:9"]
    assert found["biggest"] == ["app:9", "web:1", "app:10", EVIL, "app:1"]
    assert found["date"][-1] == "web:1"
    assert found["name"] == [EVIL, "app:1", "app:9", "app:10", "web:1"]
    assert found["app"][1:] == [["app:1", "app:9", "app:10"], ["one.test", "two.test"]]
    assert found["host"][2] == ["two.test"]
    assert found["both"][1:] == [["web:1"], ["two.test"]]
    assert found["none"] == ["0 rows", [], []]
    assert found["all"] == ["", found["name"], ["one.test", "two.test", "none.test"]]
    assert sorted(found["opened"]) == sorted(["app:1", "app:9", "app:10", "app:9", "web:1", EVIL])
    assert found["buttons"] > 0
    assert found["images"] == 0
