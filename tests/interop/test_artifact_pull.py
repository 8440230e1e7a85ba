# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""artifact_pull writes the same files as oras, from what oras pushes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.oras import oras
from tests.support.registry import Registry, needed, running_registry
from tests.support.signing import make_keys, sign


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# The words of `oras push` after the reference. Each file exists.
PUSHES: dict[str, list[str]] = {
    "one file": ["a.bin"],
    "files in folders": ["a.bin", "sub/b.txt:text/plain", "sub/deep/c"],
    "artifact type": ["--artifact-type", "application/vnd.test.firmware", "a.bin"],
    "config": ["--config", "config.json:application/vnd.test.config+json", "a.bin"],
    "annotations": ["--annotation", "a=b", "a.bin"],
    "OCI 1.0 manifest": ["--image-spec", "v1.0", "a.bin", "empty"],
    "equal content": ["empty", "sub/empty"],
    "name with spaces": ["b & <c>.txt"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(bytes(range(256)) * 10_000)
    (folder / "sub" / "b.txt").write_text("text\n")
    (folder / "sub" / "deep" / "c").write_bytes(b"c")
    (folder / "empty").write_bytes(b"")
    (folder / "sub" / "empty").write_bytes(b"")
    (folder / "b & <c>.txt").write_bytes(b"b")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("words", PUSHES.values(), ids=PUSHES)
def test_the_files_that_oras_pushes_are_those_that_oras_pulls(registry: Registry, folder: Path, tmp_path: Path, words: list[str]) -> None:
    name = f"{registry.host}/{folder.parent.name.replace('_', '').lower()}:1"
    oras("push", "--plain-http", name, *words, folder=folder)
    (tmp_path / "oras").mkdir()
    oras("pull", "--plain-http", "--output", str(tmp_path / "oras"), name, folder=tmp_path)

    done = modules.run("artifact_pull", {"name": name, "dest": f"{tmp_path}/ours/"})

    assert files_in(tmp_path / "ours") == files_in(tmp_path / "oras") != {}
    manifest = json.loads(oras("manifest", "fetch", "--plain-http", name, folder=tmp_path))
    assert [(file["digest"], file["media_type"]) for file in done["files"]] == [(layer["digest"], layer["mediaType"]) for layer in manifest["layers"]]
    assert not modules.run("artifact_pull", {"name": name, "dest": f"{tmp_path}/oras/"})["changed"]


def test_a_layout_of_oras_is_read(folder: Path, tmp_path: Path) -> None:
    oras("push", "--oci-layout", f"{tmp_path}/layout:v1", "a.bin", "sub/b.txt", folder=folder)

    modules.run("artifact_pull", {"src": f"oci:{tmp_path}/layout:v1", "dest": str(tmp_path / "ours")})

    assert files_in(tmp_path / "ours") == {name: (folder / name).read_bytes() for name in ("a.bin", "sub/b.txt")}


def tree_in(folder: Path) -> dict[str, tuple[str, int, bytes | str]]:
    """Return the kind, the permissions, and the content or target of everything below FOLDER, except what begins with a dot."""
    tree: dict[str, tuple[str, int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        value = os.readlink(path) if stat.S_ISLNK(mode) else path.read_bytes() if stat.S_ISREG(mode) else b""
        if not path.name.startswith("."):
            tree[str(path.relative_to(folder))] = (stat.filemode(mode)[0], 0 if stat.S_ISLNK(mode) else stat.S_IMODE(mode), value)
    return tree


def push_by_oras(name: str, folder: Path) -> None:
    oras("push", "--plain-http", name, "sub", "a.bin", folder=folder)


def push_by_us(name: str, folder: Path) -> None:
    modules.run("artifact_push", {"name": name, "files": [{"path": str(folder / "sub"), "unpack": True}, {"path": str(folder / "a.bin")}]})


@pytest.mark.parametrize("push", [push_by_oras, push_by_us])
def test_oras_and_artifact_pull_unpack_a_folder_to_the_same_tree(
    registry: Registry, folder: Path, tmp_path: Path, push: t.Callable[[str, Path], None]
) -> None:
    name = f"{registry.host}/{push.__name__.replace('_', '')}:1"
    (folder / "sub" / "link").symlink_to("deep/c")
    (folder / "sub" / "deep" / "c").chmod(0o750)
    push(name, folder)
    (tmp_path / "oras").mkdir()
    oras("pull", "--plain-http", "--output", str(tmp_path / "oras"), name, folder=tmp_path)

    modules.check_do_again("artifact_pull", {"name": name, "dest": f"{tmp_path}/ours/"}, place=tmp_path / "ours")

    theirs = tree_in(tmp_path / "oras")
    assert {path: entry[2] for path, entry in tree_in(tmp_path / "ours").items()} == {path: entry[2] for path, entry in theirs.items()}
    packed = {path: entry for path, entry in tree_in(tmp_path / "ours").items() if path.startswith("sub")}
    assert packed == {path: entry for path, entry in theirs.items() if path.startswith("sub")}
    assert packed["sub/link"][2] == "deep/c"


def test_the_files_of_artifact_push_come_back(registry: Registry, folder: Path, tmp_path: Path) -> None:
    name = f"{registry.host}/back:1"
    files = [{"path": str(folder / "a.bin")}, {"path": str(folder / "sub" / "b.txt"), "title": "docs/b.txt"}]
    modules.run("artifact_push", {"name": name, "files": files, "type": "application/vnd.test"})

    modules.run("artifact_pull", {"name": name, "dest": str(tmp_path / "ours")})

    assert files_in(tmp_path / "ours") == {"a.bin": (folder / "a.bin").read_bytes(), "docs/b.txt": b"text\n"}


def test_a_signed_artifact_is_pulled_and_an_unsigned_one_is_refused(registry: Registry, folder: Path, tmp_path: Path) -> None:
    needed("cosign")
    keys = tmp_path / "keys"
    keys.mkdir()
    make_keys(keys)
    name = f"{registry.host}/signed:1"
    oras("push", "--plain-http", name, "a.bin", folder=folder)
    options = {"name": name, "dest": f"{tmp_path}/ours/", "trust": [{"scope": "", "keys": [str(keys / "cosign.pub")]}]}

    refused = modules.fail("artifact_pull", options)
    assert (refused["error"], (tmp_path / "ours").exists()) == ("unsigned", False)
    digest = oras("resolve", "--plain-http", name, folder=folder).strip()
    sign(keys, f"{registry.host}/signed@{digest}")

    done = modules.check_do_again("artifact_pull", options, place=tmp_path / "ours")

    assert done["images"][0]["verification"]["accepted"]
    assert files_in(tmp_path / "ours") == {"a.bin": (folder / "a.bin").read_bytes()}


def podman(*words: str, folder: Path) -> str:
    """Run podman with a private storage in FOLDER."""
    needed("podman")
    storage = ["--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
    result = subprocess.run(["podman", *storage, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_an_artifact_of_podman_is_pulled_and_podman_pulls_ours(registry: Registry, folder: Path, tmp_path: Path) -> None:
    theirs, ours = f"{registry.host}/podman:1", f"{registry.host}/forpodman:1"
    podman("artifact", "add", theirs, str(folder / "sub" / "b.txt"), folder=tmp_path)  # 5.4 gives several files the title of the last one
    podman("artifact", "push", "--tls-verify=false", theirs, folder=tmp_path)
    modules.run("artifact_push", {"name": ours, "files": [{"path": str(folder / "a.bin")}], "type": "application/vnd.test"})

    modules.run("artifact_pull", {"name": theirs, "dest": f"{tmp_path}/ours/"})
    podman("artifact", "pull", "--tls-verify=false", ours, folder=tmp_path)

    assert files_in(tmp_path / "ours") == {"b.txt": b"text\n"}
    manifest = json.loads(podman("artifact", "inspect", ours, folder=tmp_path))["Manifest"]
    assert [layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]] == ["a.bin"]
    assert manifest["artifactType"] == "application/vnd.test"


def test_the_history_and_the_lock_of_an_artifact_are_those_of_its_manifest(registry: Registry, folder: Path, tmp_path: Path) -> None:
    name = f"{registry.host}/history:1"
    oras("push", "--plain-http", name, "a.bin", "sub/b.txt", folder=folder)
    manifest = json.loads(oras("manifest", "fetch", "--plain-http", name, folder=tmp_path))
    (tmp_path / "lock").mkdir()

    history = modules.run("image_history_info", {"name": name, "remote": True})["history"]
    locked = modules.check_do_again("image_lock", {"name": [name], "path": f"{tmp_path}/lock/files.lock"}, place=tmp_path / "lock")

    assert [(step["digest"], step["size"], step["comment"]) for step in history] == [
        (layer["digest"], layer["size"], layer["annotations"]["org.opencontainers.image.title"]) for layer in reversed(manifest["layers"])
    ]
    assert locked["images"][0]["digest"] == oras("resolve", "--plain-http", name, folder=folder).strip()
