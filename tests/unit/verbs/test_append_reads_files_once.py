# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_append writes the layers of a new name while it plans, so that it reads each file once, and otherwise plans without writing."""

from __future__ import annotations

import contextlib
import gzip
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.task.task import Task
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.modules import image_append
from tests.support.faults import FileEvents, leftovers, wrong_blobs
from tests.support.images import make_layer

NAME = "docker.io/library/made:1"


@contextlib.contextmanager
def planned(folder: Path, check: bool = False, **options: t.Any) -> t.Iterator[tuple[Plan, Task]]:
    """Plan the module with a source `src` and a store in FOLDER, and yield the plan and its task."""
    layer = {"src": str(folder / "src"), "dest": options.pop("dest", "/src")}
    given = {"name": NAME, "base": "scratch", "store": str(folder / "store"), "layers": [layer], **options}
    result = ArgumentSpecValidator(image_append.argument_spec().as_kwargs()["argument_spec"]).validate(given)
    assert not result.error_messages
    task = Task({**result.validated_parameters, "concurrency": 1}, check)
    with contextlib.closing(task), task.workers:
        yield image_append.plan(task), task


def source(folder: Path, data: bytes) -> Path:
    path = folder / "src"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"content" * 1000, {}),
        (b"content" * 1000, {"compression": "gzip"}),
        (b"content" * 1000, {"compression": "zstd"}),
        (make_layer("tar"), {"dest": None}),
        (gzip.decompress(make_layer("tar")), {"dest": None}),
    ],
    ids=["file", "gzip", "zstd", "compressed tar", "tar"],
)
def test_a_new_image_has_the_content_that_was_planned_though_the_source_changes_afterwards(
    tmp_path: Path, data: bytes, options: dict[str, t.Any]
) -> None:
    path = source(tmp_path, data)
    with planned(tmp_path, check=True, **options) as (predicted, _task):
        rows = predicted.rows()
    with planned(tmp_path, **options) as (plan, task):
        assert plan.rows() == rows
        path.unlink()
        done = plan.apply(task.workers)
        assert (done.errors, done.rows(), done.facts()) == ([], rows, predicted.facts())
    store = Store(str(tmp_path / "store"))
    store.check_complete(store.get_entry(Reference.parse(NAME)))
    assert wrong_blobs(store.path) == leftovers(store.path) == []


def test_a_plan_that_is_not_applied_leaves_no_blob_and_no_name(tmp_path: Path) -> None:
    source(tmp_path, b"content")
    with planned(tmp_path):
        pass
    store = Store(str(tmp_path / "store"))
    assert (list(store.stored()), store.index.entries, leftovers(store.path)) == ([], (), [])


@pytest.mark.parametrize(("check", "data"), [(True, b"first"), (True, b"other"), (False, b"first"), (False, b"other")])
def test_check_mode_and_an_image_that_has_the_name_write_nothing_while_planning(tmp_path: Path, check: bool, data: bytes) -> None:
    source(tmp_path, b"first")
    if not check:
        with planned(tmp_path) as (plan, task):
            plan.apply(task.workers)
    source(tmp_path, data)
    events = FileEvents(tmp_path, lambda event: None)
    with events.watched(), planned(tmp_path, check=check) as (plan, _task):
        assert plan.changed == (check or data == b"other")
    assert events.events == []
