# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_extract from every place: real registries, a store, a layout and an archive."""

from __future__ import annotations

import gzip
import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.image_places import NAME, PLACES, PutImage, at_registry, in_store, lock_of
from tests.support.images import Image, make_files, make_image
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.rootfs import Item, folder_of, layer, link_to, read_folder, read_tar, text_file
from tests.support.trust import make_key, put_simple_signature

LOWER = layer(Item("etc"), Item("etc/app", "old"), Item("etc/gone", "gone"), Item("usr"), Item("usr/app", "program " * 40_000, 0o4755))
UPPER = layer(Item("etc"), Item("etc/app", "new", 0o640), Item("etc/.wh.gone", ""), Item("link", target="usr/app"))
IMAGE = make_image(layers=0, shared=[gzip.compress(data, mtime=0) for data in (LOWER, UPPER)])
TREE = {
    "etc": folder_of(),
    "etc/app": text_file("new", 0o640),
    "usr": folder_of(),
    "usr/app": text_file("program " * 40_000, 0o755),
    "link": link_to("usr/app"),
}
FILES = {path for path, entry in TREE.items() if entry[0] != "d"}
RECORD = ".longshore-extract-"


def tree_of(folder: Path) -> dict[str, t.Any]:
    """Return what is in a folder, without the record, and with the owners of the expected tree."""
    return {path: (*entry[:2], 0, 0, entry[4]) for path, entry in read_folder(folder).items() if not path.startswith(RECORD)}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_the_tree_comes_from_every_place(anonymous: Registry, repository: str, tmp_path: Path, place: PutImage) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (tmp_path / "from").mkdir()
    options = {**place(IMAGE, anonymous, repository, tmp_path / "from"), "dest": str(dest)}
    predicted = modules.run("image_extract", options, check=True)
    assert list(dest.iterdir()) == []

    done = modules.run("image_extract", options)

    assert tree_of(dest) == TREE
    assert done["images"][0]["digest"] == str(IMAGE.root.digest)
    assert {os.path.relpath(file["path"], dest) for file in done["files"] if file["changed"]} == FILES
    assert done["file_count"] == len(FILES)
    for key in ("changed", "actions", "diff", "images", "bytes_transferred", "blobs_transferred"):
        assert predicted[key] == done[key], key
    before = modules.snapshot(dest)
    for check in (True, False):
        again = modules.run("image_extract", options, check=check)
        assert (again["changed"], again["actions"], again["blobs_transferred"]) == (False, [], 0)
        assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
        assert {os.path.relpath(file["path"], dest) for file in again["files"]} == FILES
        assert not any(file["changed"] for file in again["files"])
        assert modules.snapshot(dest) == before


def test_a_second_run_asks_for_the_digest_of_the_tag_only(anonymous: Registry, recording: Recorder, repository: str, tmp_path: Path) -> None:
    anonymous.put(IMAGE, repository, "1")
    options = {"name": f"{recording.host}/{repository}:1", "dest": str(tmp_path / "dest"), "paths": ["/etc/app"]}
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    modules.run("image_extract", options, env=environment)
    lower, upper = (str(blob.digest) for blob in IMAGE.graph.images[0].manifest.layers)
    assert any(upper in line for line in recording.lines)
    assert not any(lower in line for line in recording.lines), "the upper layer decides about this path"
    recording.requests.clear()

    assert not modules.run("image_extract", options, env=environment)["changed"]
    assert [line.split()[:2] for line in recording.lines] == [["HEAD", f"/v2/{repository}/manifests/1"]]


@pytest.mark.parametrize("place", [at_registry, in_store], ids=lambda place: place.__name__)
def test_a_file_that_was_changed_on_disk_is_repaired(anonymous: Registry, repository: str, tmp_path: Path, place: PutImage) -> None:
    dest = tmp_path / "dest"
    options = {**place(IMAGE, anonymous, repository, tmp_path), "dest": str(dest)}
    modules.run("image_extract", options)
    status = (dest / "etc" / "app").stat()
    (dest / "etc" / "app").write_bytes(b"bad")
    os.utime(dest / "etc" / "app", ns=(status.st_atime_ns, status.st_mtime_ns))
    (dest / "own").write_bytes(b"own")

    assert modules.run("image_extract", options, check=True)["changed"]
    assert (dest / "etc" / "app").read_bytes() == b"bad"
    repaired = modules.run("image_extract", options)

    assert [file["path"] for file in repaired["files"] if file["changed"]] == [str(dest / "etc" / "app")]
    assert tree_of(dest) == {**TREE, "own": text_file("own", stat.S_IMODE((dest / "own").stat().st_mode))}
    assert not modules.run("image_extract", options)["changed"]


