# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_pull from a real registry."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"


@dataclasses.dataclass
class Scene:
    """A registry and a store for one test, with shorthands for common steps."""

    registry: Registry
    repository: str
    store: str

    def name(self, tag: str = "1", repository: str | None = None) -> str:
        return f"{self.registry.host}/{repository or self.repository}:{tag}"

    def options(self, *names: str, **options: t.Any) -> dict[str, t.Any]:
        return {"name": list(names) or [self.name()], "store": self.store, **options}

    def pull(self, *names: str, **options: t.Any) -> modules.Results:
        return modules.run("image_pull", self.options(*names, **options))

    def blob(self, digest: Digest) -> Path:
        return Path(Store(self.store).blob_path(digest))

    def replace_blob(self, digest: Digest, data: bytes) -> None:
        path = self.blob(digest)
        path.unlink()
        path.write_bytes(data)


@pytest.fixture
def scene(anonymous: Registry, repository: str, store: str) -> Scene:
    return Scene(anonymous, repository, store)


def first(size: int = 0) -> Image:
    return make_index("first", (HOST, OTHER), size=size)


def nothing_stored(scene: Scene) -> dict[str, t.Any]:
    scene.registry.put(first(), scene.repository, "1")
    return {}


def plain_manifest(scene: Scene) -> dict[str, t.Any]:
    scene.registry.put(make_image("plain", platform=HOST), scene.repository, "1")
    return {}


def everything_stored(scene: Scene) -> dict[str, t.Any]:
    nothing_stored(scene)
    scene.pull()
    return {}


