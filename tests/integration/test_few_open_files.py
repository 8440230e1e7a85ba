# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images with more layers than the process may open files (`ulimit -n`) move between all places."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.docker_daemon import DockerDaemon
from tests.support.images import make_image
from tests.support.registry import Registry

IMAGE = make_image("many", 100)
NAME = "localhost/many:1"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where the image is: a registry, a store, archives. `new` is an empty folder."""

    registry: str
    remote: str
    store: str
    archive: str
    docker_archive: str
    new: str
    docker: str


@pytest.fixture(scope="module")
def filled(anonymous: Registry, tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = tmp_path_factory.mktemp("few-files")
    remote = anonymous.put(IMAGE, "few-files", "1")
    store, archive, docker_archive = (str(folder / name) for name in ("store", "archive.tar", "docker.tar"))
    modules.run("image_copy", {"src": f"docker://{remote}", "dest": f"store:{store}:{NAME}"})
    modules.run("image_save", {"name": [NAME], "store": store, "path": archive})
    modules.run("image_save", {"name": [NAME], "store": store, "path": docker_archive, "format": "docker-archive"})
    return Places(anonymous.host, remote, store, archive, docker_archive, "", "")


CASES: dict[str, t.Callable[[Places], tuple[str, dict[str, t.Any]]]] = {
    "pull": lambda at: ("image_pull", {"name": [at.remote], "store": f"{at.new}/store", "concurrency": 4}),
    "pull into an engine": lambda at: ("image_pull", {"name": [at.remote], "engine": "docker", "docker_host": at.docker}),
    "push": lambda at: ("image_push", {"name": [NAME], "store": at.store, "destination": f"{at.registry}/few-files-pushed:1"}),
    "load": lambda at: ("image_load", {"path": at.archive, "store": f"{at.new}/store"}),
    "load a docker archive": lambda at: ("image_load", {"path": at.docker_archive, "store": f"{at.new}/store"}),
    "load into an engine": lambda at: ("image_load", {"path": at.archive, "engine": "docker", "docker_host": at.docker}),
    "save": lambda at: ("image_save", {"name": [NAME], "store": at.store, "path": f"{at.new}/saved.tar"}),
    "save a folder": lambda at: ("image_save", {"name": [NAME], "store": at.store, "path": f"{at.new}/saved", "format": "oci-dir"}),
    "deliver": lambda at: ("image_deliver", {"name": [NAME], "store": at.store, "engine": "docker", "docker_host": at.docker}),
    "copy to a store": lambda at: ("image_copy", {"src": at.remote, "dest": f"store:{at.new}/store:{NAME}"}),
    "copy to a layout": lambda at: ("image_copy", {"src": at.remote, "dest": f"oci:{at.new}/layout:{NAME}"}),
    "copy to an archive": lambda at: ("image_copy", {"src": at.remote, "dest": f"oci-archive:{at.new}/copied.tar:{NAME}"}),
    "copy to an engine": lambda at: ("image_copy", {"src": at.remote, "dest": f"docker-daemon:{NAME}", "docker_host": at.docker}),
    "copy an archive": lambda at: ("image_copy", {"src": f"docker-archive:{at.docker_archive}", "dest": f"oci:{at.new}/layout:{NAME}"}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_image_of_a_hundred_layers_moves_with_few_open_files(case: str, filled: Places, tmp_path: Path) -> None:
    with DockerDaemon(reports_manifests=False).running() as daemon:
        places = dataclasses.replace(filled, new=str(tmp_path), docker=daemon.address)
        name, options = CASES[case](places)
        assert modules.run(name, options, open_files=64)["changed"]
