# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that can't be written is reported in check mode as by a real run, and a run without changes succeeds."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import archives, modules
from tests.support.images import make_image
from tests.support.privileges import needs_root

NAME, OTHER = "r.test/app:1", "r.test/other:1"

CHANGES: dict[str, dict[str, t.Any]] = {
    "image_tag": {"name": NAME, "targets": ["r.test/app:2"]},
    "image_rm": {"name": NAME},
    "image_prune": {"keep": 1},
    "image_append": {"name": "r.test/app:3", "base": NAME, "layers": [{"src": "/etc/hostname", "dest": "/etc/"}]},
    "image_load": {"path": "{folder}/archive.tar"},
    "image_verify": {"repair": True},
}
NO_CHANGES: dict[str, dict[str, t.Any]] = {
    "image_tag": {"name": NAME, "targets": [OTHER]},
    "image_rm": {"name": "r.test/absent:1"},
    "image_prune": {"dangling": False},
    "image_verify": {"name": NAME, "repair": True},
}


@pytest.fixture
def folder(tmp_path: Path) -> t.Iterator[Path]:
    """Mount a read-only file system with an archive, and a store that has two names, an unnamed image and a damaged blob that no image uses."""
    needs_root()
    folder = tmp_path / "read-only"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=True)
    try:
        store = Store(str(folder / "store"))
        make_image("moved").put(store, OTHER)
        make_image("app").put(store, NAME, OTHER)
        stray = Path(store.blob_path(make_image("stray").layers[0].digest))
        stray.write_bytes(b"damaged")
        store.close()  # an open folder would keep the file system from being unmounted
        (folder / "archive.tar").write_bytes(archives.pack(archives.oci(make_image("loaded"), "r.test/loaded:1")))
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def options(folder: Path, given: t.Mapping[str, t.Any], store: str = "store") -> dict[str, t.Any]:
    filled = {name: value.format(folder=folder) if isinstance(value, str) else value for name, value in given.items()}
    return {**filled, "store": f"{folder}/{store}"}


@pytest.mark.parametrize("module", CHANGES)
def test_a_task_that_would_change_the_store_fails_in_check_mode_and_in_a_real_run(folder: Path, module: str) -> None:
    given = options(folder, CHANGES[module])
    predicted, done = (modules.fail(module, given, check=check) for check in (True, False))
    assert (predicted["error"], predicted["msg"]) == (done["error"], done["msg"])
    assert predicted["error"] == "io_error"
    assert f"the store {folder}/store can't be written" in predicted["msg"]


@pytest.mark.parametrize("module", NO_CHANGES)
def test_a_task_that_changes_nothing_works(folder: Path, module: str) -> None:
    for check in (True, False):
        assert not modules.run(module, options(folder, NO_CHANGES[module]), check=check)["changed"]


def test_a_store_that_cannot_be_created_is_reported_in_check_mode(folder: Path) -> None:
    given = options(folder, CHANGES["image_load"], store="deep/er")
    predicted, done = (modules.fail("image_load", given, check=check) for check in (True, False))
    assert (predicted["error"], predicted["msg"]) == (done["error"], done["msg"])
    assert f"the store {folder}/deep/er can't be made: the folder {folder} " in predicted["msg"]


def test_a_layout_that_cannot_be_written_is_reported_before_a_copy(folder: Path) -> None:
    given = {"images": [{"src": f"oci-archive:{folder}/archive.tar", "dest": f"oci:{folder}/layout"}]}
    predicted, done = (modules.fail("image_copy", given, check=check) for check in (True, False))
    assert (predicted["error"], predicted["msg"]) == (done["error"], done["msg"])
    assert f"{folder}/layout can't be made" in predicted["msg"]
