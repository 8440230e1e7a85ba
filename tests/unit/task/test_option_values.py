# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of every module: null counts as not given, an empty list is refused, and odd values end in one sentence with an `error` word."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_MESSAGE
from tests.support import modules
from tests.support.options import MODULES, ModuleOption, all_options

OPTIONS = all_options()
# The lists that mean something without an element, beside those that are empty by default.
MAY_BE_EMPTY = {"trust", "registry_client entries", "image_prune protect_locks", "image_prune protect_digests"}

NO_TEXT = ["a\0b", "\ud800", "\udcff"]
NUMBERS = [10**30, -(10**30), 2**63, 10**400, 1e30, math.nan, math.inf, -math.inf, "nan", "1e99999999", "9" * 5000, "", [5], {}]
VALUES: dict[str, list[t.Any]] = {
    "int": NUMBERS,
    "float": NUMBERS,
    "bool": ["", "9" * 5000, math.nan, 2, [True]],
    "str": ["", " ", "9" * 5000, *NO_TEXT],
    "path": ["", "9" * 5000, *NO_TEXT],
    "list": [["", " "], [None], [[[]]], [{}], 5, {}, ["9" * 5000], [5, math.nan], *([text] for text in NO_TEXT)],
    "dict": [5, math.nan, True, "x", [], {"": ""}, {"a": {}}, {"a": math.nan}, {"a": "\ud800"}, {"\ud800": "a"}],
    "raw": ["", 10**30, math.nan, "9" * 5000, {}, [[]], True, "\ud800"],
}
# The words for values that can be right in another task.
OF_A_VALUE = {"invalid_option", "invalid_reference", "invalid_trust"}
OTHERS = {"not_found", "unreachable", "unsupported_format", "engine_error", "io_error"}


# What the controller's tests import would change how Ansible decodes the options, so tasks run in a process of their own. Starting it costs more than
# all tasks of a test.
_RUN_TASKS = """
import importlib, json, sys
sys.path[:0] = json.loads(sys.argv[1])
from tests.support.forked import call
for line in sys.stdin:
    for module, task in json.loads(line):
        call(importlib.import_module(module).main, {**task, "_ansible_check_mode": True})
        print(flush=True)
"""
Outcomes = t.Callable[[t.Sequence[tuple[str, dict[str, t.Any]]]], list[dict[str, t.Any]]]


