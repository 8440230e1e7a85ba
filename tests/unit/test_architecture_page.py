# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The diagrams of docs/architecture.md and CONTRIBUTING.md, and the file names in the former, match the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "plugins" / "module_utils"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = {path.parent.name for path in CODE.glob("*/__init__.py")}


def imports() -> Iterator[tuple[str, str]]:
    """Yield each import between two packages, lazy ones included."""
    for file in CODE.glob("*/**/*.py"):
        folders = file.relative_to(CODE).parts[:-1]
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                for name in names:
                    target = (*folders[: len(folders) - node.level + 1], *name.split("."))[0]
                    if target in PACKAGES - {folders[0]}:
                        yield folders[0], target


def arrows(page: str) -> Iterator[tuple[str, str]]:
    """Yield each solid arrow of a page's diagram."""
    diagram = re.sub(r"\[[^]]*\]", "", page.split("```mermaid\n")[1].split("```")[0])
    for line in diagram.splitlines():
        sources, arrow, targets = line.partition(" --> ")
        if arrow:
            yield from ((source.strip(), target.strip()) for source in sources.split("&") for target in targets.split("&"))


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_diagram_has_an_arrow_for_each_import_and_no_other(name: str) -> None:
    drawn = {(source, target) for source, target in arrows((ROOT / name).read_text()) if {source, target} <= PACKAGES and target != "oci"}
    imported = {(source, target) for source, target in imports() if target != "oci"}
    assert sorted(imported - drawn) == [], f"{name} has no arrow for these imports"
    assert sorted(drawn - imported) == [], f"these arrows of {name} match no import"


def test_oci_imports_no_other_package() -> None:
    assert [target for source, target in imports() if source == "oci"] == []


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(rf"`((?:{'|'.join(sorted(PACKAGES))})/[a-z_/]+)", PAGE)
    assert named
    assert [name for name in named if not (CODE / name).is_dir() and not (CODE / f"{name}.py").is_file()] == []
