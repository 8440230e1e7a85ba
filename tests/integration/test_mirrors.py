# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirrors: pull-through caches, fallback to the registry, and the configuration of the host."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import make_image
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port, running_registry

IMAGE = make_image("mirrored", 3)
OTHER = make_image("elsewhere", 1)


class MirroredRegistry(t.NamedTuple):
    """An upstream registry and a mirror, each behind a recorder. `name` is the name of IMAGE at the upstream."""

    upstream: Recorder
    mirror: Recorder
    name: str

    def options(self, store: str, **mirror: t.Any) -> dict[str, t.Any]:
        only = mirror.pop("mirror_only", False)
        entry = {"url": f"http://{self.mirror.host}", **mirror}
        return {"store": store, "name": [self.name], "registries": [{"name": self.upstream.host, "mirrors": [entry], "mirror_only": only}]}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("second")) as registry:
        yield registry


@pytest.fixture
def places(anonymous: Registry, second: Registry, repository: str) -> t.Iterator[MirroredRegistry]:
    anonymous.put(IMAGE, repository, "1")
    with Recorder(anonymous.host).running() as upstream, Recorder(second.host).running() as mirror:
        yield MirroredRegistry(upstream, mirror, f"{upstream.host}/{repository}:1")


def paths(recorder: Recorder) -> list[str]:
    return [recorded.path for recorded in recorder.requests]


def test_content_of_a_mirror_is_not_requested_from_the_registry(places: MirroredRegistry, second: Registry, repository: str, store: str) -> None:
    second.put(IMAGE, repository, "1")
    done = modules.check_do_again("image_pull", places.options(store))
    image = done["images"][0]
    assert (image["name"], image["digest"], image["endpoint"]) == (places.name, str(IMAGE.root.digest), f"http://{places.mirror.host}")
    assert places.upstream.requests == []
    assert all(path.endswith(f"?ns={places.upstream.host.replace(':', '%3A')}") for path in paths(places.mirror))


def test_content_missing_at_a_mirror_comes_from_the_registry(places: MirroredRegistry, store: str) -> None:
    image = modules.check_do_again("image_pull", places.options(store))["images"][0]
    assert (image["digest"], image["endpoint"]) == (str(IMAGE.root.digest), f"http://{places.upstream.host}")


def test_a_mirror_with_some_blobs_serves_those(places: MirroredRegistry, second: Registry, repository: str, store: str) -> None:
    second.put(make_image("mirrored", 2), repository, "2")
    done = modules.run("image_pull", places.options(store))
    assert done["images"][0]["digest"] == str(IMAGE.root.digest)
    asked = [path.partition("?")[0] for path in paths(places.upstream) if "/blobs/" in path]
    shared = {str(blob.digest) for blob in make_image("mirrored", 2).blobs} & {str(blob.digest) for blob in IMAGE.blobs}
    assert shared
    assert not any(path.rpartition("/")[2] in shared for path in asked)


def test_a_mirror_can_hold_several_registries_below_prefixes(places: MirroredRegistry, second: Registry, repository: str, store: str) -> None:
    second.put(IMAGE, f"hub/{repository}", "1")
    modules.run("image_pull", places.options(store, url=f"http://{places.mirror.host}/hub"))
    assert places.upstream.requests == []


def test_a_mirror_that_is_down_costs_one_try(places: MirroredRegistry, store: str) -> None:
    begun = time.monotonic()
    options = places.options(store, url=f"http://127.0.0.1:{free_port()}")
    assert modules.run("image_pull", {**options, "retries": 5})["changed"]
    assert time.monotonic() - begun < 5


def test_only_mirrors_are_asked_if_the_task_says_so(places: MirroredRegistry, store: str) -> None:
    failed = modules.fail("image_pull", places.options(store, mirror_only=True))
    assert failed["error"] == "not_found"
    assert places.mirror.host in failed["msg"]
    assert places.upstream.requests == []


def test_a_mirror_may_be_for_digests_alone(places: MirroredRegistry, second: Registry, repository: str, store: str) -> None:
    second.put(OTHER, repository, "1")  # the mirror has an old image under the tag
    second.put(IMAGE, repository, "new")
    done = modules.run("image_pull", places.options(store, resolve_tags=False))
    assert done["images"][0]["digest"] == str(IMAGE.root.digest)
    assert not any("/manifests/1" in path for path in paths(places.mirror))
    assert not any("/blobs/" in path for path in paths(places.upstream))


