# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With repo_digests, real Docker runs what image_pull gave it by the digest of the registry, as pinned Compose files do."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.engines import HOST, OTHER, runnable_image, runnable_index
from tests.support.images import Image
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, running_registry
from tests.support.targets import Target, fail, run, twice

TEXT = f"index-{HOST.replace('/', '-')}"
on_stores = pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman", "containerd"], indirect=True)
on_docker = pytest.mark.parametrize("target", ["docker"], indirect=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def recorder(registry: Registry) -> t.Iterator[Recorder]:
    with Recorder(registry.host).running() as running:
        yield running


def put(registry: Registry, host: str, name: str, image: Image) -> str:
    registry.put(image, name, "1")
    return f"{host}/{name}:1"


def by_docker(recorder: Recorder) -> list[str]:
    return [str(request) for request in recorder.requests if request.headers.get("User-Agent", "").startswith("docker/")]


@on_stores
def test_an_image_is_found_by_its_digest(target: Target, registry: Registry, recorder: Recorder) -> None:
    image = runnable_index("index", OTHER)
    name = put(registry, recorder.host, "team/index", image)
    (row,) = twice(target, "image_pull", name=name, repo_digests=True)["images"]
    assert row["digest"] == str(image.root.digest)
    assert target.has(name, image, TEXT)
    assert str(image.root.digest) in target.engine.digests(name)
    if target.name != "containerd":  # only Kubernetes makes names by digest there
        assert target.engine.runs_with(f"{name.rpartition(':')[0]}@{image.root.digest}", TEXT)
    # Docker has all layers by then.
    assert not [request for request in by_docker(recorder) if "/blobs/" in request and "HEAD" not in request]


@on_docker
def test_an_image_that_docker_has_already_only_gets_the_digest(target: Target, registry: Registry) -> None:
    image = runnable_image("one")
    name = put(registry, registry.host, "team/one", image)
    run(target, "image_pull", name=name)
    run(target, "image_tag", name=name, targets=[f"{registry.host}/team/one:2"])
    registry.put(image, "team/one", "2")
    done = twice(target, "image_pull", name=[name, f"{registry.host}/team/one:2"], repo_digests=True)
    pinned = f"{registry.host}/team/one@{image.root.digest}"
    assert done["actions"] == [f"have docker pull {pinned}, so that it knows this digest"] * 2
    assert done["bytes_transferred"] == 0
    image_id = {"image_id": str(image.graph.images[0].manifest.config.digest)}
    assert done["diff"] == {
        "before": {f"{registry.host}/team/one:{tag} in docker": image_id for tag in "12"},
        "after": {f"{registry.host}/team/one:{tag} in docker": {"digest": str(image.root.digest)} for tag in "12"},
    }
    assert [row["digest"] for row in run(target, "image_info", name=[name])["images"]] == [str(image.root.digest)]


@on_docker
def test_images_of_a_lock_file_keep_their_digests_when_tags_have_moved(target: Target, registry: Registry, tmp_path: Path) -> None:
    image = runnable_image("locked")
    name = put(registry, registry.host, "team/locked", image)
    modules.run("image_lock", {"name": [name], "path": str(tmp_path / "images.lock")})
    registry.put(runnable_image("moved"), "team/locked", "1")
    lock = json.loads((tmp_path / "images.lock").read_text())
    assert twice(target, "image_pull", lock=lock, repo_digests=True)["images"][0]["digest"] == str(image.root.digest)
    assert target.engine.runs_with(f"{registry.host}/team/locked@{image.root.digest}", "locked")


@on_docker
def test_an_image_that_docker_itself_cant_pull_stays_and_fails_with_the_reason(target: Target, registry: Registry, recorder: Recorder) -> None:
    image = runnable_image("unreached")
    name = put(registry, recorder.host, "team/unreached", image)
    recorder.intercept = lambda request: 503 if request.headers.get("User-Agent", "").startswith("docker/") else None
    failed = fail(target, "image_pull", name=name, repo_digests=True)
    assert (failed["error"], failed["changed"], failed["images"][0]["digest"]) == ("engine_error", False, None)
    assert failed["msg"].startswith(f"{name} is in docker, but has no name by digest, because docker could not pull ")
    assert failed["msg"].endswith("; let it reach the registry and log in there, or leave out repo_digests")
    assert target.engine.runs_with(name, "unreached")
    recorder.intercept = lambda _request: None
    assert twice(target, "image_pull", name=name, repo_digests=True)["bytes_transferred"] == 0


@on_docker
def test_an_image_that_could_not_be_pulled_is_not_pulled_by_docker_either(target: Target, recorder: Recorder, registry: Registry) -> None:
    image = runnable_image("broken")
    name = put(registry, recorder.host, "team/broken", image)
    recorder.intercept = lambda request: (
        404 if "/blobs/" in request.path and image.graph.images[0].manifest.layers[0].digest.hex in request.path else None
    )
    assert fail(target, "image_pull", name=name, repo_digests=True)["images"][0]["failed"]
    assert by_docker(recorder) == []
    assert target.engine.names() == set()


@on_docker
def test_the_login_of_the_task_is_passed_to_docker_and_never_shown(target: Target, tmp_path: Path) -> None:
    image = runnable_image("private")
    (tmp_path / "protected").mkdir()
    with running_registry(tmp_path / "protected", protected=True) as protected:
        name = protected.put(image, "team/private", "1")
        login = {"username": USER, "password": PASSWORD, "ca_path": str(protected.ca)}
        done = twice(target, "image_pull", name=name, repo_digests=True, **login)
    assert target.engine.runs_with(f"{name.rpartition(':')[0]}@{image.root.digest}", "private")
    assert PASSWORD not in json.dumps(done)
