# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_push to a real registry."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_image, make_index, make_layer
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port

NAME = "docker.io/library/app:1"
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")

State = t.Callable[[Registry, str, Store], None]


def index() -> Image:
    return make_index("pushed", PLATFORMS)


def nothing_there(registry: Registry, repository: str, store: Store) -> None:
    index().put(store, NAME, platforms=["all"])


def plain_manifest(registry: Registry, repository: str, store: Store) -> None:
    make_image("plain").put(store, NAME)


def already_there(registry: Registry, repository: str, store: Store) -> None:
    index().put(store, NAME, platforms=["all"])
    registry.put(index(), repository, "1")


def another_image_there(registry: Registry, repository: str, store: Store) -> None:
    index().put(store, NAME, platforms=["all"])
    registry.put(make_image("other"), repository, "1")


def there_under_another_tag(registry: Registry, repository: str, store: Store) -> None:
    index().put(store, NAME, platforms=["all"])
    registry.put(index(), repository, "2")


def some_blobs_there(registry: Registry, repository: str, store: Store) -> None:
    base = make_image("base", 1)
    layer = base.content[base.layers[0].digest]
    registry.put(base, repository, "base")
    make_image("top", 1, shared=[layer]).put(store, NAME)


STATES: list[State] = [nothing_there, plain_manifest, already_there, another_image_there, there_under_another_tag, some_blobs_there]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_check_mode_predicts_the_run_that_follows_and_a_second_run_changes_nothing(
    anonymous: Registry, repository: str, store: str, state: State
) -> None:
    state(anonymous, repository, Store(store))
    options = {"name": [NAME], "destination": f"{anonymous.host}/{repository}:1", "store": store}
    was = anonymous.digest(repository, "1")

    predicted = modules.run("image_push", options, check=True)
    assert anonymous.digest(repository, "1") == was
    done = modules.check_do_again("image_push", options, changes=state is not already_there)

    assert predicted == done
    digest = str(Store(store).index.entries[0].descriptor.digest)
    assert anonymous.digest(repository, "1") == digest == done["images"][0]["digest"]
    assert done["images"][0]["previous_digest"] == was


def test_a_pushed_image_can_be_pulled_unchanged(anonymous: Registry, repository: str, store: str, tmp_path: Path) -> None:
    entry = index().put(Store(store), NAME, platforms=["all"])
    name = f"{anonymous.host}/{repository}:1"
    modules.run("image_push", {"name": NAME, "destination": name, "store": store})
    pulled = modules.run("image_pull", {"name": name, "platform": "all", "store": str(tmp_path / "other")})
    assert pulled["images"][0]["digest"] == str(entry.descriptor.digest)
    assert sorted(pulled["images"][0]["platforms"]) == sorted(PLATFORMS)


def test_only_missing_blobs_are_sent_and_the_tag_is_last(anonymous: Registry, repository: str, store: str, recording: Recorder) -> None:
    some_blobs_there(anonymous, repository, Store(store))
    results = modules.run("image_push", {"name": NAME, "destination": f"{recording.host}/{repository}:1", "store": store})
    assert results["blobs_reused"] == 1
    assert results["blobs_transferred"] == sum(recorded.method == "POST" for recorded in recording.requests) == 2
    assert recording.lines[-1] == f"PUT /v2/{repository}/manifests/1"


def test_an_unchanged_push_costs_one_head(anonymous: Registry, repository: str, store: str, recording: Recorder) -> None:
    already_there(anonymous, repository, Store(store))
    modules.run("image_push", {"name": NAME, "destination": f"{recording.host}/{repository}:1", "store": store})
    assert recording.lines == [f"HEAD /v2/{repository}/manifests/1"]


def other_repository_holds_it(registry: Registry, repository: str, store: Store) -> str:
    """Push the image from this store to one repository, and return the name of another repository."""
    index().put(store, NAME, platforms=["all"])
    modules.run("image_push", {"name": NAME, "destination": f"{registry.host}/{repository}/first:1", "store": store.path})
    return f"{registry.host}/{repository}/second:1"


def test_the_same_layers_for_a_second_repository_move_no_bytes(anonymous: Registry, repository: str, store: str, recording: Recorder) -> None:
    second = other_repository_holds_it(anonymous, repository, Store(store))
    done = modules.check_do_again("image_push", {"name": [NAME], "destination": second, "store": store})
    assert (done["bytes_transferred"], done["blobs_transferred"], done["blobs_reused"]) == (0, 0, len(index().blobs))
    assert anonymous.digest(f"{repository}/second", "1") == str(index().root.digest)
    assert done["actions"][0].endswith(f": nothing to send, {len(index().blobs)} blobs mounted from other repositories")
    promoted = modules.run("image_copy", {"src": second, "dest": f"{second}-stable"})
    assert promoted["actions"][0].endswith(": all blobs are there, only the tag is set")


