# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode and info modules write nothing at all (promise I11)."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.faults import FileEvents, snapshot
from tests.support.modules import finish_module, start_module
from tests.support.verbs import opened, plan_pull, put_images

MODULES: dict[str, dict[str, t.Any]] = {
    "image_tag": {"name": "r.test/old:1", "targets": ["r.test/fresh:1", "r.test/moving:1"]},
    "image_rm": {"name": ["r.test/leaving:1"]},
    "image_append": {"name": "r.test/made:1", "base": "r.test/old:1", "layers": [{"src": "/etc/hostname", "dest": "/etc/"}]},
    "image_info": {},
    "image_history_info": {"name": "r.test/old:1"},
}


@pytest.mark.parametrize("kind", ["ours", "another tool's", "missing"])
def test_info_writes_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store"
    if kind != "missing":
        put_images(path)
    if kind == "another tool's":
        shutil.rmtree(path / ".longshore")
    before = snapshot(tmp_path)
    running = [start_module(module, {"store": str(path), **options}, check=True) for module, options in MODULES.items()]
    results = [finish_module(module) for module in running]
    assert snapshot(tmp_path) == before
    if kind != "missing":
        assert [result.get("failed", False) for result in results] == [False] * len(MODULES)
        assert [result["changed"] for result in results] == [True, True, True, False, False]


@pytest.mark.parametrize("kind", ["ours", "missing"])
def test_planning_a_pull_writes_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store"
    if kind == "ours":
        put_images(path)
    before = snapshot(tmp_path)
    events = FileEvents(tmp_path, lambda event: None)
    with events.watched(), Workers(2) as workers:
        plan = plan_pull(opened(path), workers, "r.test/new:1", "r.test/moving:1", "r.test/index:1")
    assert plan.changed
    assert events.events == []
    assert snapshot(tmp_path) == before
