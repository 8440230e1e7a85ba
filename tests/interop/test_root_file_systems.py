# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems of images that image_append makes: umoci, Podman and Docker unpack them to what the inputs say."""

from __future__ import annotations

import gzip
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import HOST
from tests.support.images import make_image
from tests.support.rootfs import Item, RootFs, folder_of, layer, link_to, read_folder, read_tar, text_file

BASE = "docker.io/library/base:1"
NAME = "docker.io/library/made:1"

# Two layers: a base with merged /usr, odd modes, hard links, and files that the second layer deletes and hides.
LOWER = layer(
    Item("usr"),
    Item("usr/lib", mode=0o751),
    Item("usr/lib/libc", "libc"),
    Item("lib", target="usr/lib"),
    Item("tmp", mode=0o1777),
    Item("home", mode=0o711),
    Item("home/app", mode=0o750, owner=1000),
    Item("home/app/kept", "kept", 0o640, 1000),
    Item("srv"),
    Item("srv/old", "old", 0o644),
    Item("srv/same", target="srv/old", kind=tarfile.LNKTYPE, mode=0o644),
    Item("data", mode=0o700, owner=7),
    Item("data/a", "a", 0o600),
    Item("data/sub"),
    Item("data/sub/b", "b", 0o600),
    Item("gone"),
    Item("gone/x", "x", 0o644),
    Item("run"),
    Item("var"),
    Item("var/run", target="/run"),
)
UPPER = layer(Item("gone"), Item("gone/.wh.x", "", 0o644), Item("usr"), Item("usr/lib", mode=0o755), Item("usr/lib/new", "new", 0o644))

EXPECTED: RootFs = {
    "usr": folder_of(),
    "usr/lib": folder_of(),
    "usr/lib/libc": text_file("libc", 0o755),
    "usr/lib/new": text_file("new"),
    "usr/lib/plugin": text_file("plugin", 0o755),
    "usr/lib/é " + "n" * 120: text_file("long"),
    "lib": link_to("usr/lib"),
    "tmp": folder_of(0o1777),
    "tmp/seed": text_file("seed"),
    "home": folder_of(0o711),
    "home/app": folder_of(0o750, 1000),
    "home/app/kept": text_file("kept", 0o640, 1000),
    "home/app/config": text_file("config", 0o600, 1000),
    "srv": folder_of(),
    "srv/same": text_file("old"),
    "data": folder_of(0o755),
    "data/fresh": text_file("fresh"),
    "data/again": text_file("fresh"),
    "data/link": link_to("fresh"),
    "data/sparse": text_file("\0" * 300_000 + "end"),
    "gone": folder_of(),
    "run": folder_of(),
    "run/pid": text_file("1"),
    "var": folder_of(),
    "var/run": link_to("/run"),
    "opt": folder_of(),
    "opt/app": folder_of(0o2770, 1000),
    "opt/app/start": text_file("start", 0o4755, 0),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a store with an image that uses every way to change a base."""
    tmp_path = tmp_path_factory.mktemp("made")
    store = str(tmp_path / "store")
    make_image("base", 0, HOST, shared=[gzip.compress(data, mtime=0) for data in (LOWER, UPPER)]).put(Store(store), BASE)
    sources = tmp_path / "sources"
    for name, text in {
        "lib/plugin": "plugin",
        "lib/é " + "n" * 120: "long",
        "tmp/seed": "seed",
        "home/config": "config",
        "data/fresh": "fresh",
        "run/pid": "1",
        "app/start": "start",
    }.items():
        (sources / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (sources / name).write_text(text)
        (sources / name).chmod(0o755 if name == "lib/plugin" else 0o644)
    with (sources / "data" / "sparse").open("wb") as sparse:
        sparse.seek(300_000)
        sparse.write(b"end")
    (sources / "data" / "sparse").chmod(0o644)
    (sources / "data").chmod(0o755)
    os.link(sources / "data" / "fresh", sources / "data" / "again")
    (sources / "data" / "link").symlink_to("fresh")
    layers: list[dict[str, t.Any]] = [
        {"src": str(sources / "lib"), "dest": "/lib"},
        {"src": str(sources / "tmp"), "dest": "/tmp"},
        {"src": str(sources / "home" / "config"), "dest": "/home/app/", "mode": "0600", "owner": 1000, "group": 1000},
        {"remove": ["/srv/old", "/data"], "src": str(sources / "data"), "dest": "/data"},
        {"src": str(sources / "run" / "pid"), "dest": "/var/run/"},
        {
            "src": str(sources / "app"),
            "dest": "/opt/app",
            "rules": [{"path": "/opt/app", "owner": 1000, "group": 1000, "mode": "2770"}, {"path": "/opt/app/*", "mode": "4755"}],
        },
    ]
    modules.check_do_again("image_append", {"name": NAME, "base": BASE, "store": store, "layers": layers})
    return store


def saved(store: str, file: Path) -> Path:
    modules.run("image_save", {"store": store, "name": [NAME], "path": str(file)})
    return file


def test_umoci_unpacks_what_the_inputs_say(made: str, umoci: engines.Umoci, tmp_path: Path) -> None:
    root = umoci.unpack(Path(made), NAME, tmp_path / "bundle")
    assert read_folder(root) == EXPECTED
    assert (root / "data/again").stat().st_ino == (root / "data/fresh").stat().st_ino


def test_podman_unpacks_what_the_inputs_say(made: str, podman: engines.Podman, tmp_path: Path) -> None:
    podman.load(saved(made, tmp_path / "saved.tar"))
    exported = podman.export(NAME, tmp_path / "root.tar").read_bytes()
    ignored = {"dev", "etc", "proc", "sys"}
    # Podman writes its own file into /run.
    found = {name: value for name, value in read_tar(exported, ignored).items() if not name.startswith("run/.containerenv")}
    assert found == EXPECTED


@pytest.mark.parametrize("kind", ["docker", "docker_on_containerd"])
def test_docker_unpacks_what_the_inputs_say(request: pytest.FixtureRequest, made: str, kind: str, tmp_path: Path) -> None:
    docker = request.getfixturevalue(kind)
    docker.load(saved(made, tmp_path / "saved.tar"))
    exported = docker.export(NAME, tmp_path / "root.tar").read_bytes()
    assert read_tar(exported, {"dev", "etc", "proc", "sys", ".dockerenv"}) == EXPECTED
