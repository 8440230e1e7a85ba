# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that tests fork from a server, because that is faster, are like runs of a new interpreter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import modules

NAMES = sorted(path.stem for path in (modules.ROOT / "plugins" / "modules").glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_module_returns_the_same_as_in_a_new_interpreter(name: str, store: str) -> None:
    assert modules.attempt(name, {"store": store}) == modules.finish_module(modules.start_module(name, {"store": store}))


def test_each_run_has_its_own_environment() -> None:
    for name in ("one", "two"):
        assert modules.run("image_info", {"store": "$FOLDER/store"}, env={"FOLDER": f"/absent/{name}"})["store"] == f"/absent/{name}/store"


def test_runs_that_begin_together_get_their_own_results(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: modules.run("image_info", {"store": f"{tmp_path}/{number}"})["store"], range(40)))
    assert found == [f"{tmp_path}/{number}" for number in range(40)]


def test_a_locale_gets_a_new_interpreter(store: str) -> None:
    output, errors = modules.outputs("image_info", {"store": store}, env={"LC_ALL": "C", "PYTHONVERBOSE": "1"})
    assert output
    assert "import 'site'" in errors
