# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and fixtures for all tests. Checks the links that make a plain checkout an installed collection."""

from __future__ import annotations

import gc
import os
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.default_store import default_folders, find_changes, read_state
from tests.support.privileges import calls_needs_root
from tests.support.random_runs import OPTION
from tests.support.sharing import start_sharing

# The duration of an example depends on the machine, not on the tested code.
settings.register_profile("any machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Tests start programs by name, so these run instead of those of the machine.
if "LONGSHORE_ENGINES" in os.environ:
    os.environ["PATH"] = f"{Path(os.environ['LONGSHORE_ENGINES']).resolve(strict=True)}:{os.environ['PATH']}"

ROOT = Path(__file__).resolve().parents[1]
LINKS = (".collections/ansible_collections/longshore/images", "playbooks/collections/ansible_collections/longshore/images")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, default="0", help="how many minutes each test with random runs tries new ones; 0 repeats the same few")


def pytest_sessionstart() -> None:
    """Stop with one clear line if the links are missing, as in a zip download, instead of with a hundred failed imports."""
    for link in LINKS:
        if (ROOT / link).resolve() != ROOT:
            raise pytest.UsageError(f"{link} must be a symbolic link to the top of the checkout: get the sources with git clone")


def pytest_configure(config: pytest.Config) -> None:
    """Let all plays of this test run share what Ansible builds and what Python compiles. Workers inherit this from the process that starts them."""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(start_sharing())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that only root can run, for other users; pytest counts them as deselected."""
    if os.geteuid() == 0:
        return
    left_out = [item for item in items if isinstance(item, pytest.Function) and calls_needs_root(_functions_of(item))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _functions_of(item: pytest.Function) -> list[t.Callable[..., object]]:
    """Return the function of a test, and those of all fixtures that it uses."""
    fixtures = item._fixtureinfo.name2fixturedefs
    return [item.function, *(definition.func for name in item.fixturenames for definition in fixtures.get(name, ()))]


@pytest.fixture(autouse=True)
def forbid_the_default_store() -> t.Iterator[None]:
    """Let a test fail that works in the store of the user who runs the tests, because it gave no option `store`."""
    folders = default_folders()
    before = read_state(folders)
    yield
    if changed := find_changes(before, read_state(folders)):
        pytest.fail(f"a test worked in the default store of this user instead of a private one: {', '.join(changed)}", pytrace=False)


@pytest.fixture(autouse=True)
def enable_garbage_collection() -> None:
    """Undo what the import of a module does, because modules that tests import don't run."""
    gc.enable()


@pytest.fixture
def open_path() -> t.Iterator[Path]:
    """Return a folder that other users can enter. They cannot enter those of `tmp_path`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
