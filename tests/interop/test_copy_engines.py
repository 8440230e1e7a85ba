# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_copy from and to real engines: the data that moves, and failures. `test_every_place_to_every_place.py` has a table of all pairs of places."""

from __future__ import annotations

import gzip
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import runnable_image
from tests.support.recorder import Recorder
from tests.support.registry import Registry, running_registry
from tests.support.targets import Target

SCHEMES = {"docker": "docker-daemon", "podman": "podman", "containerd": "containerd"}

# Each writes manifests of another kind.
on_stores = pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman", "containerd"], indirect=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def place(target: Target, image: str) -> str:
    return f"{SCHEMES[target.title]}:{image}"


def options_of(target: Target) -> dict[str, t.Any]:
    return {key: value for key, value in target.options.items() if key != "engine"}


def copy(target: Target, src: str, dest: str, check: bool = False, **options: t.Any) -> modules.Results:
    return modules.run("image_copy", {"src": src, "dest": dest, **options_of(target), **options}, check, target.env)


@on_stores
def test_archives_layouts_and_stores_are_copied_into_an_engine(target: Target, tmp_path: Path) -> None:
    image = runnable_image("one")
    store = str(tmp_path / "store")
    image.put(Store(store), "docker.io/library/one:1")
    modules.run("image_save", {"store": store, "name": "one:1", "path": str(tmp_path / "a.tar")})
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes(), 1))
    for number, src in enumerate(
        (f"store:{store}:one:1", f"oci:{store}:one:1", f"docker-archive:{tmp_path}/a.tar", f"oci-archive:{tmp_path}/a.tar.gz")
    ):
        name = f"docker.io/library/from:{number}"
        done = copy(target, src, place(target, name))
        assert target.has(name, image, "one")
        assert done["changed"]
        # What the first copy brought isn't sent again.
        assert number == 0 or done["blobs_transferred"] == 1 or target.name in ("docker_on_containerd", "podman")
        assert not copy(target, src, place(target, name))["changed"]


@on_stores
def test_only_missing_layers_are_fetched_from_the_registry(target: Target, registry: Registry) -> None:
    first, second = runnable_image("first"), runnable_image("second")
    registry.put(first, "team/app", "1")
    registry.put(second, "team/app", "2")
    name = f"{registry.host}/team/app"
    copy(target, f"{name}:1", place(target, f"{name}:1"))
    with Recorder(registry.host).running() as recorder:
        mirror = {"name": registry.host, "mirrors": [{"url": f"http://{recorder.host}"}], "mirror_only": True}
        done = copy(target, f"{name}:2", place(target, f"{name}:2"), registries=[mirror])
        assert not any(str(first.layers[0].digest) in line for line in recorder.lines)
        recorder.requests.clear()
        again = copy(target, f"{name}:2", place(target, f"{name}:2"), registries=[mirror])
        # An engine that keeps digests needs one HEAD request. Otherwise the manifest shows the image's ID.
        gets = [line for line in recorder.lines if line.startswith("GET")]
        assert len(gets) <= (0 if target.keeps_digests else 2), recorder.lines
    assert target.has(f"{name}:2", second, "second")
    assert done["blobs_transferred"] == 2  # the config and one layer
    assert not again["changed"]


def test_images_go_from_one_engine_to_another(docker: engines.Docker, containerd: engines.Containerd, podman: engines.Podman, tmp_path: Path) -> None:
    """Copy an image that Docker built to Podman, to containerd and back."""
    (tmp_path / "layer.tar").write_bytes(gzip.decompress(engines.program_layer()))
    (tmp_path / "Dockerfile").write_text('FROM scratch\nADD layer.tar /\nLABEL built=docker\nCMD ["/bin/true"]\n')
    docker.build(tmp_path, "built:1")
    image_id = docker.image_id("built:1")
    unrelated = tmp_path / "unrelated"
    unrelated.mkdir()
    places = {
        "docker_host": f"unix://{docker.folder}/docker.sock",
        "containerd_address": f"{containerd.folder}/c.sock",
    }
    with podman.service() as socket:
        options = {**places, "podman_host": f"unix://{socket}"}
        path = ["docker-daemon:built:1", "podman:built:2", "containerd:k8s.io/docker.io/library/built:3", "docker-daemon:built:4"]
        for src, dest in zip(path, path[1:]):
            modules.check_do_again("image_copy", {"src": src, "dest": dest, **options}, place=unrelated)
    kubernetes = engines.Containerd(containerd.folder, "k8s.io")
    assert podman.image_id("docker.io/library/built:2") == image_id
    assert kubernetes.image_id("docker.io/library/built:3") == image_id
    assert docker.image_id("built:4") == image_id
    assert docker.run("built:4", "/bin/sh", "-c", "echo hello") == "hello\n"
    kubernetes.clear()


