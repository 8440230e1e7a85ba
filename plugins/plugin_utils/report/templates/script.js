// Copyright (c) 2026 Longshore contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Filter and sort the tables. The page is complete without this script, and the box stays hidden then.
"use strict";
(() => {
  const units = {B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12};
  const collator = new Intl.Collator("en", {numeric: true});
  const search = document.getElementById("filter");
  const [box, output] = [search.querySelector("input"), search.querySelector("output")];
  const texts = new WeakMap();

  // The text of a row or of a cell, read once: a page may have many thousands of rows.
  const textOf = (element) => {
    let text = texts.get(element);
    if (text === undefined) {
      const titles = [...element.querySelectorAll("[title]")].map((titled) => titled.title);
      texts.set(element, text = [element.textContent, ...titles].join(" ").toLowerCase());
    }
    return text;
  };

  const show = (element, shown) => {
    if (element.hidden === shown) element.hidden = !shown;
    return shown;
  };

  const filterTable = (table, words) => {
    let found = 0;
    for (const row of table.tBodies[0].rows) {
      if (show(row, words.every((word) => textOf(row).includes(word)))) found += 1;
    }
    show(table.parentElement, found > 0);
    return found;
  };

  // On a large page, the table of a host is text until it is needed.
  const makeTable = (host) => {
    const raw = host.querySelector("noscript");
    if (raw) raw.outerHTML = raw.textContent;
    return host.querySelector("table");
  };

  const countRows = (host) => {
    const raw = host.querySelector("noscript");
    return raw ? raw.textContent.split("<tr>").length - 2 : filterTable(host.querySelector("table"), []);
  };

  const mayHave = (host, words) => {
    const raw = host.querySelector("noscript");
    return !raw || words.every((word) => textOf(raw).includes(word));
  };

  // A host whose name has some of the words shows the rows that have the others.
  const filterHost = (host, words) => {
    const name = host.querySelector("summary").textContent.toLowerCase();
    const others = words.filter((word) => !name.includes(word));
    let found = 0;
    if (host.querySelector("noscript, table")) {
      if (others.length === 0) found = countRows(host);
      else if (mayHave(host, others)) found = filterTable(makeTable(host), others);
    }
    show(host, found > 0 || others.length === 0);
    return found;
  };

  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const host of document.querySelectorAll("#hosts > details, #packages > details")) found += filterHost(host, words);
    for (const table of document.querySelectorAll("table")) {
      if (!table.closest("#hosts, #packages")) found += filterTable(table, words);
    }
    output.textContent = words.length ? `${found} ${found === 1 ? "row" : "rows"}` : "";
  };

  // Sizes sort by their bytes, counts by their number, versions by their parts. A cell without a value is the last.
  const keyOf = (row, column) => {
    const text = row.cells[column]?.textContent.trim() ?? "";
    const size = /^(?:up to )?([\d.]+) (B|kB|MB|GB|TB|%)$/.exec(text);
    if (size) return size[1] * (units[size[2]] ?? 1);
    return /^(unknown|no date|none|could not be asked|)$/.test(text) ? null : text;
  };

  const compare = (left, right) => {
    if (left === null || right === null) return 0;
    return typeof left === "number" && typeof right === "number" ? left - right : collator.compare(left, right);
  };

  const sort = (heading) => {
    const table = heading.closest("table"), body = table.tBodies[0];
    const way = heading.ariaSort === "ascending" ? -1 : 1;
    const rows = [...body.rows].map((row) => [keyOf(row, heading.cellIndex), row]);
    rows.sort(([left], [right]) => (left === null) - (right === null) || way * compare(left, right));
    for (const other of heading.parentElement.cells) other.ariaSort = null;
    heading.ariaSort = way === 1 ? "ascending" : "descending";
    body.append(...rows.map(([, row]) => row));
  };

  // Buttons can be reached with the keyboard. Those of a host are made when it is opened.
  const addButtons = (table) => {
    for (const heading of table.tHead.rows[0].cells) {
      if (heading.querySelector("button")) continue;
      const button = document.createElement("button");
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(heading));
    }
  };

  let waiting;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  for (const table of document.querySelectorAll("table")) {
    if (!table.closest("details:not([open])")) addButtons(table);
  }
  document.addEventListener("toggle", ({target}) => {
    if (target.matches("#hosts > details")) makeTable(target);
    for (const table of target.querySelectorAll("table")) addButtons(table);
  }, true);
  search.hidden = false;
  document.getElementById("blocked")?.remove();
})();
