# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The platforms that a task asked for are recorded with the image, also if another image brought all of their content before."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from tests.support import verbs
from tests.support.archives import index_entry, index_file, layout, pack
from tests.support.faults import snapshot
from tests.support.store_copies import Copy, put_layout
from tests.support.store_model import Load, World
from tests.support.verbs import INDEX, Act

NAME = "r.test/index:1"


def pull(world: World, act: Act) -> Plan:
    return verbs.pull(world.store, NAME, platforms=["all"], registry=world.repository, act=act)


def load(world: World, act: Act) -> Plan:
    (world.folder / "archive-9.tar").write_bytes(pack(layout(index_file(index_entry(INDEX, NAME)), INDEX)))
    return Load(9).do(world, act)


def copy(world: World, act: Act) -> Plan:
    put_layout(world)
    return Copy("index", NAME).do(world, act)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {NAME: INDEX})


def recorded(world: World) -> Selection | None:
    return verbs.opened(world.store).get_entry(Reference.parse(NAME)).selection


@pytest.mark.parametrize("run", [pull, load, copy])
def test_new_platforms_of_a_complete_image_are_recorded_once(run: t.Callable[[World, Act], Plan], world: World) -> None:
    INDEX.put(verbs.opened(world.store), NAME, platforms=["linux/amd64"])
    planned = run(world, verbs.check)
    assert recorded(world) != ALL
    done = run(world, verbs.apply)
    assert recorded(world) == ALL
    assert (planned.changed, planned.actions(), planned.diff()) == (done.changed, done.actions(), done.diff())
    assert len(done.actions()) == 1
    assert "complete" in done.actions()[0]
    assert not run(world, verbs.apply).changed


@pytest.mark.parametrize("platforms", [["all"], ["linux/amd64", "linux/arm64"], []], ids=["all", "both", "nothing"])
@pytest.mark.parametrize("name", [NAME, f"{NAME}@{INDEX.root.digest}"])
def test_a_pull_without_platform_changes_nothing_recorded(name: str, platforms: list[str], world: World) -> None:
    """An image that another tool stored has nothing recorded. A pull that is otherwise unchanged stays so."""
    INDEX.put(verbs.opened(world.store), NAME, platforms=platforms)
    before = snapshot(world.store)
    assert not verbs.pull(world.store, name, registry=world.repository).changed
    assert snapshot(world.store) == before