def test_blobs_are_mounted_from_the_repository_that_has_them(recording: Recorder, repository: str, store: str) -> None:
    registry = Registry(Path(store), int(recording.host.rpartition(":")[2]))
    second = other_repository_holds_it(registry, repository, Store(store))
    recording.requests.clear()
    modules.run("image_push", {"name": NAME, "destination": second, "store": store})
    posts = [recorded.path for recorded in recording.requests if recorded.method == "POST"]
    assert len(posts) == len(index().blobs)
    assert all("mount=sha256%3A" in path and path.endswith(f"from={quote(repository + '/first', safe='')}") for path in posts)
    assert not any(recorded.method in ("PUT", "PATCH") and "/blobs/" in recorded.path for recorded in recording.requests)


def test_one_task_sends_a_blob_to_one_repository_and_mounts_it_in_the_others(recording: Recorder, repository: str, store: str) -> None:
    base = make_layer("base", 100_000)
    for name in ("one", "two", "three"):
        make_image(name, 1, shared=[base]).put(Store(store), f"docker.io/library/{name}:1")
    options = {"name": ["one:1", "two:1", "three:1"], "destination": f"{recording.host}/{repository}/", "store": store}
    predicted = modules.run("image_push", options, check=True)
    recording.requests.clear()
    done = modules.run("image_push", options)
    assert predicted == done
    assert done["blobs_transferred"] == sum(recorded.method == "PUT" and "/blobs/" in recorded.path for recorded in recording.requests) == 7
    assert sum("mount=" in recorded.path for recorded in recording.requests) == 2


def test_a_name_in_the_store_gives_the_source_of_a_mount(anonymous: Registry, repository: str, store: str) -> None:
    held = anonymous.put(index(), f"{repository}/held", "1")
    index().put(Store(store), held, platforms=["all"])
    done = modules.check_do_again("image_push", {"name": [held], "destination": f"{anonymous.host}/{repository}/new:1", "store": store})
    assert done["bytes_transferred"] == 0


def test_recorded_locations_are_checked_at_the_registry(anonymous: Registry, repository: str, store: str) -> None:
    index().put(Store(store), NAME, f"{anonymous.host}/{repository}/gone:1", platforms=["all"])
    done = modules.check_do_again("image_push", {"name": [NAME], "destination": f"{anonymous.host}/{repository}/new:1", "store": store})
    assert done["blobs_transferred"] == len(index().blobs)


def test_a_blob_whose_mount_is_declined_is_uploaded(anonymous: Registry, repository: str, store: str, recording: Recorder) -> None:
    registry = Registry(Path(store), int(recording.host.rpartition(":")[2]))
    second = other_repository_holds_it(registry, repository, Store(store))
    recording.intercept = lambda recorded: 403 if "mount=" in recorded.path else None
    assert modules.run("image_push", {"name": NAME, "destination": second, "store": store})["changed"]
    assert anonymous.digest(f"{repository}/second", "1") == str(index().root.digest)


def test_several_images_are_pushed_below_a_prefix(anonymous: Registry, repository: str, store: str) -> None:
    make_image("one").put(Store(store), "docker.io/library/one:1")
    make_image("two").put(Store(store), "quay.io/team/two:2")
    options = {"name": ["one:1", "quay.io/team/two:2"], "destination": f"{anonymous.host}/{repository}/", "store": store}
    done = modules.check_do_again("image_push", options)
    assert [row["name"] for row in done["images"]] == [f"{anonymous.host}/{repository}/library/one:1", f"{anonymous.host}/{repository}/team/two:2"]
    assert anonymous.digest(f"{repository}/team/two", "2") == str(make_image("two").root.digest)


def test_two_images_for_one_destination_are_refused(anonymous: Registry, repository: str, store: str) -> None:
    make_image("one").put(Store(store), "docker.io/library/same:1")
    make_image("two").put(Store(store), "quay.io/library/same:1")
    options = {"name": ["same:1", "quay.io/library/same:1"], "destination": f"{anonymous.host}/{repository}/", "store": store}
    results = modules.fail("image_push", options)
    assert results["error"] == "invalid_option"
    assert f"{anonymous.host}/{repository}/library/same:1" in results["msg"]
    assert anonymous.digest(f"{repository}/library/same", "1") is None


def test_one_platform_is_pushed_as_its_manifest(anonymous: Registry, repository: str, store: str) -> None:
    index().sparse("linux/arm64").put(Store(store), NAME, platforms=["linux/arm64"])
    options = {"name": [NAME], "destination": f"{anonymous.host}/{repository}:1", "platform": ["linux/arm64"], "store": store}
    done = modules.check_do_again("image_push", options)
    assert done["images"][0]["digest"] == str(index().graph.images[1].descriptor.digest) == anonymous.digest(repository, "1")