def test_one_image_that_fails_leaves_the_others(docker: engines.Docker, registry: Registry) -> None:
    image = runnable_image("one")
    registry.put(image, "team/one", "1")
    pairs = [
        {"src": f"{registry.host}/team/one:1", "dest": "docker-daemon:one:1"},
        {"src": f"{registry.host}/team/absent:1", "dest": "docker-daemon:absent:1"},
        {"src": "docker-daemon:nothing:1", "dest": f"{registry.host}/team/nothing:1"},
    ]
    failed = modules.fail("image_copy", {"images": pairs, "docker_host": f"unix://{docker.folder}/docker.sock"})
    assert [row.get("error") for row in failed["images"]] == [None, "not_found", "not_found"]
    assert docker.names() == {"docker.io/library/one:1"}


@pytest.mark.parametrize(("source", "target"), [("docker", "docker_on_containerd"), ("docker_on_containerd", "docker")])
def test_an_image_goes_from_one_docker_to_another_in_two_tasks(request: pytest.FixtureRequest, tmp_path: Path, source: str, target: str) -> None:
    """A task has one Docker, so an archive, a store or a registry is between them."""
    first, second = request.getfixturevalue(source), request.getfixturevalue(target)
    name, archive = "docker.io/library/across:1", f"docker-archive:{tmp_path}/across.tar:across:1"
    runnable_image("across").put(Store(str(tmp_path / "store")), name)
    sockets = [f"unix://{docker.folder}/docker.sock" for docker in (first, second)]
    modules.run("image_copy", {"src": f"store:{tmp_path}/store:across:1", "dest": "docker-daemon:across:1", "docker_host": sockets[0]})
    for src, dest, socket in (("docker-daemon:across:1", archive, sockets[0]), (archive, "docker-daemon:across:1", sockets[1])):
        modules.check_do_again("image_copy", {"src": src, "dest": dest, "docker_host": socket}, place=tmp_path)
    assert second.names() == {name}
    assert second.runs_with(name, "across")


def test_two_images_for_one_name_are_refused_even_if_the_engine_has_the_first(docker_on_containerd: engines.Docker, registry: Registry) -> None:
    one, two = runnable_image("one"), runnable_image("two")
    registry.put(one, "team/shared", "1")
    registry.put(two, "team/shared", "2")
    options = {"docker_host": f"unix://{docker_on_containerd.folder}/docker.sock"}
    pairs = [{"src": f"{registry.host}/team/shared:{tag}", "dest": "docker-daemon:shared:1"} for tag in ("1", "2")]
    modules.run("image_copy", {"images": pairs[:1], **options})
    failed = modules.fail("image_copy", {"images": pairs, **options})
    assert [row.get("error") for row in failed["images"]] == [None, "invalid_option"]
    assert "docker.io/library/shared:1 can't be two images at once" in failed["msg"]


def test_an_engine_that_stops_answering_is_an_engine_error(docker: engines.Docker, registry: Registry, tmp_path: Path) -> None:
    image = runnable_image("one")
    image.put(Store(str(tmp_path / "store")), "docker.io/library/one:1")
    options = {"docker_host": f"unix://{docker.folder}/docker.sock", "store": str(tmp_path / "store")}
    modules.run("image_copy", {"src": "store::one:1", "dest": "docker-daemon:one:1", **options})
    absent = {**options, "docker_host": f"unix://{tmp_path}/none.sock"}
    for src, dest in (("store::one:1", "docker-daemon:two:2"), ("docker-daemon:one:1", "store::two:2")):
        failed = modules.fail("image_copy", {"src": src, "dest": dest, **absent})
        assert failed["error"] == "engine_error"
        assert "there is no such socket" in failed["msg"]
