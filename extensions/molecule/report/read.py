# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the content of a report as JSON: its title, the tables of its sections, the elements that it uses, and how many scripts it has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.longshore.images.tests.support.pages import read_page

page = read_page(Path(sys.argv[1]).read_text(encoding="utf-8"))
content = {
    "title": page.one("h1").text,
    "elements": sorted({element.name for element in page.all()}),
    "scripts": len(page.all("script")),
    "tables": {section.attributes["id"]: [table.table() for table in section.all("table")] for section in page.all("section")},
}
print(json.dumps(content))  # noqa: T201
