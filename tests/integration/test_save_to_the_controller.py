# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_save to an archive on the controller, run by plays over a connection that Ansible takes for remote."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_index
from tests.support.plays import CONNECTIONS, watched_play

NAME = "docker.io/library/app:1"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the path of the host's store. What the host's connection did is in the file `asked`."""
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(CONNECTIONS))
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "asked"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    store = Store(str(tmp_path / "source"))
    make_index("app", size=100_000).put(store, NAME, platforms=["all"])
    return store.path


def save(folder: Path, source: str, *words: str, **options: t.Any) -> modules.Results:
    given = {"name": NAME, "path": "images.tar", "path_on": "controller", "store": source, **options}
    results = watched_play(folder, "image_save", given, *words, variables={"ansible_connection": "elsewhere"}).results
    left = [path.name for path in (folder / "tmp").iterdir() if not path.name.startswith("ansible")]
    assert left == [], "temporary files are left on the host"
    if results.get("failed") is False:
        del results["failed"]  # Ansible adds it to a registered result
    return results


@pytest.mark.parametrize("compression", [pytest.param("none", marks=pytest.mark.core), "gzip"])
def test_an_archive_is_predicted_saved_and_then_unchanged(source: str, tmp_path: Path, compression: str) -> None:
    options = {"compression": compression, "checksum": True}
    predicted = save(tmp_path, source, "--check", **options)
    archive = tmp_path / "images.tar"
    assert predicted["changed"]
    assert not archive.exists()
    done = save(tmp_path, source, **options)
    unknown = {"size": None, "checksum": None} if compression == "gzip" else {}
    assert {**done, **unknown} == predicted
    assert done["path"] == str(archive)
    assert done["reason"] == "there is no such file yet"
    assert modules.run("image_save", {"name": NAME, "path": str(archive), "store": source, **options})["reason"] is None
    before = modules.snapshot(archive)
    for words in ((), ("--check",)):
        again = save(tmp_path, source, *words, **options)
        assert again["bytes_reused"] == done["bytes_transferred"]
        assert again == modules.run("image_save", {"name": NAME, "path": str(archive), "store": source, **options})
    assert modules.snapshot(archive) == before


def test_a_file_with_other_content_is_replaced_and_keeps_its_mode(source: str, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    archive.write_bytes(b"an older archive")
    archive.chmod(0o640)
    done = save(tmp_path, source)
    assert done["reason"] == "its content differs"
    assert done["actions"][0].endswith(f" to {archive}: its content differs")
    assert done["checksum"] is None
    assert archive.stat().st_mode & 0o777 == 0o640
    assert not modules.run("image_save", {"name": NAME, "path": str(archive), "store": source})["changed"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"name": "absent:1"}, "not_found", "absent:1"),
        ({"path": "absent/images.tar"}, "io_error", "absent"),
        ({"format": "oci-dir"}, "invalid_option", "oci-dir"),
        ({"owner": "root"}, "invalid_option", "owner"),
        ({"path": ""}, "invalid_option", "path is required"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_save_that_cannot_work_has_a_stable_cause_and_keeps_the_file(
    source: str, tmp_path: Path, options: dict[str, t.Any], error: str, words: str
) -> None:
    archive = tmp_path / "images.tar"
    archive.write_bytes(b"kept")
    failed = save(tmp_path, source, **options)
    assert failed["failed"]
    assert failed["error"] == error
    assert words in failed["msg"]
    assert archive.read_bytes() == b"kept"


def test_without_its_action_plugin_the_module_refuses(source: str, tmp_path: Path) -> None:
    options = {"name": NAME, "path": str(tmp_path / "a.tar"), "path_on": "controller", "store": source}
    assert modules.fail("image_save", options)["error"] == "invalid_option"