def test_a_mirror_never_gets_the_credentials_of_the_registry(
    protected: Registry, second: Registry, repository: str, store: str, tmp_path: Path
) -> None:
    protected.put(IMAGE, repository, "1")
    with Recorder(second.host).running() as mirror:
        entry = {"url": f"http://{mirror.host}", "headers": {"X-Api-Key": "mirror-secret-key"}}
        registry = {"name": protected.host, "username": USER, "password": PASSWORD, "ca_path": str(protected.ca), "mirrors": [entry]}
        done = modules.run("image_pull", {"store": store, "name": [f"{protected.host}/{repository}:1"], "registries": [registry]})
        assert done["images"][0]["endpoint"] == protected.url
        assert mirror.requests
        assert not any("Authorization" in recorded.headers for recorded in mirror.requests)
        assert all(recorded.headers["X-Api-Key"] == "mirror-secret-key" for recorded in mirror.requests)
    assert "mirror-secret-key" not in json.dumps(done)


def test_a_push_goes_to_the_registry_and_asks_no_mirror(
    places: MirroredRegistry, second: Registry, repository: str, store: str, anonymous: Registry
) -> None:
    second.put(OTHER, repository, "2")
    modules.run("image_pull", {"store": store, "name": [f"{anonymous.host}/{repository}:1"]})
    options = {**places.options(store), "name": [f"{anonymous.host}/{repository}:1"], "destination": f"{places.upstream.host}/{repository}:2"}
    assert modules.run("image_push", options)["changed"]
    assert places.mirror.requests == []


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        ({"mirrors": [{"url": "cache:5000"}]}, "must be http:// or https://"),
        ({"mirrors": [{"url": "http://me:planted-secret@cache"}]}, "must be http:// or https://"),
        ({"mirror_only": True}, "has no mirrors"),
        ({"mirrors": [{"url": "http://cache", "headers": {"X Key": "v"}}]}, "can't be sent as a header"),
        ({"mirrors": [{"url": "http://cache", "headers": {"X-Key": "planted-secret\r\nX: y"}}]}, "can't be sent as a header"),
        ({"mirrors": [{"url": "http://cache", "ca_path": "/nonexistent"}]}, "doesn't exist"),
    ],
)
def test_a_bad_mirror_is_an_invalid_option_before_any_request(store: str, registry: dict[str, t.Any], words: str) -> None:
    failed = modules.fail("image_pull", {"store": store, "name": ["r.test/x"], "registries": [{"name": "r.test", **registry}]})
    assert failed["error"] == "invalid_option"
    assert words in failed["msg"]
    assert "planted-secret" not in json.dumps(failed)


def test_a_pull_through_cache_serves_its_content_when_the_registry_is_unreachable(tmp_path: Path, store: str) -> None:
    for folder in ("upstream", "cache"):
        (tmp_path / folder).mkdir()
    with running_registry(tmp_path / "upstream") as upstream:
        host = upstream.host
        for name in ("kept", "never-asked"):
            upstream.put(IMAGE if name == "kept" else OTHER, f"cut/{name}", "1")
        with running_registry(tmp_path / "cache", proxy={"remoteurl": f"http://{host}"}) as cache:
            options = {"registries": [{"name": host, "mirrors": [{"url": f"http://{cache.host}"}]}], "retries": 1}
            modules.run("image_pull", {"store": str(tmp_path / "first"), "name": [f"{host}/cut/kept:1"], **options})
            time.sleep(1)  # the cache stores blobs after it has sent them
            upstream.stop()
            done = modules.run("image_pull", {"store": store, "name": [f"{host}/cut/kept:1"], **options})
            assert done["images"][0]["digest"] == str(IMAGE.root.digest)
            failed = modules.fail("image_pull", {"store": store, "name": [f"{host}/cut/never-asked:1"], **options})
            assert failed["error"] == "unreachable"
            assert host in failed["msg"]
            assert cache.host in failed["msg"]


# The configuration of the host.


def test_mirrors_in_podmans_configuration_are_used(places: MirroredRegistry, second: Registry, repository: str, store: str, tmp_path: Path) -> None:
    second.put(IMAGE, repository, "1")
    mirror = f'[[registry.mirror]]\nlocation = "{places.mirror.host}"\ninsecure = true\n'
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{places.upstream.host}"\n{mirror}')
    env = {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
    asked = {"store": store, "name": [places.name]}
    done = modules.run("image_pull", asked, env=env)
    assert done["images"][0]["endpoint"] == f"http://{places.mirror.host}"
    assert places.upstream.requests == []
    modules.run("image_pull", {**asked, "host_config": False}, env=env)
    assert places.upstream.requests != []


def test_registries_blocked_by_podmans_configuration_are_denied(places: MirroredRegistry, store: str, tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{places.upstream.host}"\nblocked = true\n')
    env = {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
    failed = modules.attempt("image_pull", {"store": store, "name": [places.name]}, env=env)
    assert failed["error"] == "denied"
    assert str(tmp_path / "registries.conf") in failed["msg"]
    assert places.upstream.requests == []


def test_a_broken_configuration_is_reported_with_its_path(places: MirroredRegistry, store: str, tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text("[[registry]\n")
    env = {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
    failed = modules.attempt("image_pull", {"store": store, "name": [places.name]}, env=env)
    assert failed["error"] == "unsupported_format"
    assert str(tmp_path / "registries.conf") in failed["msg"]
