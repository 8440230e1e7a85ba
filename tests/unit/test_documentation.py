# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of a module equals its argument specification, and its examples are valid."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.longshore.images.plugins.module_utils.task.arguments import ENGINE, ENGINES, PROGRESS, REGISTRY, STORE, Arguments

COLLECTION = "longshore.images"
ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
RUNTIME = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
RULES = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
ATTRIBUTES = {"action_group", "check_mode", "diff_mode", "idempotent", "platform"}


@pytest.fixture(scope="module")
def pages() -> dict[str, Any]:
    """Return every module's documentation as ansible-doc reads it, with its fragments."""
    names = [f"{COLLECTION}.{name}" for name in MODULES]
    result = subprocess.run(["ansible-doc", "--type", "module", "--json", *names], capture_output=True, text=True, cwd=ROOT, check=True)
    documents: dict[str, Any] = json.loads(result.stdout)
    return documents


def specification(name: str) -> Arguments:
    found: Arguments = importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.modules.{name}").argument_spec()
    return found


def arguments(name: str) -> dict[str, Any]:
    """Return the arguments that the module NAME passes to AnsibleModule."""
    kwargs = specification(name).as_kwargs()
    if kwargs.pop("add_file_common_args", False):
        kwargs["argument_spec"] = {**FILE_COMMON_ARGUMENTS, **kwargs["argument_spec"]}
    return kwargs


def validator(kwargs: dict[str, Any]) -> ArgumentSpecValidator:
    return ArgumentSpecValidator(kwargs["argument_spec"], **{rule: kwargs.get(rule) for rule in RULES})


def normalised(options: dict[str, Any], nested: str) -> dict[str, Any]:
    """Return the facts about OPTIONS that a page and a spec share. NESTED is the key of suboptions, which differs between the two."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": list(option.get("choices") or []),
            "aliases": sorted(option.get("aliases") or []),
            "options": normalised(option.get(nested) or {}, nested),
        }
        for name, option in options.items()
    }


def own_tasks(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and arguments of each task below NODE that uses a module of this collection, also in blocks and plays."""
    if isinstance(node, list):
        for item in node:
            yield from own_tasks(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key.startswith(f"{COLLECTION}.") and key.rpartition(".")[2] in MODULES:
                yield key.rpartition(".")[2], value or {}
            elif key != "module_defaults":
                yield from own_tasks(value)


def filled(module: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a task with an empty dictionary for each template that makes one. Ansible has replaced it before a module gets it."""
    spec = arguments(module)["argument_spec"]
    return {
        name: {} if isinstance(value, str) and value.startswith("{{") and spec.get(name, {}).get("type") == "dict" else value
        for name, value in values.items()
    }


def own_roles(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and variables of each role of this collection that the plays of DOCUMENT list."""
    for play in document:
        for role in play.get("roles", ()):
            yield role["role"].removeprefix(f"{COLLECTION}."), role.get("vars", {})


def role_options(role: str) -> set[str]:
    """Return the names of the variables of a role."""
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    return set(specs["argument_specs"]["main"]["options"])


def test_there_are_modules() -> None:
    assert MODULES


def test_the_action_group_contains_every_module() -> None:
    assert sorted(RUNTIME["action_groups"]["images"]) == MODULES


def test_every_redirect_points_to_a_module() -> None:
    for old, routing in RUNTIME["plugin_routing"]["modules"].items():
        assert old not in MODULES
        assert routing["redirect"].removeprefix(f"{COLLECTION}.") in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_the_documented_options_are_the_argument_spec(name: str, pages: dict[str, Any]) -> None:
    documented = normalised(pages[f"{COLLECTION}.{name}"]["doc"]["options"], "suboptions")
    assert documented == normalised(arguments(name)["argument_spec"], "options")


@pytest.mark.parametrize("name", MODULES)
def test_one_note_replaces_the_options_without_effect(name: str, pages: dict[str, Any]) -> None:
    page = pages[f"{COLLECTION}.{name}"]["doc"]
    assert not specification(name).unused & set(page["options"])
    assert sum("accepted without any effect" in note for note in page["notes"]) == 1


@pytest.mark.parametrize("name", MODULES)
def test_the_attributes_are_documented_and_true(name: str, pages: dict[str, Any]) -> None:
    attributes = pages[f"{COLLECTION}.{name}"]["doc"]["attributes"]
    assert set(attributes) >= ATTRIBUTES
    assert attributes["check_mode"]["support"] == "full"
    assert attributes["diff_mode"]["support"] == "full"
    assert attributes["action_group"]["membership"] == [f"{COLLECTION}.images"]
    assert arguments(name)["supports_check_mode"] is True


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_valid(name: str, pages: dict[str, Any]) -> None:
    uses = list(own_tasks(yaml.safe_load(pages[f"{COLLECTION}.{name}"]["examples"])))
    assert name in [module for module, _values in uses]
    for module, values in uses:
        result = validator(arguments(module)).validate(values)
        assert not result.error_messages, f"{module}: {result.error_messages}"


@pytest.mark.parametrize("guide", sorted((ROOT / "docs").glob("*.md")), ids=lambda guide: guide.stem)
def test_the_examples_of_the_guides_are_valid(guide: Path) -> None:
    for example in re.findall(r"^```yaml\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL):
        document = yaml.safe_load(example)
        uses, roles = list(own_tasks(document)), list(own_roles(document))
        assert uses or roles
        for module, values in uses:
            assert not validator(arguments(module)).validate(filled(module, values)).error_messages, module
        for role, variables in roles:
            assert set(variables) <= role_options(role), role


@pytest.mark.parametrize("name", MODULES)
def test_the_results_are_documented(name: str, pages: dict[str, Any]) -> None:
    assert pages[f"{COLLECTION}.{name}"]["return"]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_accepts_the_options_that_group_defaults_may_set(name: str) -> None:
    options = specification(name).options
    for option, spec in {**STORE.options, **REGISTRY.options, **PROGRESS.options, **ENGINES.options}.items():
        assert options.get(option) == spec, f"{option}: end argument_spec() with .accepting(REGISTRY + ENGINE + PROGRESS), without those that it uses"
    # One of them can choose the engine itself, and so has one more choice.
    assert set(ENGINE.options["engine"]["choices"]) <= set(options["engine"]["choices"])


@pytest.mark.parametrize("name", MODULES)
def test_progress_has_an_effect_on_the_modules_with_an_action_plugin(name: str, pages: dict[str, Any]) -> None:
    documented = "progress" in pages[f"{COLLECTION}.{name}"]["doc"]["options"]
    assert documented == (ROOT / "plugins" / "action" / f"{name}.py").exists()
