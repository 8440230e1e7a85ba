# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""artifact_pull to a folder on the controller, run by plays over a connection that Ansible takes for remote."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.archives import pack
from tests.support.images import make_files
from tests.support.plays import CONNECTIONS, watched_play

NAME = "registry.example.com/team/files:1"
FILES = {"a file.txt": b"a" * 100, "sub/b.bin": b"b" * 3_000_000}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the host's store."""
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(CONNECTIONS))
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "asked"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return Store(str(tmp_path / "source"))


def pull(folder: Path, source: Store, *words: str, **options: t.Any) -> modules.Results:
    given = {"src": "store:", "name": NAME, "store": source.path, "dest": "dest/", "path_on": "controller", **options}
    results = watched_play(folder, "artifact_pull", given, *words, variables={"ansible_connection": "elsewhere"}).results
    left = [path.name for path in (folder / "tmp").iterdir() if not path.name.startswith("ansible")]
    assert left == [], "temporary files are left on the host"
    if results.get("failed") is False:
        del results["failed"]  # Ansible adds it to a registered result
    return results


@pytest.mark.core
def test_files_are_predicted_written_and_then_unchanged(source: Store, tmp_path: Path) -> None:
    make_files(list(FILES.items())).put(source, NAME)
    dest = tmp_path / "dest"

    predicted = pull(tmp_path, source, "--check", mode="0640")
    assert predicted["changed"]
    assert not dest.exists()
    done = pull(tmp_path, source, mode="0640")

    assert done == predicted
    assert {str(path.relative_to(dest)): path.read_bytes() for path in dest.rglob("*") if path.is_file()} == FILES
    assert {path.stat().st_mode & 0o777 for path in dest.rglob("*") if path.is_file()} == {0o640}
    assert done == modules.run("artifact_pull", {"src": "store:", "name": NAME, "store": source.path, "dest": f"{tmp_path}/other/"}, check=True) | {
        key: done[key] for key in ("actions", "diff", "files")
    }
    before = modules.snapshot(dest)
    again = pull(tmp_path, source)
    assert (again["changed"], again["actions"], again["bytes_reused"]) == (False, [], done["bytes_transferred"])
    assert modules.snapshot(dest) == before


def test_only_the_chosen_file_that_differs_is_fetched(source: Store, tmp_path: Path) -> None:
    make_files(list(FILES.items())).put(source, NAME)
    (tmp_path / "one").write_bytes(b"other")

    done = pull(tmp_path, source, dest="one", titles=["*.txt"])

    assert (tmp_path / "one").read_bytes() == FILES["a file.txt"]
    assert done["diff"]["before"].keys() == done["diff"]["after"].keys() == {str(tmp_path / "one")}
    assert (done["bytes_transferred"], [file["path"] for file in done["files"]]) == (100, [str(tmp_path / "one")])


def test_a_packed_folder_is_unpacked_on_the_controller(source: Store, tmp_path: Path) -> None:
    packed = make_files([("site", pack({"site/page": b"1", "site/sub/page": b"2"}))], layer_annotations={"io.deis.oras.content.unpack": "true"})
    packed.put(source, NAME)

    done = pull(tmp_path, source)

    assert [(file["path"], file["unpacked"]) for file in done["files"]] == [(str(tmp_path / "dest" / "site"), True)]
    assert (tmp_path / "dest" / "site" / "sub" / "page").read_bytes() == b"2"
    assert not pull(tmp_path, source)["changed"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "absent:1"}, "not_found"),
        ({"existing": "fail"}, "name_taken"),
    ],
)
def test_a_pull_that_cannot_work_has_a_stable_cause_and_keeps_the_files(source: Store, tmp_path: Path, options: dict[str, t.Any], error: str) -> None:
    make_files(list(FILES.items())).put(source, NAME)
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "a file.txt").write_bytes(b"old")
    before = modules.snapshot(tmp_path / "dest")

    failed = pull(tmp_path, source, **options)

    assert (failed["failed"], failed["changed"], failed.get("error")) == (True, False, error), failed
    assert modules.snapshot(tmp_path / "dest") == before


def test_without_its_action_plugin_the_module_refuses(tmp_path: Path) -> None:
    failed = modules.fail("artifact_pull", {"name": NAME, "dest": str(tmp_path), "path_on": "controller"})
    assert failed["error"] == "invalid_option"
