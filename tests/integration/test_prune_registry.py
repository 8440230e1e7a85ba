# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_prune at a real registry, with its garbage collection."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support import modules
from tests.support.pruning import plan_pruning, push_graph
from tests.support.recorder import HANG_UP, RecordedRequest, Recorder
from tests.support.registry import PASSWORD, USER, Registry, running_registry
from tests.support.registry_model import ModelRegistry
from tests.support.tag_graphs import INDEX, MANIFEST, TagGraph, expected_deletions, random_graph, random_policy

ACCEPT = {"Accept": f"{INDEX}, {MANIFEST}"}
GRAPHS = 24


def aged(*days: int | None, text: str = "app") -> TagGraph:
    graph = TagGraph()
    for number, age in enumerate(days, 1):
        graph.tags[str(number)] = graph.add_image(f"{text} {number}", age)["digest"]
    return graph


def tags(registry: Registry, repository: str) -> list[str]:
    return sorted(registry.request("GET", f"{repository}/tags/list").json()["tags"] or ())


@pytest.fixture
def options(anonymous: Registry, repository: str) -> dict[str, t.Any]:
    """Return options that remove the tags 1 and 2 of a repository, and keep 3."""
    push_graph(anonymous, repository, aged(30, 20, 10, text=repository))
    return {"registry": anonymous.host, "repositories": [repository], "keep": 1}


def test_check_mode_predicts_pruning_and_a_second_run_changes_nothing(anonymous: Registry, repository: str, options: dict[str, t.Any]) -> None:
    context = f"{anonymous.host}/{repository}"
    digests = [anonymous.digest(repository, tag) for tag in "123"]
    predicted = modules.run("image_prune", options, check=True)
    assert tags(anonymous, repository) == ["1", "2", "3"]
    done = modules.run("image_prune", options)
    assert done == predicted
    assert (done["untagged"], done["deleted"]) == ([f"{context}:1", f"{context}:2"], digests[:2])
    assert done["diff"] == {"before": {f"{context}:{tag}": {"digest": digests[int(tag) - 1]} for tag in "12"}, "after": {}}
    assert done["actions"][0] == f"remove {context}:1 ({str(digests[0])[:19]}) from its registry"
    assert (done["registry"], done["rate_limit"]) == (anonymous.host, None)
    assert "store" not in done
    assert [(row["name"], row["image_id"] is not None, row["platforms"]) for row in done["images"]] == [
        (f"{context}:1", True, ["linux/amd64"]),
        (f"{context}:2", True, ["linux/amd64"]),
    ]
    assert tags(anonymous, repository) == ["3"]
    for check in (True, False):
        again = modules.run("image_prune", options, check)
        assert (again["changed"], again["actions"], again["bytes_freed"]) == (False, [], 0)


def test_options_for_engines_have_no_effect_at_a_registry(anonymous: Registry, repository: str, options: dict[str, t.Any], tmp_path: Path) -> None:
    """module_defaults may set them for all modules of the group."""
    defaults = {"engine": "docker", "docker_host": f"unix://{tmp_path}/absent.sock"}
    predicted = modules.run("image_prune", {**options, **defaults}, check=True)
    assert predicted == modules.run("image_prune", options, check=True)
    assert predicted["untagged"] == [f"{anonymous.host}/{repository}:1", f"{anonymous.host}/{repository}:2"]
    assert modules.fail("image_prune", defaults)["error"] == "engine_error"


def test_a_registry_without_deletion_says_so_in_one_sentence(tmp_path: Path) -> None:
    with running_registry(tmp_path, storage={"filesystem": {"rootdirectory": str(tmp_path / "data")}}) as registry:
        push_graph(registry, "app", aged(30, 20, 10))
        failed = modules.fail("image_prune", {"registry": registry.host, "repositories": ["*"], "keep": 1})
        assert (failed["error"], failed["status"], failed["untagged"]) == ("denied", 405, [])
        assert re.fullmatch(rf"{registry.host}/app@sha256:\w+: {registry.host} doesn't allow deletion; [^.]*", failed["msg"])
        assert tags(registry, "app") == ["1", "2", "3"]


def test_wrong_credentials_change_nothing(protected: Registry) -> None:
    push_graph(protected, "pruned", aged(30, 20))
    options = {"registry": protected.host, "repositories": ["pruned"], "keep": 1, "ca_path": str(protected.ca), "username": USER}
    assert modules.fail("image_prune", {**options, "password": "wrong"})["error"] == "denied"
    assert tags(protected, "pruned") == ["1", "2"]
    assert modules.run("image_prune", {**options, "password": PASSWORD})["untagged"] == [f"{protected.host}/pruned:1"]


def test_bad_options_are_refused_before_anything_is_asked(recording: Recorder, repository: str) -> None:
    options = {"registry": recording.host, "repositories": [repository], "keep": 0}
    for given, text in (
        ({"repositories": []}, "repositories is an empty list"),
        ({"registry": "http://r.test/app"}, "is not a registry's host"),
        ({"protect_locks": ["/nonexistent/a.lock"]}, "/nonexistent/a.lock doesn't exist"),
    ):
        failed = modules.fail("image_prune", {**options, **given})
        assert failed["error"] == "invalid_option"
        assert text in failed["msg"]
    assert recording.requests == []