@pytest.fixture(scope="module")
def outcomes() -> t.Iterator[Outcomes]:
    """Return a function that runs modules in check mode, one after the other in one process, and returns their results."""
    paths = json.dumps([str(modules.ROOT), str(modules.ROOT / ".collections")])
    with subprocess.Popen([sys.executable, "-c", _RUN_TASKS, paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        answers = (line for line in t.cast(t.IO[str], process.stdout) if line.strip())

        def run(tasks: t.Sequence[tuple[str, dict[str, t.Any]]]) -> list[dict[str, t.Any]]:
            print(json.dumps([(f"{modules.PACKAGE}.{module}", task) for module, task in tasks]), file=process.stdin, flush=True)
            found = [json.loads(line) for line in itertools.islice(answers, len(tasks))]
            assert len(found) == len(tasks), "the process ended"
            return [{name: value for name, value in results.items() if name != "invocation"} for results in found]

        yield run
        process.terminate()


def of_module(module: str) -> list[ModuleOption]:
    return [option for option in OPTIONS if option.module == module]


def unused_options(module: str) -> frozenset[str]:
    found: frozenset[str] = importlib.import_module(f"{modules.PACKAGE}.{module}").argument_spec().unused
    return found


def once(options: t.Iterable[ModuleOption]) -> list[ModuleOption]:
    """Return OPTIONS without those that are the same in a module before: shared options are defined once."""
    return list({(option.path, str(option.spec)): option for option in reversed(list(options))}.values())


def own_options(module: str) -> list[ModuleOption]:
    return [option for option in once(OPTIONS) if option.module == module]


def test_every_module_has_options() -> None:
    assert {option.module for option in OPTIONS} == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_an_empty_list_is_refused_before_anything_is_read_or_written(module: str, outcomes: Outcomes, tmp_path: Path) -> None:
    lists = [option for option in of_module(module) if option.is_list]
    results = outcomes([(module, option.task([], tmp_path)) for option in lists])
    for option, result in zip(lists, results):
        is_refused = result.get("error") == "invalid_option" and f"{option.path[-1]} is an empty list" in result["msg"]
        is_meaningful = option.spec.get("default") == [] or MAY_BE_EMPTY & {str(option), option.path[-1]}
        assert is_refused == (not is_meaningful), (str(option), result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", MODULES)
def test_null_counts_as_not_given(module: str, outcomes: Outcomes, tmp_path: Path) -> None:
    """All options of a module at once, each one in a list of dictionaries, and each required one."""
    plain = without_nulls(of_module(module)[0].task(None, tmp_path))
    tasks = [{**dict.fromkeys(option.path[0] for option in of_module(module)), **plain}]
    tasks += [option.task(None, tmp_path) for option in own_options(module) if len(option.path) > 1 and not option.spec.get("required")]
    results = outcomes([(module, task) for task in [*tasks, *map(without_nulls, tasks)]])
    for task, with_nulls, without in zip(tasks, results[: len(tasks)], results[len(tasks) :]):
        assert with_nulls == without, task
    required = [option for option in own_options(module) if option.spec.get("required")]
    for option, result in zip(required, outcomes([(module, option.task(None, tmp_path)) for option in required])):
        assert result["error"] == "invalid_option", str(option)
        assert f"missing required arguments: {option.path[-1]}" in result["msg"], str(option)


@pytest.mark.parametrize("module", [module for module in MODULES if unused_options(module)])
def test_options_of_the_action_group_that_a_module_does_not_use_are_not_read(module: str, outcomes: Outcomes, tmp_path: Path) -> None:
    plain = without_nulls(of_module(module)[0].task(None, tmp_path))
    with_defaults = {**plain, **{option: ["\ud800", None] for option in unused_options(module)}}
    first, second = outcomes([(module, plain), (module, with_defaults)])
    assert first == second


def without_nulls(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def test_values_of_dictionaries_that_are_null_are_left_out(outcomes: Outcomes, tmp_path: Path) -> None:
    options = {option.path: option for option in of_module("image_append")}
    for path in (("annotations",), ("config", "env"), ("config", "labels")):
        with_null, without = (options[path].task(value, tmp_path) for value in ({"a": 1, "b": None}, {"a": 1}))
        first, second = outcomes([("image_append", with_null), ("image_append", without)])
        assert not first.get("failed")
        assert first == second


@pytest.mark.parametrize("module", MODULES)
def test_an_odd_value_ends_in_one_sentence_with_an_error_word(module: str, outcomes: Outcomes, tmp_path: Path) -> None:
    cases = [(option, value) for option in own_options(module) for value in VALUES[option.spec["type"]]]
    for (option, value), result in zip(cases, outcomes([(module, option.task(value, tmp_path)) for option, value in cases])):
        case = (str(option), repr(value)[:50], result)
        if result.get("failed"):
            assert result["error"] in OF_A_VALUE | OTHERS, case
            assert result["msg"].isprintable(), case
            assert len(result["msg"]) <= MAX_MESSAGE, case
        if value in NO_TEXT or (option.spec["type"] in ("int", "float") and value not in ("", [5], {})):
            assert result.get("error") == "invalid_option", case
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("element", [None, "\0", "\ud800", {}, 5])
def test_a_wrong_value_deep_in_a_list_has_an_error_word(element: t.Any, outcomes: Outcomes, tmp_path: Path) -> None:
    deep = [option for option in of_module("image_pull") if len(option.path) > 1]
    for option, result in zip(deep, outcomes([("image_pull", option.task([element], tmp_path)) for option in deep])):
        assert result["error"] in OF_A_VALUE | {"unreachable"}, (str(option), result)


def test_no_tries_after_the_first_are_one_try_as_one_is(outcomes: Outcomes, tmp_path: Path) -> None:
    options = {option.path: option for option in of_module("image_pull")}
    none, one = outcomes([("image_pull", options["retries",].task(tries, tmp_path)) for tries in (0, 1)])
    assert none == one
    assert none["error"] == "unreachable"
