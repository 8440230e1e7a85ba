# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A managed host with a Python that is too old gets one sentence from every module."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils import start_up
from tests.support.interpreters import interpreters, unsupported_interpreters

ROOT = Path(__file__).resolve().parents[2]
GUARD = ROOT / "plugins" / "module_utils" / "start_up.py"
MODULES = sorted((ROOT / "plugins" / "modules").glob("[!_]*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_every_module_checks_the_version_before_it_imports_anything_else_of_ours(module: Path) -> None:
    ours = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom) and node.level]
    first = min(ours, key=lambda node: node.lineno)
    assert (first.module, first.names[0].name) == ("module_utils", "start_up")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_python_3_6_can_read_a_module_up_to_the_check(module: Path) -> None:
    """An import from __future__ that Python 3.6 doesn't know is a SyntaxError, before the check can say anything."""
    tree = ast.parse(module.read_text(), feature_version=(3, 6))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_python_3_9_can_evaluate_the_annotations_of_a_module(module: Path) -> None:
    """Without the import of annotations from __future__, `str | None` is evaluated, and has to be quoted."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            for annotation in [node.returns, *(argument.annotation for argument in arguments)]:
                unions = [part for part in ast.walk(annotation) if isinstance(part, ast.BinOp)] if annotation is not None else []
                assert not unions, f"{node.name}: quote its annotations"


def test_an_old_python_can_read_the_check() -> None:
    tree = ast.parse(GUARD.read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.ImportFrom, ast.JoinedStr))]


@pytest.mark.parametrize("python", unsupported_interpreters())
def test_an_old_python_fails_with_one_document(python: str) -> None:
    result = subprocess.run([python, "-I", str(GUARD)], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == ""
    assert json.loads(result.stdout)["error"] == "unsupported_python"


@pytest.mark.parametrize("python", interpreters())
def test_a_supported_python_says_nothing(python: str) -> None:
    result = subprocess.run([python, "-I", str(GUARD)], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""


def test_the_sentence_names_both_versions_and_the_interpreter() -> None:
    assert start_up.failure((3, 8, 18), "/usr/bin/python3")["msg"] == (
        "Longshore needs Python 3.9 or newer on the managed host, but /usr/bin/python3 is Python 3.8.18: set ansible_python_interpreter to a newer one"
    )


def test_the_minimum_is_that_of_the_sanity_tests() -> None:
    requires = yaml.safe_load((ROOT / "tests" / "config.yml").read_text())["modules"]["python_requires"]
    assert requires == ">=" + ".".join(map(str, start_up.MINIMUM))
