# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_extract writes the same trees as umoci, Podman and Docker, and takes them out of every engine."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import socket
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.image_extract import ExtractOptions, plan_image_extract
from ansible_collections.longshore.images.plugins.module_utils.verbs.single_image import SingleImageOptions
from tests.support import engines, modules
from tests.support.engines import HOST
from tests.support.engines.base import CONFINED, call
from tests.support.layer_cases import CASES, combined, image_of
from tests.support.rootfs import DetailedRootFs, detail_folder, detail_tar
from tests.support.targets import Target, run

ALL = "docker.io/library/all:1"
NAMES = {case: f"docker.io/library/case{number}:1" for number, case in enumerate(CASES)}
KEEP = ["owner", "xattrs", "setuid"]
# Engines create these in each container.
IGNORED = {".dockerenv", "dev", "etc", "proc", "run", "sys"}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the image of each case, and the one that has all of them."""
    folder = tmp_path_factory.mktemp("layout")
    for case, layers in CASES.items():
        image_of(layers).put(Store(str(folder)), NAMES[case])
    combined().put(Store(str(folder)), ALL)
    return folder


@pytest.fixture(scope="module")
def archive(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(layout, [ALL, *NAMES.values()], tmp_path_factory.mktemp("archive"))


def save(layout: Path, names: list[str], folder: Path) -> Path:
    path = folder / "images.tar"
    modules.run("image_save", {"store": str(layout), "name": names, "path": str(path)})
    return path


@pytest.fixture(scope="module")
def trees(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DetailedRootFs]:
    """Return what image_extract writes for each name."""
    folder = tmp_path_factory.mktemp("trees")
    catalog = StoreCatalog(Store(str(layout)), Platform.parse(HOST))
    found: dict[str, DetailedRootFs] = {}
    with Workers(2) as workers:
        for number, name in enumerate([ALL, *NAMES.values()]):
            source = functools.partial(catalog.find, Reference.parse(name))
            options = ExtractOptions(str(folder / str(number)), ["/"], preserve=KEEP)
            plan = plan_image_extract(source, name, options, SingleImageOptions(Selection((catalog.host,), explicit=False), catalog.host))
            assert not plan.apply(workers).errors
            found[name] = extracted(folder / str(number))
    return found


def extracted(folder: Path) -> DetailedRootFs:
    return {path: entry for path, entry in detail_folder(folder).items() if not path.startswith(".longshore-extract-")}


def differences(found: t.Mapping[str, DetailedRootFs], trees: t.Mapping[str, DetailedRootFs]) -> dict[str, t.Any]:
    """Return the entries that differ, by case, as pairs of the tool's and ours."""
    cases = {name: case for case, name in NAMES.items()}
    different = {}
    for name, tree in found.items():
        paths = {path for path in {*tree, *trees[name]} if tree.get(path) != trees[name].get(path)}
        if paths:
            different[cases.get(name, name)] = {path: (tree.get(path), trees[name].get(path)) for path in sorted(paths)}
    return different


def test_umoci_unpacks_the_same_trees(layout: Path, trees: dict[str, DetailedRootFs], umoci: engines.Umoci, tmp_path: Path) -> None:
    found = {name: detail_folder(umoci.unpack(layout, name, tmp_path / str(number))) for number, name in enumerate(trees)}

    assert differences(found, trees) == {}


# Runs in the namespace of the mounts, which end with it.
MOUNT = """
import json, pathlib, subprocess, sys
from tests.support.rootfs import detail_folder
rows = json.loads(subprocess.run([*sys.argv[1:], "--format", "json"], check=True, capture_output=True).stdout)
print(json.dumps({name: detail_folder(pathlib.Path(row["mountpoint"])) for row in rows for name in row["Repositories"]}))
"""


def test_podman_mounts_the_same_trees(archive: Path, trees: dict[str, DetailedRootFs], podman: engines.Podman) -> None:
    podman.load(archive)
    words = [*CONFINED, sys.executable, "-c", MOUNT, *podman.words[len(CONFINED) :], "image", "mount", *trees]

    mounted = call(*words, cwd=modules.ROOT)

    found = {name: {path: (tuple(entry[0]), *entry[1:]) for path, entry in tree.items()} for name, tree in json.loads(mounted).items()}
    assert differences(found, trees) == {}


@pytest.mark.parametrize("kind", ["docker", "docker_on_containerd"])
def test_docker_exports_the_same_trees(request: pytest.FixtureRequest, archive: Path, trees: dict[str, DetailedRootFs], kind: str) -> None:
    docker = request.getfixturevalue(kind)
    docker.load(archive)

    found = {name: detail_tar(export(docker, name), IGNORED) for name in trees}

    assert differences(found, trees) == {}


class _Connection(http.client.HTTPConnection):
    """A connection to a socket: a request costs far less than a run of the program `docker`."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def export(docker: engines.Docker, name: str) -> bytes:
    with contextlib.closing(_Connection(docker.folder / "docker.sock")) as connection:
        body = json.dumps({"Image": name, "Cmd": ["/program"], "HostConfig": {"NetworkMode": "none"}})
        connection.request("POST", "/v1.41/containers/create", body, {"Content-Type": "application/json"})
        answer = json.load(connection.getresponse())
        connection.request("GET", f"/v1.41/containers/{answer['Id']}/export")
        return connection.getresponse().read()


@pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman", "podman_service", "containerd"], indirect=True)
def test_every_engine_is_a_source(target: Target, layout: Path, trees: dict[str, DetailedRootFs], tmp_path: Path) -> None:
    target.engine.load(save(layout, [ALL], tmp_path))
    options: dict[str, t.Any] = {"name": ALL, "dest": str(tmp_path / "dest"), "preserve": KEEP}

    done = run(target, "image_extract", **options)
    again = run(target, "image_extract", **options)

    assert differences({ALL: extracted(tmp_path / "dest")}, trees) == {}
    assert (done["changed"], again["changed"]) == (True, False)


def test_a_tar_has_the_same_tree(layout: Path, trees: dict[str, DetailedRootFs], tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    modules.run("image_extract", {"src": f"oci:{layout}:{ALL}", "dest": str(path), "format": "tar", "preserve": KEEP})

    assert differences({ALL: detail_tar(path.read_bytes())}, trees) == {}