def test_options_for_a_registry_are_refused_without_one(store: str) -> None:
    assert modules.fail("image_prune", {"store": store, "at_most": "5"})["msg"] == "at_most works only with registry"
    assert "rate_limit" not in modules.run("image_prune", {"store": store})


def test_a_prune_that_loses_its_registry_is_done_by_the_next(anonymous: Registry, repository: str, options: dict[str, t.Any]) -> None:
    """The proxy hangs up at every deletion from the second on."""
    with Recorder(anonymous.host).running() as recorder:
        seen: list[str] = []

        def hang_up(request: RecordedRequest) -> int | None:
            if request.method != "DELETE":
                return None
            seen.append(request.path)
            return HANG_UP if len(seen) > 1 else None

        recorder.intercept = hang_up
        failed = modules.fail("image_prune", {**options, "registry": recorder.host, "retries": 2})
        assert failed["error"] == "unreachable"
        assert failed["untagged"] == [f"{recorder.host}/{repository}:1"]
    assert tags(anonymous, repository) == ["2", "3"]
    assert modules.run("image_prune", options)["untagged"] == [f"{anonymous.host}/{repository}:2"]


# The model.


def test_the_model_of_a_registry_answers_as_the_real_one(tmp_path: Path) -> None:
    """The tests with thousands of repositories use the model."""
    model = ModelRegistry()
    with running_registry(tmp_path) as registry:
        for name, seed in (("one", 5), ("two/three", 21)):
            graph = random_graph(seed)
            push_graph(registry, name, graph)
            model.put(name, graph)
        single = f"one/manifests/{next(iter(random_graph(5).tags))}"
        model.deletes_tags = registry.request("DELETE", single, (202, 400)).status_code == 202
        model.answer("DELETE", f"/v2/{single}")
        digest, other = next(iter(graph.tags.values())), "sha256:" + "0" * 64
        blob = json.loads(next(data for data, kind in graph.manifests.values() if kind == MANIFEST))["config"]["digest"]
        paths = [
            "_catalog",
            "two/three/tags/list",
            "absent/tags/list",
            f"two/three/referrers/{digest}",
            f"two/three/blobs/{other}",
            f"one/manifests/{other}",
        ]
        paths += [f"two/three/manifests/{target}" for target in (*graph.tags, *graph.manifests, "absent")]
        requests = [("GET", path) for path in (*paths, f"two/three/blobs/{blob}")]
        requests += [("HEAD", f"two/three/manifests/{digest}"), ("HEAD", "two/three/manifests/absent")]
        requests += [("DELETE", f"two/three/manifests/{target}") for target in (other, next(iter(graph.tags)), digest, digest)]
        requests += [("GET", path) for path in paths]
        for method, path in requests:
            _compare(model, registry, method, path)


def _compare(model: ModelRegistry, registry: Registry, method: str, path: str) -> None:
    real = registry.request(method, path, (200, 202, 400, 404), headers=ACCEPT)
    modelled = model.answer(method, f"/v2/{path}")
    assert (method, path, modelled.status) == (method, path, real.status_code)
    if real.status_code != 200:
        return
    if path.endswith("/list") or path == "_catalog":
        documents = [
            {key: sorted(value or ()) if key == "tags" else value for key, value in document.items()}
            for document in (real.json(), json.loads(modelled.body))
        ]
        assert documents[0] == documents[1]
    else:
        assert modelled.body == real.content
        for header in ("Content-Length", "Docker-Content-Digest", "Content-Type"):
            assert modelled.headers.get(header, real.headers.get(header)) == real.headers.get(header)


# Random repositories, pruned and collected.


def test_random_repositories_are_whole_after_pruning_and_garbage_collection(tmp_path: Path) -> None:
    graphs = {f"graph/{seed}": random_graph(seed) for seed in range(3000, 3000 + GRAPHS)}
    expected: dict[str, set[str]] = {}
    with running_registry(tmp_path) as registry:
        for name, graph in graphs.items():
            push_graph(registry, name, graph)
            policy = random_policy(graph, int(name.rpartition("/")[2]))
            expected[name] = expected_deletions(graph, policy)
            registries = Registries(ClientSettings(default=HostSettings(plain_http=True)))
            planned = plan_pruning(registries, registry.host, name, policy, concurrency=2)
            assert set(planned.facts()["deleted"]) == expected[name]
            with Workers(2) as workers:
                applied = planned.apply(workers)
            assert applied.errors == []
            assert applied.facts() == planned.facts()
            registries.client.close()
    collected = subprocess.run(["docker-registry", "garbage-collect", str(tmp_path / "config.yml")], check=True, capture_output=True, text=True)
    assert "blobs marked" in collected.stdout
    with running_registry(tmp_path) as registry:
        for name, graph in graphs.items():
            staying = {tag: digest for tag, digest in graph.tags.items() if digest not in expected[name]}
            assert tags(registry, name) == sorted(staying)
            for digest in graph.manifests:
                gone = digest in expected[name]
                registry.request("GET", f"{name}/manifests/{digest}", (404,) if gone else (200,), headers=ACCEPT)
            for digest in graph.below(staying.values()):
                for blob in _blobs(graph, digest):
                    assert registry.request("GET", f"{name}/blobs/{blob}").content == graph.blobs[blob]


def _blobs(graph: TagGraph, digest: str) -> list[str]:
    document = json.loads(graph.manifests[digest][0])
    return [entry["digest"] for entry in (*document.get("layers", ()), *([document["config"]] if "config" in document else []))]
