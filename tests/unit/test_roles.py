# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README of each role matches its argument specification and its defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def read(role: str, path: str) -> str:
    return (ROOT / "roles" / role / path).read_text()


def options(role: str) -> dict[str, Any]:
    """Return the options of the role's main entry point."""
    specs: dict[str, Any] = yaml.safe_load(read(role, "meta/argument_specs.yml"))["argument_specs"]["main"]["options"]
    return specs


def examples(role: str) -> list[Any]:
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", read(role, "README.md"), re.MULTILINE | re.DOTALL)]


def keys(node: Any) -> Iterator[str]:
    """Return every key of every dictionary below NODE."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from keys(child)
    if isinstance(node, dict):
        yield from node


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_are_those_of_the_argument_specification(role: str) -> None:
    defaults = yaml.safe_load(read(role, "defaults/main.yml"))
    assert defaults == {name: option["default"] for name, option in options(role).items() if "default" in option}


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_explains_every_variable(role: str) -> None:
    first_cells = re.findall(r"^\| (`.*?) \|", read(role, "README.md"), re.MULTILINE)
    named = [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(name for name in named if name.startswith(f"{role}_")) == sorted(options(role))
    parts = {name for option in options(role).values() for name in option.get("options", {})}
    assert parts <= set(re.findall(r"`(\w+)`", read(role, "README.md")))


@pytest.mark.parametrize("role", ROLES)
def test_the_examples_use_the_role_and_only_variables_that_exist(role: str) -> None:
    plays = examples(role)
    assert f"longshore.images.{role}" in str(plays)
    assert {name for name in keys(plays) if name.startswith(f"{role}_")} <= set(options(role))


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_of_the_collection_lists_the_role(role: str) -> None:
    assert f"| [`{role}`](roles/{role}/README.md) |" in (ROOT / "README.md").read_text()
