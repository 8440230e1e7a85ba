# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""artifact_pull from every place: real registries, a store, a layout and an archive."""

from __future__ import annotations

import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.image_places import NAME, PLACES, PutImage, at_registry, in_store, lock_of
from tests.support.images import Image, make_files, make_image
from tests.support.privileges import needs_root
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry

FILES = make_files([("a.txt", b"a" * 100), ("sub/b.bin", b"b" * 3_000_000)])
CONTENT = {"a.txt": b"a" * 100, "sub/b.bin": b"b" * 3_000_000}


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_the_files_come_from_every_place(anonymous: Registry, repository: str, tmp_path: Path, place: PutImage) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (tmp_path / "from").mkdir()

    done = modules.check_do_again("artifact_pull", {**place(FILES, anonymous, repository, tmp_path / "from"), "dest": str(dest)}, place=dest)

    assert files_in(dest) == CONTENT
    assert done["images"][0]["digest"] == str(FILES.root.digest)
    assert [(file["path"], file["title"], file["size"], file["changed"]) for file in done["files"]] == [
        (str(dest / title), title, len(data), True) for title, data in CONTENT.items()
    ]
    assert (done["bytes_transferred"], done["blobs_transferred"]) == (3_000_100, 2)


@pytest.mark.parametrize("keeps_manifests", [True, False])
def test_a_second_run_asks_for_the_digest_and_without_a_cache_for_the_manifest(
    anonymous: Registry, recording: Recorder, repository: str, tmp_path: Path, keeps_manifests: bool
) -> None:
    anonymous.put(FILES, repository, "1")
    options = {"name": f"{recording.host}/{repository}:1", "dest": str(tmp_path / "dest")}
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")} if keeps_manifests else {}
    modules.run("artifact_pull", options, check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
    modules.run("artifact_pull", options, env=environment)
    recording.requests.clear()

    again = modules.run("artifact_pull", options, env=environment)

    assert not again["changed"]
    assert [file["path"] for file in again["files"]] == [str(tmp_path / "dest" / title) for title in CONTENT]
    manifest = ["GET", f"/v2/{repository}/manifests/{FILES.root.digest}"]
    assert [line.split()[:2] for line in recording.lines] == [["HEAD", f"/v2/{repository}/manifests/1"], *([] if keeps_manifests else [manifest])]


@pytest.mark.parametrize("check", [True, False])
def test_mode_applies_to_the_files_and_to_nothing_else(anonymous: Registry, repository: str, tmp_path: Path, check: bool) -> None:
    options = {"name": anonymous.put(FILES, repository, "1"), "dest": str(tmp_path), "mode": "0640"}
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "other").chmod(0o604)
    modules.run("artifact_pull", options)

    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")} == {
        "a.txt": 0o640,
        "b.bin": 0o640,
        "sub": 0o755,
        "other": 0o604,
    }
    assert not modules.run("artifact_pull", options)["changed"]
    changed = modules.run("artifact_pull", {**options, "mode": "0600"}, check=check)
    assert (changed["changed"], changed["bytes_transferred"], len(changed["actions"])) == (True, 0, 2)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == (0o640 if check else 0o600)


def test_mode_and_owner_apply_to_the_files_of_a_folder(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    needs_root()
    (tmp_path / "conf" / "sub").mkdir(parents=True)
    (tmp_path / "conf" / "sub" / "a").write_bytes(b"a")
    name = f"{anonymous.host}/{repository}:1"
    modules.run("artifact_push", {"name": name, "files": [{"path": str(tmp_path / "conf"), "unpack": True}]})
    options = {"name": name, "dest": str(tmp_path / "dest"), "mode": "0640", "owner": 1234, "group": 5678}

    modules.check_do_again("artifact_pull", options, place=tmp_path / "dest")

    found = {path.name: path.stat() for path in (tmp_path / "dest").rglob("*") if not path.name.startswith(".")}
    assert {name: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) for name, status in found.items()} == {
        "conf": (0o750, 1234, 5678),
        "sub": (0o750, 1234, 5678),
        "a": (0o640, 1234, 5678),
    }


@pytest.mark.parametrize("locked", [FILES, make_image("other")], ids=["the same digest", "another digest"])
@pytest.mark.parametrize("place", [at_registry, in_store], ids=lambda place: place.__name__)
def test_a_lock_file_decides_the_digest(anonymous: Registry, repository: str, tmp_path: Path, place: PutImage, locked: Image) -> None:
    options = place(FILES, anonymous, repository, tmp_path)
    dest = tmp_path / "dest"

    result = modules.attempt("artifact_pull", {**options, "dest": str(dest), "lock": lock_of(options, locked)})

    if locked is FILES:
        assert files_in(dest) == CONTENT
    else:
        assert result["error"] in ("not_found", "not_locked")
        assert not dest.exists()


def test_the_lock_file_of_image_lock_keeps_an_artifact_whose_tag_moves(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    name = anonymous.put(FILES, repository, "1")
    modules.run("image_lock", {"name": [name], "path": str(tmp_path / "files.lock")})
    anonymous.put(make_files([("a.txt", b"moved")]), repository, "1")

    modules.run("artifact_pull", {"name": name, "dest": str(tmp_path / "dest"), "lock": (tmp_path / "files.lock").read_text()})

    assert files_in(tmp_path / "dest") == CONTENT


def test_wrong_credentials_are_denied_and_write_nothing(protected: Registry, repository: str, tmp_path: Path) -> None:
    options = {"name": protected.put(FILES, repository, "1"), "dest": str(tmp_path / "dest"), "ca_path": str(protected.ca), "username": USER}

    assert modules.fail("artifact_pull", {**options, "password": "wrong"})["error"] == "denied"
    assert not (tmp_path / "dest").exists()
    modules.run("artifact_pull", {**options, "password": PASSWORD})

    assert files_in(tmp_path / "dest") == CONTENT


BAD_INPUT: dict[str, tuple[dict[str, t.Any], str]] = {
    "neither name nor src": ({}, "invalid_option"),
    "two names": ({"name": NAME, "src": f"store::{NAME}"}, "invalid_option"),
    "engine": ({"src": "docker-daemon:app:1"}, "invalid_option"),
    "no reference": ({"name": "A B"}, "invalid_reference"),
    "scheme in the name": ({"name": "oci:/srv/layout"}, "invalid_reference"),
    "empty titles": ({"name": NAME, "titles": []}, "invalid_option"),
    "empty media types": ({"name": NAME, "media_types": []}, "invalid_option"),
    "mode": ({"name": NAME, "mode": "rw"}, "invalid_option"),
    "missing archive": ({"src": "oci-archive:/nowhere/archive.tar"}, "io_error"),
    "trust nothing": ({"src": "STORE", "trust": []}, "untrusted"),
}


@pytest.mark.parametrize(("options", "error"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, options: dict[str, t.Any], error: str) -> None:
    FILES.put(Store(str(tmp_path / "store")), NAME)
    given = {name: f"oci:{tmp_path}/store:{NAME}" if value == "STORE" else value for name, value in options.items()}

    for check in (True, False):
        assert modules.fail("artifact_pull", {**given, "dest": str(tmp_path / "dest")}, check=check)["error"] == error

    assert not (tmp_path / "dest").exists()