def test_a_tag_that_moved_replaces_the_files_that_differ(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    options = {**at_registry(IMAGE, anonymous, repository, tmp_path), "dest": str(tmp_path / "dest")}
    modules.run("image_extract", options)
    newest = make_image(
        layers=0, shared=[*(gzip.compress(data, mtime=0) for data in (LOWER, UPPER)), gzip.compress(layer(Item("link", "a file now")), mtime=0)]
    )
    anonymous.put(newest, repository, "1")

    done = modules.run("image_extract", options)

    assert [file["path"] for file in done["files"] if file["changed"]] == [str(tmp_path / "dest" / "link")]
    assert (done["diff"]["before"], done["diff"]["after"]) != ("", "")
    assert str(IMAGE.root.digest) not in done["diff"]["after"]
    assert tree_of(tmp_path / "dest") == {**TREE, "link": text_file("a file now", 0o755)}


@pytest.mark.parametrize("locked", [IMAGE, make_image("other")], ids=["the same digest", "another digest"])
@pytest.mark.parametrize("place", [at_registry, in_store], ids=lambda place: place.__name__)
def test_a_lock_file_decides_the_digest(anonymous: Registry, repository: str, tmp_path: Path, place: PutImage, locked: Image) -> None:
    options = place(IMAGE, anonymous, repository, tmp_path)
    dest = tmp_path / "dest"

    result = modules.attempt("image_extract", {**options, "dest": str(dest), "lock": lock_of(options, locked)})

    if locked is IMAGE:
        assert tree_of(dest) == TREE
    else:
        assert result["error"] in ("not_found", "not_locked")
        assert not dest.exists()


def test_only_a_signed_image_is_extracted_where_trust_needs_one(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    options = {**at_registry(IMAGE, anonymous, repository, tmp_path), "dest": str(dest), "trust": [{"keys": [make_key().pem.decode()]}]}

    for check in (True, False):
        assert modules.fail("image_extract", options, check=check)["error"] == "unsigned"
    assert not dest.exists()
    put_simple_signature(anonymous, repository, IMAGE.root, make_key(), f"{anonymous.host}/{repository}")

    done = modules.run("image_extract", options)
    assert done["images"][0]["verification"]["accepted"]
    assert tree_of(dest) == TREE
    assert not modules.run("image_extract", options)["changed"]
    assert modules.fail("image_extract", {**options, "trust": [{"keys": [make_key(number=1).pem.decode()]}]})["error"] == "untrusted"


def test_wrong_credentials_are_denied_and_write_nothing(protected: Registry, repository: str, tmp_path: Path) -> None:
    options = {"name": protected.put(IMAGE, repository, "1"), "dest": str(tmp_path / "dest"), "ca_path": str(protected.ca), "username": USER}

    assert modules.fail("image_extract", {**options, "password": "wrong"})["error"] == "denied"
    assert not (tmp_path / "dest").exists()
    modules.run("image_extract", {**options, "password": PASSWORD})

    assert tree_of(tmp_path / "dest") == TREE


def test_mode_applies_to_the_files_and_to_nothing_else(tmp_path: Path) -> None:
    IMAGE.put(Store(str(tmp_path / "store")), NAME)
    dest = tmp_path / "dest"
    options = {"src": f"oci:{tmp_path}/store:{NAME}", "paths": ["/usr/app"], "strip_components": 1, "dest": str(dest), "mode": "0700"}
    dest.mkdir(mode=0o750)

    modules.run("image_extract", options)

    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (dest, dest / "app")} == {"dest": 0o750, "app": 0o700}
    assert not modules.run("image_extract", options)["changed"]
    assert modules.run("image_extract", {**options, "mode": "0711"}, check=True)["changed"]
    assert modules.run("image_extract", {**options, "mode": "0711"})["bytes_transferred"] == 0
    assert stat.S_IMODE((dest / "app").stat().st_mode) == 0o711


def test_a_tar_holds_the_tree_and_is_written_once(tmp_path: Path) -> None:
    IMAGE.put(Store(str(tmp_path / "store")), NAME)
    (tmp_path / "dest").mkdir()
    options = {"src": f"oci:{tmp_path}/store:{NAME}", "dest": str(tmp_path / "dest" / "root.tar"), "format": "tar"}

    done = modules.run("image_extract", options)

    assert read_tar((tmp_path / "dest" / "root.tar").read_bytes()) == TREE
    assert [file["path"] for file in done["files"]] == [options["dest"]]
    before = modules.snapshot(tmp_path / "dest")
    assert not modules.run("image_extract", options)["changed"]
    assert modules.snapshot(tmp_path / "dest") == before


BAD_INPUT: dict[str, tuple[dict[str, t.Any], str]] = {
    "neither name nor src": ({}, "invalid_option"),
    "two names": ({"name": NAME, "src": f"store::{NAME}"}, "invalid_option"),
    "src and engine": ({"src": "IMAGE", "engine": "docker"}, "invalid_option"),
    "no reference": ({"name": "A B"}, "invalid_reference"),
    "no paths": ({"src": "IMAGE", "paths": []}, "invalid_option"),
    "an empty path": ({"src": "IMAGE", "paths": [""]}, "invalid_option"),
    "a path that leads out": ({"src": "IMAGE", "paths": ["/etc/../../app"]}, "invalid_option"),
    "negative strip_components": ({"src": "IMAGE", "strip_components": -1}, "invalid_option"),
    "mode": ({"src": "IMAGE", "mode": "rw"}, "invalid_option"),
    "owner twice": ({"src": "IMAGE", "preserve": ["owner"], "owner": "root"}, "invalid_option"),
    "missing archive": ({"src": "oci-archive:/nowhere/archive.tar"}, "io_error"),
    "an artifact": ({"src": "ARTIFACT"}, "unsupported_format"),
    "another platform": ({"src": "IMAGE", "platform": ["linux/s390x"]}, "platform_missing"),
    "trust nothing": ({"src": "IMAGE", "trust": []}, "untrusted"),
    "a missing folder for the tar": ({"src": "IMAGE", "format": "tar", "dest": "/nowhere/root.tar"}, "io_error"),
}


@pytest.mark.parametrize(("options", "error"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, options: dict[str, t.Any], error: str) -> None:
    store = Store(str(tmp_path / "store"))
    IMAGE.put(store, NAME)
    make_files([("a", b"a")]).put(store, "r.test/artifact:1")
    sources = {"IMAGE": f"oci:{tmp_path}/store:{NAME}", "ARTIFACT": f"oci:{tmp_path}/store:r.test/artifact:1"}
    given = {name: sources.get(str(value), value) for name, value in options.items()}

    for check in (True, False):
        assert modules.fail("image_extract", {"dest": str(tmp_path / "dest"), **given}, check=check)["error"] == error

    assert not (tmp_path / "dest").exists()
