# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return values that several modules share have one text, type and condition in all of them: those of tests/tools/returns.yml."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

TOOL = Path(__file__).resolve().parents[1] / "tools" / "returns.py"


def load_tool() -> Any:
    """Import tests/tools/returns.py, which is a program and in no package."""
    spec = importlib.util.spec_from_file_location("returns", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


returns = load_tool()
FILES = returns.module_files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shared_return_values_have_one_text(path: Path) -> None:
    assert returns.differences(returns.read_return(path)) == [], (
        "see tests/tools/returns.yml; `python tests/tools/returns.py --write` copies its texts"
    )


def test_a_return_value_of_two_modules_is_in_the_table() -> None:
    users: dict[tuple[str, str], list[str]] = {}
    for path in FILES:
        for level, key, _entry in returns.shared_entries(returns.read_return(path)):
            users.setdefault((level, key), []).append(path.stem)
    missing = {key: modules for key, modules in users.items() if len(modules) > 1 and key[1] not in returns.TABLE[key[0]]}
    assert missing == {}, "add these values to tests/tools/returns.yml, or give them other names"


def test_every_return_value_of_the_table_exists_in_a_module() -> None:
    used = {(level, key) for path in FILES for level, key, _entry in returns.shared_entries(returns.read_return(path))}
    assert {(level, key) for level, entries in returns.TABLE.items() for key in entries} <= used


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_writing_the_texts_changes_nothing_else(path: Path) -> None:
    text = returns.read_return(path)
    assert returns.rewrite(text) == text


ENTRY = """\
store:
  description:{description}
  returned: success, and when some images failed
  type: str
  sample: /srv/images
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" A folder.", " The path of the store."),
        ("\n    - A folder.\n    - Only here.", "\n    - The path of the store.\n    - Only here."),
        (" >-\n    A folder\n    in two lines.", " The path of the store."),
    ],
)
def test_another_text_is_found_and_replaced(old: str, new: str) -> None:
    text = ENTRY.format(description=old)

    assert returns.differences(text) == ["task store: the description must begin with 'The path of the store.'"]
    assert returns.rewrite(text) == ENTRY.format(description=new)
    assert returns.differences(returns.rewrite(text)) == []


def test_another_type_or_condition_is_found() -> None:
    text = ENTRY.format(description=" The path of the store.").replace("type: str", "type: list").replace("success, and", "sometimes, and")

    assert [difference.partition(":")[0] for difference in returns.differences(text)] == ["task store", "task store"]


def test_the_texts_fit_in_plain_yaml() -> None:
    for entries in returns.TABLE.values():
        for shared in entries.values():
            assert yaml.safe_load(f"description: {shared['description']}") == {"description": shared["description"]}
