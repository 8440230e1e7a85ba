# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requirements for inclusion and certification that no other test checks, and the evidence in docs/checklists.md."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_documentation import MODULES, arguments

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
FILES = [ROOT / name for name in LISTED if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]
# Words of ansible-core that look like a task's module but are its keywords.
KEYWORDS = {
    *("always", "args", "become", "become_user", "block", "changed_when", "check_mode", "connection", "delegate_to", "diff", "environment"),
    *("failed_when", "gather_facts", "ignore_errors", "ignore_unreachable", "loop", "loop_control", "module_defaults", "name", "no_log"),
    *("notify", "register", "rescue", "run_once", "tags", "timeout", "until", "retries", "delay", "vars", "when", "async", "poll", "throttle"),
}


def tasks(node: Any) -> Iterator[dict[str, Any]]:
    """Yield each task of a list of tasks or plays, and those of its blocks."""
    for item in node or ():
        if "hosts" in item:
            for key in ("pre_tasks", "tasks", "post_tasks", "handlers"):
                yield from tasks(item.get(key))
        elif "block" in item:
            for key in ("block", "rescue", "always"):
                yield from tasks(item.get(key))
        elif "import_playbook" not in item and "ansible.builtin.import_playbook" not in item:
            yield item


def test_the_evidence_exists() -> None:
    page = (ROOT / "docs" / "checklists.md").read_text()
    paths = set(re.findall(r"`((?:tests|docs|meta|changelogs|\.ci|\.github)/[^`]+|[A-Z_]+(?:\.md)?|galaxy\.yml)`", page))
    named = {path for path in paths if "/" in path or "." in path or path == "LICENSE"}
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_no_state_that_asks(name: str) -> None:
    state = arguments(name)["argument_spec"].get("state", {})
    assert not {"list", "info", "get", "query", "gathered"} & set(state.get("choices", ()))


def test_tasks_of_roles_and_playbooks_have_fully_qualified_names() -> None:
    found = 0
    for path in [*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").rglob("*.yml")]:
        for task in tasks(yaml.safe_load(path.read_text())):
            modules = [key for key in task if key not in KEYWORDS and not key.startswith("with_")]
            assert len(modules) == 1, (path, task)
            assert modules[0].count(".") >= 2, (path, modules)
            found += 1
    assert found > 50


def test_every_file_names_its_licence() -> None:
    def has_licence(path: Path) -> bool:
        beside = path.with_name(f"{path.name}.license")
        text = beside.read_bytes() if beside.exists() else path.read_bytes()
        return b"SPDX-License-Identifier: GPL-3.0-or-later" in text[:2000]

    # Short files of settings, and files that another program writes.
    exempt = {
        *(".ansible-lint", ".editorconfig", ".gitignore", ".yamllint", "LICENSE", "ansible.cfg", "galaxy.yml", "pyproject.toml", "requirements.txt"),
        *("requirements-optional.txt", "meta/runtime.yml"),
        *("CHANGELOG.md", ".pre-commit-config.yaml", ".devcontainer/devcontainer.json"),
    }
    missing = [str(path.relative_to(ROOT)) for path in FILES if path.stat().st_size and not has_licence(path)]
    assert [name for name in missing if name not in exempt and not name.startswith(("tests/", ".github/", "changelogs/"))] == []


@pytest.mark.parametrize("title", ["Install", "Modules", "Roles", "Guides", "Try it"])
def test_the_readme_has_the_required_sections(title: str) -> None:
    assert f"\n## {title}\n" in (ROOT / "README.md").read_text()


def test_execution_environments_get_the_requirements_of_the_collection() -> None:
    dependencies = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text())["dependencies"]
    assert dependencies == {"python": "requirements.txt"}
    assert (ROOT / "requirements.txt").read_text().split() == ["requests>=2.25"]
    optional = (ROOT / "requirements-optional.txt").read_text()
    assert {re.split(r"[;\s]", line)[0] for line in optional.splitlines() if line and not line.startswith("#")} == {
        "cryptography",
        "sigstore",
        "zstandard",
    }
