# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test that works in the default store of its user fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.task.task import ROOT_STORE
from tests.support import modules
from tests.support.default_store import default_folders, find_changes, read_state
from tests.support.images import make_image

pytest_plugins = ("pytester",)


def test_a_store_that_is_created_or_changed_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "longshore"
    empty = read_state([str(folder)])
    assert find_changes(empty, read_state([str(folder)])) == []
    make_image("first").put(Store(str(folder / "images")), "a:1")
    first = read_state([str(folder)])
    assert str(folder / "images/index.json") in find_changes(empty, first)
    assert find_changes(first, read_state([str(folder)])) == []
    make_image("second").put(Store(str(folder / "images")), "a:1")
    assert str(folder / "images/index.json") in find_changes(first, read_state([str(folder)]))


def test_the_default_stores_of_all_users_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert [f"{folder}/images" for folder in default_folders()] == [ROOT_STORE, "/home/somebody/.local/share/longshore/images"]


def test_a_test_that_works_in_the_default_store_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeconftest("from tests.conftest import forbid_the_default_store")
    pytester.makepyfile(
        """
        import os

        def test_that_uses_no_store(): ...

        def test_that_uses_the_default_store():
            os.makedirs(os.environ["XDG_DATA_HOME"] + "/longshore/images")
        """
    )
    monkeypatch.setenv("XDG_DATA_HOME", str(pytester.path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(modules.ROOT))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*test_that_uses_the_default_store*", "*worked in the default store*"])
