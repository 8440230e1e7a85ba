# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root reads image layouts and archives of another user: no link in them is followed, and no message reveals content outside of them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.container import open_container
from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, LongshoreError
from tests.support import archives, modules
from tests.support.images import make_image
from tests.support.privileges import needs_root
from tests.support.users import attempts, exchanging, fingerprint, give

NAME = "r.test/app:1"
SECRET = b'{"only root": "may read this"}'


@pytest.fixture
def outside(open_path: Path) -> Path:
    """Return a folder of root with files named like the blobs of the image, which only root may read."""
    needs_root()
    outside = open_path / "outside"
    (outside / "sha256").mkdir(parents=True)
    outside.chmod(0o700)
    image = make_image("app")
    for digest in image.digests:
        (outside / "sha256" / digest.hex).write_bytes(SECRET.ljust(len(image.content[digest])))
    for name in ("index.json", "oci-layout"):
        (outside / name).write_bytes(SECRET)
    return outside


@pytest.fixture
def layout(open_path: Path) -> Path:
    needs_root()
    folder = archives.unpack(archives.oci(make_image("app"), NAME), open_path / "layout")
    for path in (folder, *folder.rglob("*")):
        give(path)
    return folder


def replace_by_link(path: Path, target: Path) -> None:
    path.rename(path.with_name("original"))
    path.symlink_to(target)
    give(path)


PLACES = ["blobs", "blobs/sha256", "index.json", "oci-layout"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("module", ["image_load", "image_info"])
def test_no_link_inside_a_layout_is_followed_and_no_outside_content_is_revealed(
    layout: Path, outside: Path, open_path: Path, module: str, place: str
) -> None:
    replace_by_link(layout / place, outside / place.removeprefix("blobs/") if place != "blobs" else outside)
    before = fingerprint(outside)
    options: dict[str, dict[str, t.Any]] = {
        "image_load": {"path": str(layout), "store": str(open_path / "store")},
        "image_info": {"archive": str(layout)},
    }
    results = modules.fail(module, options[module])
    shown = json.dumps(results)
    assert "only root" not in shown
    for path in outside.rglob("*"):
        if path.is_file():
            assert hashlib.sha256(path.read_bytes()).hexdigest() not in shown
    assert fingerprint(outside) == before


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256"])
def test_a_folder_that_is_replaced_by_a_link_is_not_followed(layout: Path, outside: Path, place: str) -> None:
    evil = (layout / place).with_name("evil")
    evil.symlink_to(outside if place == "blobs" else outside / "sha256")
    give(evil)
    read: list[int] = []
    with exchanging(layout / place, evil):
        for attempt in attempts(read):
            with contextlib.suppress(LongshoreError):
                found = open_container(str(layout))
                for name in found.names():
                    with contextlib.suppress(LongshoreError):
                        assert b"only root" not in b"".join(bytes(chunk) for chunk in found.open(name))
                        read.append(attempt)
    assert read


@pytest.mark.parametrize("kind", ["layout", "tar", "gzip"])
def test_an_archive_behind_a_link_of_another_user_is_refused(layout: Path, open_path: Path, kind: str) -> None:
    path = layout
    if kind != "layout":
        path = open_path / "archive"
        data = archives.pack(archives.oci(make_image("app"), NAME))
        path.write_bytes(data if kind == "tar" else gzip.compress(data))
    (open_path / "link").symlink_to(path)
    assert open_archive(str(open_path / "link")).images
    give(open_path / "link")
    with pytest.raises(InputOutputError, match="link is a link that belongs to another user"):
        open_archive(str(open_path / "link"))


def test_a_hard_link_to_a_private_file_of_root_is_not_read(layout: Path, outside: Path) -> None:
    (layout / "index.json").unlink()
    os.link(outside / "index.json", layout / "index.json")
    (outside / "index.json").chmod(0o600)
    with pytest.raises(InputOutputError, match=r"index\.json is a hard link to a private file"):
        open_archive(str(layout))


def test_a_compressed_archive_that_is_replaced_is_read_from_the_file_that_was_opened(open_path: Path) -> None:
    path = open_path / "archive"
    path.write_bytes(gzip.compress(archives.pack(archives.oci(make_image("app"), NAME))))
    archive = open_archive(str(path))
    path.unlink()
    path.symlink_to("/etc/passwd")
    image = make_image("app")
    assert b"".join(bytes(chunk) for chunk in archive.read_blob(image.layers[0])) == image.content[image.layers[0].digest]
