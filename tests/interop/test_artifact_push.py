# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""oras reads what artifact_push publishes, and both give the same files the same digest."""

from __future__ import annotations

import re
import shlex
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.integration.test_readme import first_column
from tests.support import modules
from tests.support.images import make_image
from tests.support.oras import oras
from tests.support.registry import Registry, running_registry

CREATED = {"org.opencontainers.image.created": "2026-01-31T12:00:00Z"}
SPDX = "application/spdx+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with two files and a folder with a program, a link and an empty folder."""
    folder = tmp_path / "files"
    (folder / "conf" / "sub").mkdir(parents=True)
    (folder / "conf" / "empty").mkdir()
    (folder / "a.bin").write_bytes(bytes(range(256)) * 1000)
    (folder / "b & <c>.txt").write_text("text\n")
    program = folder / "conf" / "sub" / "run"
    program.write_bytes(b"#!/bin/sh\n" * 20_000)
    program.chmod(0o755)
    (folder / "conf" / "link").symlink_to("sub/run")
    return folder


def content_of(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return the mode and the content of everything below FOLDER."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def test_oras_pulls_files_and_folders(registry: Registry, files: Path, tmp_path: Path) -> None:
    name = f"{registry.host}/pulled:1"
    given = [{"path": str(path), "unpack": path.is_dir()} for path in sorted(files.iterdir())]
    given.append({"path": str(files / "conf"), "unpack": True, "title": "deep/er/conf"})
    shutil.copytree(files / "conf", files / "deep" / "er" / "conf", symlinks=True)
    modules.run("artifact_push", {"name": name, "files": given})
    target = tmp_path / "pulled"
    target.mkdir()
    oras("pull", "--plain-http", name, folder=target)
    assert content_of(target) == content_of(files)


@pytest.mark.parametrize(
    ("kind", "words"), [(None, []), ("application/vnd.test", ["--artifact-type", "application/vnd.test"])], ids=["no type", "type"]
)
def test_oras_gives_the_same_files_the_same_digest(registry: Registry, files: Path, kind: str | None, words: list[str]) -> None:
    annotations = {**CREATED, "z": "<&>é", "a": "1"}
    name = f"{registry.host}/same:1"
    given = [{"path": str(files / "b & <c>.txt"), "media_type": "text/plain"}, {"path": str(files / "a.bin"), "media_type": "application/x"}]
    done = modules.run("artifact_push", {"name": name, "files": given, "annotations": annotations, **({"type": kind} if kind else {})})
    noted = [word for key, value in annotations.items() for word in ("--annotation", f"{key}={value}")]
    oras("push", "--plain-http", *words, *noted, f"{registry.host}/same:2", "b & <c>.txt:text/plain", "a.bin:application/x", folder=files)
    assert registry.digest("same", "2") == done["images"][0]["digest"]
    again = modules.run("artifact_push", {"name": f"{registry.host}/same:2", "files": given, "annotations": annotations, "type": kind})
    assert not again["changed"]


def test_oras_gives_the_same_attachment_the_same_digest(registry: Registry, files: Path) -> None:
    subject = registry.put(make_image("attached"), "attached", "1")
    given = [{"path": str(files / "a.bin"), "media_type": SPDX}]
    done = modules.run("artifact_push", {"subject": subject, "type": SPDX, "files": given, "annotations": CREATED})
    discovered = oras("discover", "--plain-http", "--format", "json", subject, folder=files)
    assert done["images"][0]["digest"] in discovered
    words = ["--artifact-type", SPDX, "--annotation", f"org.opencontainers.image.created={CREATED['org.opencontainers.image.created']}"]
    attached = oras("attach", "--plain-http", *words, subject, f"a.bin:{SPDX}", "--format", "json", folder=files)
    assert done["images"][0]["digest"] in attached


def test_the_commands_of_oras_in_the_guide_run(registry: Registry, tmp_path: Path) -> None:
    """Run the commands of the table in order, with values for the words in capitals.

    The commands of helm are not run: helm isn't among the tools that the tests install (apt has no package of it).
    """
    table = (modules.ROOT / "docs" / "artifacts.md").read_text().partition("## The commands of oras and helm")[2].partition("\n## ")[0]
    commands = [word for word in first_column(table) if not word.startswith("helm ")]
    local = registry.host.replace("127.0.0.1", "localhost")  # oras uses plain HTTP for this name without an option
    values = {"REGISTRY": local, "REPO": "guide", "TAG": "1", "NEW": "2", "FILE": "app.json", "TYPE": "application/vnd.test", "KEY": "a"}
    values |= {"VALUE": "b", "FOLDER": "pulled", "IMAGE": f"{local}/guide:1", "A": f"{local}/guide:1", "B": f"{local}/guide-copy:1"}
    (tmp_path / "app.json").write_text("{}")

    output = {}
    for command in commands:
        program, *words = shlex.split(re.sub(r"\b[A-Z]+\b", lambda word: values[word[0]], command))
        assert program == "oras"
        output[command.partition(" REGISTRY")[0]] = oras(*words, folder=tmp_path)

    digest = registry.digest("guide-copy", "1")
    assert digest is not None
    assert (tmp_path / "pulled" / "app.json").read_text() == "{}"
    assert "1" in output["oras repo tags"].split()
    assert output["oras resolve"].strip() == digest
    assert "application/vnd.test" in output["oras discover IMAGE"]
    assert registry.digest("guide", "1") is None