def moved_tag(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    scene.registry.put(make_index("second", (HOST, OTHER)), scene.repository, "1")
    return {}


def another_platform(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    return {"platform": [OTHER]}


def all_platforms(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    return {"platform": ["all"]}


def truncated_layer(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    layer = first().graph.images[0].manifest.layers[0]
    scene.replace_blob(layer.digest, b"short")
    return {}


def altered_layer(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    layer = first().graph.images[0].manifest.layers[0]
    scene.replace_blob(layer.digest, bytes(layer.size))
    return {}


def lost_manifest(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    scene.blob(first().graph.images[0].descriptor.digest).unlink()
    return {}


def lost_index(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    scene.blob(first().root.digest).unlink()
    return {}


def same_image_by_another_name(scene: Scene) -> dict[str, t.Any]:
    everything_stored(scene)
    scene.registry.put(first(), scene.repository, "2")
    return {"name": [scene.name("2")]}


def shared_layers(scene: Scene) -> dict[str, t.Any]:
    base = make_image("base", 1, HOST)
    layer = base.content[base.layers[0].digest]
    scene.registry.put(base, scene.repository, "base")
    scene.pull(scene.name("base"))
    scene.registry.put(make_image("top", 1, HOST, shared=[layer]), scene.repository, "1")
    return {}


def by_digest_alone(scene: Scene) -> dict[str, t.Any]:
    nothing_stored(scene)
    return {"name": [f"{scene.registry.host}/{scene.repository}@{first().root.digest}"]}


def tag_and_digest(scene: Scene) -> dict[str, t.Any]:
    nothing_stored(scene)
    return {"name": [f"{scene.name('never-pushed')}@{first().root.digest}"]}


def missing_policy(scene: Scene) -> dict[str, t.Any]:
    nothing_stored(scene)
    return {"pull_policy": "missing"}


def newer_policy(scene: Scene) -> dict[str, t.Any]:
    moved_tag(scene)
    return {"pull_policy": "newer"}


def several(scene: Scene) -> dict[str, t.Any]:
    nothing_stored(scene)
    scene.registry.put(make_image("other", platform=HOST), scene.repository, "2")
    return {"name": [scene.name("2"), scene.name("1")]}


STATES = [
    nothing_stored,
    plain_manifest,
    everything_stored,
    moved_tag,
    another_platform,
    all_platforms,
    truncated_layer,
    altered_layer,
    lost_manifest,
    lost_index,
    same_image_by_another_name,
    shared_layers,
    by_digest_alone,
    tag_and_digest,
    missing_policy,
    newer_policy,
    several,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_check_mode_predicts_the_run_that_follows_and_a_second_run_changes_nothing(
    scene: Scene, state: t.Callable[[Scene], dict[str, t.Any]]
) -> None:
    modules.check_do_again("image_pull", {**scene.options(), **state(scene)}, changes=state is not everything_stored)


def test_results_list_names_digests_platforms_and_bytes(scene: Scene) -> None:
    image = first()
    scene.registry.put(image, scene.repository, "1")
    mine = image.graph.images[0]

    results = scene.pull()

    row = results["images"][0]
    assert row["name"] == scene.name()
    assert row["digest"] == str(image.root.digest)
    assert row["image_id"] == str(mine.manifest.config.digest)
    assert row["platforms"] == [HOST]
    assert row["previous_digest"] is None
    assert row["endpoint"] == scene.registry.url
    assert results["bytes_transferred"] == sum(blob.size for blob in mine.manifest.blobs)
    assert results["blobs_transferred"] == len(mine.manifest.blobs)
    assert row["size"] == results["bytes_transferred"] + image.root.size + mine.descriptor.size
    assert results["diff"]["before"] == {}
    assert results["diff"]["after"] == {scene.name(): {"digest": str(image.root.digest), "platforms": [HOST]}}


def test_platforms_add_up(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    scene.pull(platform=[OTHER])
    results = scene.pull()
    assert sorted(results["images"][0]["platforms"]) == sorted([HOST, OTHER])
    assert results["images"][0]["image_id"] == str(first().graph.images[0].manifest.config.digest)


def test_an_image_that_loses_its_name_stays_unnamed(scene: Scene) -> None:
    moved_tag(scene)
    results = scene.pull()
    assert results["images"][0]["previous_digest"] == str(first().root.digest)
    unnamed = modules.run("image_info", {"store": scene.store, "filters": {"dangling": True}})["images"]
    assert [row["digest"] for row in unnamed] == [str(first().root.digest)]


# Requests.


def test_an_unchanged_tag_costs_one_head_and_no_get(scene: Scene, recording: Recorder) -> None:
    scene.registry.put(first(), scene.repository, "1")
    name = f"{recording.host}/{scene.repository}:1"
    scene.pull(name)
    recording.requests.clear()
    scene.pull(name)
    assert recording.lines == [f"HEAD /v2/{scene.repository}/manifests/1"]


def test_a_digest_that_is_present_costs_no_request(scene: Scene, recording: Recorder) -> None:
    scene.registry.put(first(), scene.repository, "1")
    name = f"{recording.host}/{scene.repository}:1@{first().root.digest}"
    scene.pull(name)
    recording.requests.clear()
    assert scene.pull(name)["images"][0]["endpoint"] is None
    assert recording.lines == []


def test_the_missing_policy_sends_no_request_for_a_stored_image(scene: Scene, recording: Recorder) -> None:
    scene.registry.put(first(), scene.repository, "1")
    name = f"{recording.host}/{scene.repository}:1"
    scene.pull(name, pull_policy="missing")
    recording.requests.clear()
    scene.pull(name, pull_policy="missing")
    assert recording.lines == []


def test_a_first_pull_requests_each_blob_once_with_its_media_types(scene: Scene, recording: Recorder) -> None:
    scene.registry.put(first(), scene.repository, "1")
    scene.pull(f"{recording.host}/{scene.repository}:1")
    mine = first().graph.images[0]
    wanted = [f"GET /v2/{scene.repository}/manifests/{target}" for target in ("1", mine.descriptor.digest)]
    wanted += [f"GET /v2/{scene.repository}/blobs/{blob.digest}" for blob in mine.manifest.blobs]
    assert sorted(recording.lines) == sorted(wanted)
    assert all(recorded.headers["Accept-Encoding"] == "identity" for recorded in recording.requests)


# Policies.


def test_the_never_policy_distinguishes_damaged_from_absent_images(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    scene.pull()
    scene.blob(first().layers[0].digest).unlink()
    results = modules.fail("image_pull", scene.options(pull_policy="never"))
    assert results["error"] == "not_found"
    assert "incomplete" in results["msg"]


def test_the_never_policy_fails_for_an_absent_image_without_a_request(scene: Scene) -> None:
    results = modules.fail("image_pull", scene.options(f"127.0.0.1:{free_port()}/a:1", pull_policy="never"))
    assert results["error"] == "not_found"
    assert not os.path.exists(scene.store)


def test_the_newer_policy_keeps_the_image_with_a_warning_when_the_registry_is_unreachable(scene: Scene) -> None:
    port = free_port()
    store = Store(scene.store)
    make_image("kept", platform=HOST).put(store, f"127.0.0.1:{port}/kept:1")
    options = scene.options(f"127.0.0.1:{port}/kept:1", plain_http=True, retries=1)
    results = modules.run("image_pull", {**options, "pull_policy": "newer"})
    assert not results["changed"]
    assert "can't be reached" in json.dumps(results["warnings"])
    assert modules.fail("image_pull", {**options, "pull_policy": "always"})["error"] == "unreachable"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_newer_policy_keeps_the_image_when_the_registry_can_not_answer(scene: Scene, recording: Recorder, status: int) -> None:
    name = f"{recording.host}/{scene.repository}:1"
    make_image("kept", platform=HOST).put(Store(scene.store), name)
    recording.intercept = lambda recorded: status
    results = modules.run("image_pull", scene.options(name, pull_policy="newer", retries=1))
    assert not results["changed"]
    assert "was not compared" in json.dumps(results["warnings"])
    assert modules.fail("image_pull", scene.options(name, retries=1))["error"] == ("rate_limited" if status == 429 else "registry_error")


@pytest.mark.parametrize(("status", "error"), [(403, "denied"), (404, "not_found")])
def test_the_newer_policy_reports_the_registrys_refusal_of_the_image(scene: Scene, recording: Recorder, status: int, error: str) -> None:
    name = f"{recording.host}/{scene.repository}:1"
    make_image("kept", platform=HOST).put(Store(scene.store), name)
    recording.intercept = lambda recorded: status
    assert modules.fail("image_pull", scene.options(name, pull_policy="newer", retries=1))["error"] == error


# Platforms.


def test_a_platform_missing_in_an_index_is_named_with_those_it_has(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    results = modules.fail("image_pull", scene.options(platform=["linux/s390x"]))
    assert results["error"] == "platform_missing"
    assert HOST in results["msg"]


def test_a_platform_missing_in_an_index_is_an_error_although_the_index_is_stored(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    scene.pull(platform=["all"])
    assert modules.fail("image_pull", scene.options(platform=["linux/s390x"]))["error"] == "platform_missing"


def test_a_plain_manifest_of_another_platform_is_a_warning_or_an_error_when_a_platform_was_given(scene: Scene) -> None:
    scene.registry.put(make_image("foreign", platform=OTHER), scene.repository, "1")
    results = scene.pull()
    assert OTHER in json.dumps(results["warnings"])
    assert results["images"][0]["platforms"] == [OTHER]
    assert modules.fail("image_pull", scene.options(platform=[HOST]))["error"] == "platform_missing"
    assert not scene.pull(platform=[HOST, OTHER])["changed"]


# Errors.


@pytest.mark.parametrize("name", ["docker.io/UPPER/case", "a:b:c", "sha256:" + "0" * 64, "0" * 64, "", "a@sha256:short", "a b", "ä"])
def test_a_wrong_reference_is_refused_before_any_request_or_write(scene: Scene, recording: Recorder, name: str) -> None:
    results = modules.fail("image_pull", scene.options(f"{recording.host}/fine:1", name))
    assert results["error"] == "invalid_reference"
    assert recording.lines == []
    assert not os.path.exists(scene.store)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"platform": ["amd64"]}, "invalid_option"),
        ({"platform": ["all", "linux/amd64"]}, "invalid_option"),
        ({"ca_path": "/nowhere/ca.pem"}, "invalid_option"),
        ({"auth_file": "/nowhere/auth.json"}, "not_found"),
        ({"retries": -1}, "invalid_option"),
        ({"concurrency": 0}, "invalid_option"),
        ({"timeout": 0}, "invalid_option"),
        ({"store_mode": "0777"}, "invalid_option"),
        ({"store_mode": "rwx"}, "invalid_option"),
        ({"proxy": "socks5://127.0.0.1:1"}, "invalid_option"),
        ({"registries": [{"name": "a/b"}]}, "invalid_option"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_option_has_a_stable_cause(scene: Scene, options: dict[str, t.Any], error: str) -> None:
    assert modules.fail("image_pull", scene.options(**options))["error"] == error
    assert not os.path.exists(scene.store)


def test_one_name_for_two_images_is_refused_before_any_request(scene: Scene, recording: Recorder) -> None:
    name = f"{recording.host}/{scene.repository}:1"
    pinned = [f"{name}@{make_image(text).root.digest}" for text in ("a", "b")]
    for names in (pinned, [name, pinned[0]]):
        results = modules.fail("image_pull", scene.options(*names))
        assert results["error"] == "invalid_option"
        assert all(asked in results["msg"] for asked in names)
    assert recording.lines == []
    assert not os.path.exists(scene.store)


def test_the_digest_of_a_stored_layer_or_config_is_not_an_image(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    scene.pull()
    for blob in (first().layers[0], first().graph.images[0].manifest.config):
        results = modules.fail("image_pull", scene.options(f"{scene.registry.host}/{scene.repository}@{blob.digest}"))
        assert results["error"] == "unsupported_format"
        assert f"{blob.digest} is not an image" in results["msg"]


def test_an_absent_image_is_not_found_with_the_registrys_words(scene: Scene) -> None:
    results = modules.fail("image_pull", scene.options(scene.name("nope")))
    assert results["error"] == "not_found"
    assert results["status"] == 404
    assert any("MANIFEST_UNKNOWN" in outcome or "NAME_UNKNOWN" in outcome for outcome in results["registry_errors"])
    assert scene.name("nope") in results["msg"]


def test_a_registry_that_does_not_answer_is_unreachable(scene: Scene) -> None:
    results = modules.fail("image_pull", scene.options(f"127.0.0.1:{free_port()}/a:1", retries=2))
    assert results["error"] == "unreachable"
    assert "refused" in results["msg"]


def test_a_failing_image_does_not_stop_the_others(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    results = modules.fail("image_pull", scene.options(scene.name("nope"), scene.name("1")))
    assert results["error"] == "not_found"
    assert [row.get("failed", False) for row in results["images"]] == [True, False]
    assert results["images"][1]["changed"]
    assert scene.name("nope") not in results["diff"]["after"]
    stored = modules.run("image_info", {"store": scene.store})["images"]
    assert [row["name"] for row in stored] == [scene.name("1")]


def test_a_damaged_index_of_the_store_ends_the_run_before_any_request(scene: Scene, recording: Recorder) -> None:
    everything_stored(scene)
    index = Path(scene.store, "index.json")
    index.write_text('{"schemaVersion": 2, "manifests": [')
    results = modules.fail("image_pull", scene.options(f"{recording.host}/{scene.repository}:1"))
    assert results["error"] == "store_damaged"
    assert str(index) in results["msg"]
    assert recording.lines == []
    assert index.read_text() == '{"schemaVersion": 2, "manifests": ['


def test_a_folder_with_other_files_is_refused_and_left_alone(scene: Scene) -> None:
    os.mkdir(scene.store)
    Path(scene.store, "thesis.txt").write_text("mine")
    before = modules.snapshot(scene.store)
    scene.registry.put(first(), scene.repository, "1")
    assert modules.fail("image_pull", scene.options())["error"] == "unsupported_format"
    assert modules.snapshot(scene.store) == before


def test_a_registry_that_lies_about_a_blob_changes_no_name(scene: Scene) -> None:
    everything_stored(scene)
    second = make_index("lied-about", (HOST, OTHER))
    scene.registry.put(second, scene.repository, "1")
    layer = second.graph.images[0].manifest.layers[0].digest
    data = scene.registry.folder / "data/docker/registry/v2/blobs/sha256" / layer.hex[:2] / layer.hex / "data"
    good = data.read_bytes()
    data.write_bytes(bytes(len(good)))
    try:
        results = modules.fail("image_pull", scene.options())
    finally:
        data.write_bytes(good)
    assert results["error"] == "digest_mismatch"
    assert results["images"][0]["failed"]
    stored = modules.run("image_info", {"store": scene.store, "name": [scene.name()]})["images"][0]
    assert stored["digest"] == str(first().root.digest)
    assert scene.pull()["changed"]


# Credentials and TLS.


def secured(protected: Registry, repository: str, store: str, **options: t.Any) -> dict[str, t.Any]:
    name = protected.put(make_image("secured", platform=HOST), repository, "1")
    return {"name": [name], "store": store, "ca_path": str(protected.ca), **options}


def planted(results: modules.Results) -> bool:
    return "pass word" in json.dumps(results, ensure_ascii=False) or "pass%20word" in json.dumps(results)


def test_credentials_of_the_task_are_used_and_never_shown(protected: Registry, repository: str, store: str) -> None:
    options = secured(protected, repository, store, username=USER, password=PASSWORD)
    results = modules.run("image_pull", options)
    assert results["changed"]
    assert not planted(results)
    assert not modules.run("image_pull", options)["changed"]


def test_credentials_of_the_registries_list_take_precedence(protected: Registry, repository: str, store: str) -> None:
    options = secured(protected, repository, store)
    own = {"name": protected.host, "username": USER, "password": PASSWORD, "ca_path": options.pop("ca_path")}
    assert modules.run("image_pull", {**options, "username": "x", "password": "wrong", "registries": [own]})["changed"]


def test_credentials_of_an_auth_file_are_used(protected: Registry, repository: str, store: str, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    file.write_text(json.dumps({"auths": {f"{protected.host}/{repository}": {"auth": auth}}}))
    results = modules.run("image_pull", secured(protected, repository, store, auth_file=str(file)))
    assert results["changed"]
    assert auth not in json.dumps(results)


@pytest.mark.parametrize("wrong", [{}, {"username": USER, "password": "planted-Secret"}])
def test_wrong_or_missing_credentials_are_denied_and_change_nothing(protected: Registry, repository: str, store: str, wrong: dict[str, str]) -> None:
    results = modules.fail("image_pull", secured(protected, repository, store, **wrong))
    assert results["error"] == "denied"
    assert results["status"] == 401
    assert protected.host in results["msg"]
    assert "planted-Secret" not in json.dumps(results)
    assert not os.path.exists(store)


def test_an_unknown_authority_is_an_error_unless_certificate_checks_are_off(protected: Registry, repository: str, store: str) -> None:
    options = secured(protected, repository, store, username=USER, password=PASSWORD)
    del options["ca_path"]
    results = modules.fail("image_pull", options)
    assert results["error"] == "unreachable"
    assert "certificate" in results["msg"].lower()
    assert modules.run("image_pull", {**options, "validate_certs": False})["changed"]


def test_plain_http_is_never_used_when_the_option_is_false(scene: Scene) -> None:
    scene.registry.put(first(), scene.repository, "1")
    assert modules.fail("image_pull", scene.options(plain_http=False))["error"] == "unreachable"


def test_credentials_for_one_registry_are_not_sent_to_several(scene: Scene) -> None:
    results = modules.fail("image_pull", scene.options("a.test/x:1", "b.test/y:1", username="u", password="secret-word"))
    assert results["error"] == "invalid_option"
    assert "a.test, b.test" in results["msg"]


def test_a_server_that_never_answers_is_an_error(scene: Scene) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        results = modules.fail("image_pull", scene.options(f"{host}/a:1", plain_http=True, timeout=1, retries=2))
    assert results["error"] == "unreachable"


# Interrupted.


def test_a_killed_pull_leaves_the_store_usable_and_can_be_repeated(scene: Scene) -> None:
    everything_stored(scene)
    scene.registry.put(make_image("large", 3, HOST, size=3_000_000), scene.repository, "large")
    process = modules.start_module("image_pull", scene.options(scene.name("large")))
    temporary = Path(scene.store, ".longshore", "tmp")
    while process.poll() is None and not (temporary.exists() and any(temporary.iterdir())):
        pass
    process.kill()
    process.communicate()
    assert modules.run("image_info", {"store": scene.store, "name": [scene.name()]})["images"][0]["platforms"] == [HOST]
    scene.pull(scene.name("large"))
    assert list(temporary.iterdir()) == []
    assert list(Path(scene.store, ".longshore", "leases").iterdir()) == []
