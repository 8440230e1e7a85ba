# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_load of an archive on the controller, run by plays."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.archive.summary import summarise_archive
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image, make_index
from tests.support.plays import play

NAME = "docker.io/library/app:1"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return an archive in the folder `files` beside the playbook, which is larger than a summary may be."""
    store = Store(str(tmp_path / "source"))
    make_index("app", size=300_000).put(store, NAME, platforms=["all"])
    make_image("plain", size=300_000).put(store, "localhost/plain:1")
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "images.tar"
    modules.run("image_save", {"name": [NAME, "localhost/plain:1"], "path": str(path), "store": store.path})
    return path


def load(folder: Path, *words: str, **options: t.Any) -> modules.Results:
    return play(folder, "image_load", {"path_on": "controller", **options}, *words)


@pytest.mark.core
def test_an_archive_of_the_controller_is_predicted_loaded_and_then_unchanged(archive: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    predicted = load(tmp_path, "--check", path="images.tar", store=str(store))
    assert predicted["changed"]
    assert not store.exists()
    done = load(tmp_path, path="images.tar", store=str(store))
    assert done == predicted
    assert done["path"] == str(archive)
    rows = modules.run("image_info", {"store": str(store)})["images"]
    assert rows == modules.run("image_info", {"archive": str(archive)})["images"]

    before = modules.snapshot(store)
    again = load(tmp_path, path=str(archive), store=str(store))
    assert not again["changed"]
    assert modules.snapshot(store) == before


@pytest.mark.parametrize(
    ("options", "error"),
    [({"path": "absent.tar"}, "io_error"), ({"path": "/etc/passwd"}, "corrupt_archive"), ({"path": "images.tar", "name": ["absent:1"]}, "not_found")],
    ids=["absent", "no archive", "absent name"],
)
def test_an_archive_that_cannot_be_loaded_has_a_stable_cause_and_writes_nothing(
    archive: Path, tmp_path: Path, options: dict[str, t.Any], error: str
) -> None:
    store = tmp_path / "store"
    results = load(tmp_path, store=str(store), **options)
    assert results["failed"]
    assert results["error"] == error
    wanted = archive if options["path"] == "images.tar" else options["path"]
    assert str(wanted) in results["msg"]
    assert not store.exists()


def test_a_folder_of_the_controller_is_refused_in_check_mode_too(archive: Path, tmp_path: Path) -> None:
    source = str(tmp_path / "source")
    modules.run("image_save", {"name": NAME, "path": str(tmp_path / "files" / "layout"), "format": "oci-dir", "store": source})
    for words in ((), ("--check",)):
        results = load(tmp_path, *words, path="layout", store=str(tmp_path / "store"))
        assert results["error"] == "unsupported_format"
        assert str(tmp_path / "files" / "layout") in results["msg"]


def test_a_summary_is_not_accepted_as_an_archive(archive: Path, tmp_path: Path) -> None:
    summary = summarise_archive(open_archive(str(archive)))
    assert len(summary) < 50_000
    (tmp_path / "summary").write_bytes(summary)
    results = modules.fail("image_load", {"path": str(tmp_path / "summary"), "store": str(tmp_path / "store")})
    assert results["error"] == "unsupported_format"
    assert not (tmp_path / "store").exists()
