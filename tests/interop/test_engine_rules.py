# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that hold for every module with the option `engine` on every real engine."""

from __future__ import annotations

import collections
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.containerd import Containerd
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.engine.podman import PodmanProgram
from tests.support import engines
from tests.support.engines import HOST, OTHER, runnable_image, runnable_index
from tests.support.forked import run_forked
from tests.support.registry import Registry, running_registry
from tests.support.targets import Target, fail, run, twice

on_connections = pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman", "podman_service", "containerd"], indirect=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        for text in ("one", "two"):
            running.put(runnable_image(text), f"team/{text}", "1")
        running.put(runnable_index("index", OTHER), "team/index", "1")
        yield running


def count_lists(monkeypatch: pytest.MonkeyPatch, file: Path) -> t.Callable[[], collections.Counter[str]]:
    """Return a function that returns how often modules asked an engine for each list since the last call."""
    file.touch()

    def record(kind: type, method: str, is_list: t.Callable[..., bool] = lambda *unused: True) -> None:
        original = getattr(kind, method)

        def recorded(engine: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            if is_list(*args):
                with file.open("a") as stream:
                    stream.write(f"{method}{args}\n")
            return original(engine, *args, **kwargs)

        monkeypatch.setattr(kind, method, recorded)

    record(Api, "get_list", lambda path: path.startswith("/images/json"))
    record(PodmanProgram, "list_rows")
    record(Containerd, "_list_records")

    def take() -> collections.Counter[str]:
        lines = file.read_text().splitlines()
        file.write_text("")
        return collections.Counter(lines)

    return take


@on_connections
def test_an_engine_is_listed_once_for_all_images_of_a_task(
    target: Target, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, index = (f"{registry.host}/team/{name}:1" for name in ("one", "two", "index"))
    run(target, "image_pull", name=[one, index])
    run(target, "image_save", name=[one, index], path=str(tmp_path / "a.tar"), platform=[HOST])
    take = count_lists(monkeypatch, tmp_path / "lists")
    tasks: list[tuple[str, dict[str, t.Any]]] = [
        *(("image_pull", {"name": [one, two, index], "pull_policy": policy}) for policy in ("always", "missing", "newer")),
        *(("image_pull", {"name": [one, index], "pull_policy": policy, "platform": [HOST]}) for policy in ("always", "missing", "never")),
        ("image_push", {"name": [one, index], "destination": f"{registry.host}/copied/", "platform": [HOST]}),
        ("image_tag", {"name": one, "targets": ["app:1", "app:2"]}),
        ("image_save", {"name": [one, index], "path": str(tmp_path / "b.tar"), "platform": [HOST]}),
        *(("image_load", {"path": str(tmp_path / "a.tar"), "existing": existing}) for existing in ("overwrite", "keep")),
        ("image_load", {"path": str(tmp_path / "a.tar"), "rename": {one: "new:1", index: "new:2"}}),
        ("image_rm", {"name": [one, index, "absent:1", "app:*"]}),
        ("image_info", {}),
        ("image_info", {"name": [one, index, "absent:1"]}),
        ("image_history_info", {"name": one}),
        ("image_prune", {"keep": 1, "protect": [f"{registry.host}/team/*"]}),
    ]
    if target.name in ("docker_on_containerd", "containerd"):
        tasks.append(("image_pull", {"name": [one, index], "platform": [HOST, OTHER]}))
    for module, options in tasks:
        run(target, module, check=True, **options)
        assert list(take().values()) == [1], (module, options)
    scheme = {"docker": "docker-daemon"}.get(target.title, target.title)
    copies = [{"src": f"{scheme}:{one}", "dest": f"{scheme}:copied:1"}, {"src": f"docker://{two}", "dest": f"{scheme}:copied:2"}]
    address = {option: value for option, value in target.options.items() if option != "engine"}
    copied = run_forked("image_copy", {"images": copies, "platform": [HOST], **address}, check=True, env=target.env)
    assert copied["changed"], copied
    assert list(take().values()) == [1]


@on_connections
@pytest.mark.parametrize("name", ["one", "index"])
def test_no_layer_of_an_image_is_fetched_that_the_engine_has_under_another_name(target: Target, registry: Registry, name: str) -> None:
    pulled = f"{registry.host}/team/{name}:1"
    run(target, "image_pull", name=pulled)
    run(target, "image_tag", name=pulled, targets="kept:1")
    run(target, "image_rm", name=pulled)
    done = twice(target, "image_pull", name=pulled)
    assert done["blobs_transferred"] == 1  # the config
    assert done["images"][0]["changed"]


@on_connections
def test_every_module_understands_an_id_that_one_of_them_shows(target: Target, registry: Registry, tmp_path: Path) -> None:
    pulled, other = f"{registry.host}/team/index:1", f"{registry.host}/team/two:1"
    shown = run(target, "image_pull", name=[pulled, other])["images"][0]["image_id"]
    tagged = run(target, "image_tag", name=shown, targets="by-id:1")["images"][0]
    assert (tagged["changed"], tagged["previous_digest"]) == (True, None)
    run(target, "image_rm", name="by-id:1")
    (found,) = run(target, "image_info", name=shown)["images"]
    assert (found["present"], found["name"]) == (True, pulled)
    assert run(target, "image_history_info", name=shown)["name"] == pulled
    (saved,) = run(target, "image_save", name=shown, path=str(tmp_path / "a.tar"), platform=[HOST])["images"]
    assert (saved["name"], saved["image_id"]) == (pulled, shown)
    (pushed,) = run(target, "image_push", name=shown, destination=f"{registry.host}/by-id/{target.name}:1", platform=[HOST])["images"]
    assert pushed["image_id"] == shown
    kept = run(target, "image_prune", check=True, keep=0, older_than="1s", protect=[shown])
    assert kept["untagged"] == [other]
    removed = twice(target, "image_rm", name=shown)
    assert removed["untagged"] == [pulled]
    assert target.engine.names() == {other}


@pytest.mark.parametrize("target", ["docker_on_containerd", "podman", "containerd"], indirect=True)
def test_repository_and_digest_mean_all_names_in_the_repository(target: Target, registry: Registry) -> None:
    pulled, other = f"{registry.host}/team/one:1", f"{registry.host}/team/two:1"
    (row, _row) = run(target, "image_pull", name=[pulled, other])["images"]
    run(target, "image_tag", name=pulled, targets=[f"{registry.host}/team/one:2", "elsewhere:1"])
    by_digest = f"{registry.host}/team/one@{row['digest']}"
    refused = fail(target, "image_rm", name=by_digest)
    assert (refused["error"], refused["msg"].startswith(f"{by_digest} has several names")) == ("in_use", True)
    removed = twice(target, "image_rm", name=["absent:1", by_digest, "absent:2", other], force=True)
    names = ["docker.io/library/absent:1", pulled, f"{registry.host}/team/one:2", "docker.io/library/absent:2", other]
    assert [image["name"] for image in removed["images"]] == names
    assert target.engine.names() == {"docker.io/library/elsewhere:1"}


@on_connections
def test_an_image_that_is_pulled_by_digest_is_found_by_it(target: Target, registry: Registry) -> None:
    root = runnable_index("index", OTHER).root
    pulled = f"{registry.host}/team/index@{root.digest}"
    (row,) = twice(target, "image_pull", name=pulled)["images"]
    assert (row["name"], row["digest"]) == (pulled, str(root.digest))
    if isinstance(target.engine, (engines.Docker, engines.Podman)):
        target.engine.prune_unnamed()
    for policy in ("missing", "never"):
        assert not run(target, "image_pull", name=pulled, pull_policy=policy)["changed"]
    (found,) = run(target, "image_info", name=pulled)["images"]
    assert (found["present"], found["name"], found["digest"]) == (True, pulled, str(root.digest))
    assert run(target, "image_info")["images"] == [found]
    (tagged,) = run(target, "image_tag", name=pulled, targets="app:1")["images"]
    assert tagged["changed"]
    assert twice(target, "image_rm", name=pulled)["untagged"] == [pulled]
    assert target.engine.names() == {"docker.io/library/app:1"}


def test_an_image_that_docker_pulled_by_digest_is_found_by_it(docker: engines.Docker, registry: Registry) -> None:
    target = Target("docker", docker, {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"})
    pulled = f"{registry.host}/team/one@{runnable_image('one').root.digest}"
    docker.pull(pulled)
    for policy in ("always", "missing", "never"):
        assert not run(target, "image_pull", name=pulled, pull_policy=policy)["changed"]
    assert [row["name"] for row in run(target, "image_info", name=pulled)["images"] if row["present"]] == [pulled]
    run(target, "image_tag", name=pulled, targets=f"{registry.host}/team/one:kept")
    run(target, "image_pull", name=pulled, pull_policy="never")
    assert [row["present"] for row in run(target, "image_info", name=pulled)["images"]] == [True]
    twice(target, "image_rm", name=pulled)
    assert docker.names() == set()


def test_an_image_that_docker_pulled_by_tag_is_found_by_its_digest(docker: engines.Docker, registry: Registry) -> None:
    target = Target("docker", docker, {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"})
    by_digest = f"{registry.host}/team/one@{runnable_image('one').root.digest}"
    docker.pull(f"{registry.host}/team/one:1")
    assert not run(target, "image_pull", name=by_digest, pull_policy="never")["changed"]
    assert [row["present"] for row in run(target, "image_info", name=by_digest)["images"]] == [True]
    assert twice(target, "image_rm", name=by_digest)["untagged"] == [f"{registry.host}/team/one:1"]
