# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The error for a missing base says what to do, for `image_append` and for loading a delta archive."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image, make_layer

BASE = make_layer("base", 5000)


def test_append_without_its_base_says_that_it_must_be_pulled(tmp_path: Path) -> None:
    options = {"store": str(tmp_path / "store"), "base": "r.test/base:1", "name": "r.test/new:1"}
    results = modules.fail("image_append", options)
    assert results["error"] == "not_found"
    assert results["msg"].endswith("pull it first")


def test_a_delta_without_its_base_names_the_digests_and_the_archive_to_load_first(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    make_image("old", 1, shared=[BASE]).put(store, "r.test/app:1")
    make_image("new", 1, shared=[BASE]).put(store, "r.test/app:2")
    old, delta = str(tmp_path / "old.tar"), str(tmp_path / "delta.tar")
    modules.run("image_save", {"store": store.path, "name": ["r.test/app:1"], "path": old})
    modules.run("image_save", {"store": store.path, "name": ["r.test/app:2"], "path": delta, "base": [old]})
    results = modules.fail("image_load", {"store": str(tmp_path / "other"), "path": delta})
    assert results["error"] == "not_found"
    assert "first load the archive that was given as base when this one was saved" in results["msg"]
    assert results["msg"].count("sha256:") == 1