def test_several_platforms_are_pushed_as_a_new_index_with_its_digest_in_the_result(anonymous: Registry, repository: str, store: str) -> None:
    index().sparse("linux/arm64", "linux/amd64").put(Store(store), NAME, platforms=["linux/arm64", "linux/amd64"])
    options = {"name": [NAME], "destination": f"{anonymous.host}/{repository}:1", "platform": ["linux/arm64", "linux/amd64"], "store": store}
    done = modules.check_do_again("image_push", options)
    assert done["images"][0]["digest"] == anonymous.digest(repository, "1") != str(index().root.digest)
    assert done["images"][0]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_a_sparse_image_is_not_pushed_as_a_complete_one(anonymous: Registry, repository: str, store: str) -> None:
    index().sparse("linux/arm64").put(Store(store), NAME, platforms=["linux/arm64"])
    results = modules.fail("image_push", {"name": NAME, "destination": f"{anonymous.host}/{repository}:1", "store": store})
    assert results["error"] == "platform_missing"
    assert "linux/arm64" in results["msg"]
    assert anonymous.digest(repository, "1") is None


def test_a_sparse_image_that_the_destination_has_in_full_is_unchanged(anonymous: Registry, repository: str, store: str) -> None:
    name = anonymous.put(index(), repository, "1")
    index().sparse("linux/arm64").put(Store(store), name, platforms=["linux/arm64"])
    done = modules.check_do_again("image_push", {"name": [name], "store": store}, changes=False)
    assert done["images"][0]["digest"] == str(index().root.digest)


def test_a_missing_platform_is_not_pushed(anonymous: Registry, repository: str, store: str) -> None:
    index().sparse("linux/arm64").put(Store(store), NAME, platforms=["linux/arm64"])
    options = {"name": NAME, "destination": f"{anonymous.host}/{repository}:1", "platform": ["linux/amd64"], "store": store}
    assert modules.fail("image_push", options)["error"] == "platform_missing"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "docker.io/library/absent:1"}, "not_found"),
        ({"name": "docker.io/UPPER:1"}, "invalid_reference"),
        ({"destination": "not a reference"}, "invalid_reference"),
        ({"destination": "localhost:5443"}, "invalid_reference"),
        ({"name": ["a:1", "b:1"], "destination": "host.test/x:1"}, "invalid_option"),
        ({"name": "sha256:" + "0" * 64, "destination": None}, "invalid_option"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_has_a_stable_cause(anonymous: Registry, repository: str, store: str, options: dict[str, t.Any], error: str) -> None:
    make_image("a").put(Store(store), "a:1", "b:1")
    results = modules.fail("image_push", {"name": "a:1", "destination": f"{anonymous.host}/{repository}:1", "store": store, **options})
    assert results["error"] == error


def test_a_damaged_image_is_refused_by_name_and_the_tag_stays(anonymous: Registry, repository: str, store: str) -> None:
    another_image_there(anonymous, repository, Store(store))
    was = anonymous.digest(repository, "1")
    blob = Path(Store(store).blob_path(index().layers[0].digest))
    blob.unlink()
    blob.write_bytes(b"altered")
    results = modules.fail("image_push", {"name": NAME, "destination": f"{anonymous.host}/{repository}:1", "store": store})
    assert results["error"] == "store_damaged"
    assert NAME in results["msg"]
    assert anonymous.digest(repository, "1") == was


def test_wrong_credentials_are_denied(protected: Registry, repository: str, store: str) -> None:
    make_image("a").put(Store(store), NAME)
    options = {"name": NAME, "destination": f"{protected.host}/{repository}:1", "store": store, "ca_path": str(protected.ca), "username": USER}
    results = modules.fail("image_push", {**options, "password": "planted-Secret"})
    assert results["error"] == "denied"
    assert "planted-Secret" not in json.dumps(results)
    done = modules.check_do_again("image_push", {**options, "name": [NAME], "password": PASSWORD})
    assert done["changed"]


def test_a_registry_that_does_not_answer_is_unreachable(store: str) -> None:
    make_image("a").put(Store(store), NAME)
    results = modules.fail("image_push", {"name": NAME, "destination": f"127.0.0.1:{free_port()}/a:1", "store": store, "retries": 1})
    assert results["error"] == "unreachable"


def test_a_killed_push_leaves_the_tag_and_can_be_repeated(anonymous: Registry, repository: str, store: str, recording: Recorder) -> None:
    anonymous.put(make_image("other"), repository, "1")
    make_image("large", 4, size=2_000_000).put(Store(store), NAME)
    options = {"name": NAME, "destination": f"{recording.host}/{repository}:1", "store": store}
    process = modules.start_module("image_push", options)
    while process.poll() is None and not any(recorded.method == "PUT" for recorded in recording.requests):
        pass
    process.kill()
    process.communicate()
    assert anonymous.digest(repository, "1") == str(make_image("other").root.digest)
    assert modules.run("image_push", options)["changed"]
    assert not modules.run("image_push", options)["changed"]
