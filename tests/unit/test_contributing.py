# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tools of a contributor: the commands of ./dev, the programs that tests name, pinned versions, and links in pages."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEV = (ROOT / "dev").read_text()
COMMANDS = set(re.findall(r"^  (\w+)\)$", DEV, re.MULTILINE))
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", ".github/pull_request_template.md")
CALLERS = (".ci/run", ".github/workflows/ci.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml", ".devcontainer/devcontainer.json", *PAGES)
PACKAGES = yaml.safe_load((ROOT / "tests" / "setup.yml").read_text())[0]["vars"]["packages"]
# These programs come with Python packages, or are on every Linux.
ALWAYS_THERE = {"ansible", "ansible-galaxy", "ansible-playbook", "setpriv", "unshare"}


def needed(path: Path) -> Iterator[str]:
    """Yield the programs that a test file says it needs, by calls of `needed`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name == "needed":
                yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str))


def test_help_has_a_line_for_every_command() -> None:
    text = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    assert {words[0] for line in text.splitlines() if re.match(r"  \w", line) and (words := line.split())} == COMMANDS


def test_an_unknown_command_is_named_and_the_others_are_listed() -> None:
    result = subprocess.run([ROOT / "dev", "tets"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("dev: no such command: tets\nusage: ./dev COMMAND")


@pytest.mark.parametrize("name", CALLERS)
def test_every_used_command_of_dev_exists(name: str) -> None:
    assert set(re.findall(r"\./dev (\w+)", (ROOT / name).read_text())) <= COMMANDS


def test_ci_runs_everything() -> None:
    for name in (".ci/run", ".github/workflows/ci.yml", ".gitlab-ci.yml"):
        assert {"lint", "sanity", "quickstart", "core", "docs", "test"} <= set(re.findall(r"\./dev (\w+)", (ROOT / name).read_text())), name


def tools_for(*arguments: str) -> set[str]:
    """Return the tools that `./dev test` looks for when it is called with these arguments."""
    functions = "".join(re.findall(r"^(?:test_paths|tools_of)\(\) \{\n.*?^\}\n", DEV, re.MULTILINE | re.DOTALL))
    script = f'set -eu\n{functions}\ntools_of $(test_paths "$@")'
    return set(subprocess.run(["sh", "-c", script, "sh", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_unit_tests_need_almost_nothing() -> None:
    assert tools_for("tests/unit/test_roles.py") == set()
    assert tools_for("tests/unit") - ALWAYS_THERE == {"openssl"}


@pytest.mark.parametrize(
    "path", ["tests/integration/test_copy.py", "./tests/integration/test_copy.py::test_any", f"{ROOT}/tests/integration/test_copy.py"]
)
def test_a_file_needs_its_own_tools_and_those_of_its_folder(path: str) -> None:
    assert tools_for("-k", "any", path) == {"docker-registry", "htpasswd", "openssl", "skopeo"}


def test_without_a_path_the_tools_of_all_tests_are_needed() -> None:
    assert tools_for("-k", "any") == tools_for() == tools_for("tests") > tools_for("tests/integration", "tests/faults") > {"cosign", "oras"}


@pytest.mark.parametrize("path", [path for path in sorted((ROOT / "tests").glob("*/**/test_*.py")) if set(needed(path))], ids=lambda path: path.stem)
def test_every_tool_that_a_test_needs_is_found(path: Path) -> None:
    assert set(needed(path)) <= tools_for(str(path.relative_to(ROOT)))


def test_every_tool_has_a_package() -> None:
    assert tools_for("tests") | tools_for(".config/molecule/config.yml", "extensions/molecule") <= set(PACKAGES) | ALWAYS_THERE


def test_pre_commit_has_the_versions_of_the_linters() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    pins = [pin for hook in hooks for pin in hook.get("additional_dependencies", ())]
    assert pins
    assert set(pins) <= set((ROOT / "tests" / "requirements.txt").read_text().splitlines())


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_page_work(name: str) -> None:
    text = (ROOT / name).read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
    targets = {target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")}
    assert {target for target in targets if target.lstrip("#") not in headings and not (ROOT / target).exists()} == set()


def test_the_devcontainer_is_json_with_comments() -> None:
    lines = (ROOT / ".devcontainer" / "devcontainer.json").read_text().splitlines()
    assert json.loads("\n".join(line for line in lines if not line.strip().startswith("//")))["image"]
