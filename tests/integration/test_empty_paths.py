# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An empty path usually comes from an unset variable: all modules refuse it before they do anything."""

from __future__ import annotations

import typing as t

import pytest

from tests.support import modules

CASES: list[tuple[str, str, dict[str, t.Any]]] = [
    ("image_info", "store", {"store": ""}),
    ("image_info", "archive", {"archive": ""}),
    ("image_prune", "store", {"store": ""}),
    ("image_tag", "store", {"name": "a:1", "targets": ["b:1"], "store": ""}),
    ("image_save", "path", {"name": ["a:1"], "path": ""}),
    ("image_save", "base", {"name": ["a:1"], "path": "/nowhere/a.tar", "base": ["/nowhere/b.tar", ""]}),
    ("image_load", "path", {"path": ""}),
    ("image_lock", "path", {"name": ["a:1"], "path": ""}),
    ("image_pull", "lock_file", {"lock_file": ""}),
    ("image_pull", "ca_path", {"name": ["r.test/a:1"], "ca_path": ""}),
    ("image_pull", "registries: ca_path", {"name": ["r.test/a:1"], "registries": [{"name": "r.test", "ca_path": ""}]}),
    (
        "image_pull",
        "registries: mirrors: ca_path",
        {"name": ["r.test/a:1"], "registries": [{"name": "r.test", "mirrors": [{"url": "https://m.test", "ca_path": ""}]}]},
    ),
    ("image_append", "layers: src", {"name": "a:1", "base": "scratch", "layers": [{"src": "", "dest": "/a"}]}),
]


@pytest.mark.parametrize(("module", "option", "options"), CASES, ids=[f"{module} {option}" for module, option, _options in CASES])
def test_an_empty_path_is_refused_by_the_name_of_its_option(store: str, module: str, option: str, options: dict[str, t.Any]) -> None:
    results = modules.fail(module, {"store": store, **options}, check=True)
    assert results["error"] == "invalid_option"
    assert results["msg"].startswith(f"{option} is empty; give a path")
    assert modules.fail(module, {"store": store, **options}) == results
    assert modules.snapshot(store) == {}


def test_an_empty_default_path_that_a_module_does_not_use_is_ignored() -> None:
    options = {"name": ["127.0.0.1:1/a:1"], "path": "/nowhere/images.lock", "retries": 1, "store": ""}
    assert modules.fail("image_lock", options)["error"] != "invalid_option"
