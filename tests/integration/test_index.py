# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_index: several images become one for several platforms, in the store and at a registry."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_attested_index, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import Registry

NAME = "docker.io/library/app:1"
AMD64 = make_image("amd64", platform="linux/amd64")
ARM64 = make_image("arm64", platform="linux/arm64")
OTHER_ARM64 = make_image("other", platform="linux/arm64")
ATTESTED = make_attested_index("built", ("linux/amd64", "linux/s390x"))


@pytest.fixture
def filled(store: str) -> str:
    """Return a store with two images, an index with attestations, and another image for one of the platforms."""
    images = {"amd64:1": AMD64, "arm64:1": ARM64, "other:1": OTHER_ARM64, "built:1": ATTESTED}
    for name, image in images.items():
        image.put(Store(store), f"docker.io/library/{name}", platforms=["all"] if image.root.is_index else ())
    return store


def members(*names: str) -> list[dict[str, str]]:
    return [dict(zip(("name", "platform"), name.split("@"))) for name in names]


def index_of(store: str, name: str = NAME) -> dict[str, t.Any]:
    entry = Store(store).get_entry(Reference.parse(name))
    document: dict[str, t.Any] = json.loads(Path(Store(store).blob_path(entry.digest)).read_bytes())
    return document


def digests(results: modules.Results) -> dict[str, str]:
    return {row["platform"]: row["digest"] for row in results["images"][0]["members"]}


CASES: list[tuple[str, list[dict[str, str]], dict[str, t.Any], dict[str, Image | Digest]]] = [
    ("two images", members("arm64:1", "amd64:1"), {}, {"linux/amd64": AMD64, "linux/arm64": ARM64}),
    (
        "an image and a part of an index",
        members("arm64:1", "built:1@linux/s390x"),
        {"annotations": {"a": "b"}, "require_platforms": ["linux/arm64/v8"]},
        {"linux/arm64": ARM64, "linux/s390x": ATTESTED.graph.images[1].descriptor.digest},
    ),
    ("a platform that the task gives", members("amd64:1@linux/riscv64"), {}, {"linux/riscv64": AMD64}),
    ("the same image twice", members("amd64:1", "library/amd64:1"), {}, {"linux/amd64": AMD64}),
]


@pytest.mark.parametrize(("requests", "options", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_check_mode_predicts_an_index_and_a_second_run_changes_nothing(
    filled: str, requests: list[dict[str, str]], options: dict[str, t.Any], expected: dict[str, Image | Digest]
) -> None:
    done = modules.check_do_again("image_index", {"name": NAME, "store": filled, "manifests": requests, **options})
    assert digests(done) == {platform: str(image.root.digest if isinstance(image, Image) else image) for platform, image in expected.items()}
    assert (done["blobs_transferred"], sorted(done["images"][0]["platforms"])) == (0, sorted(expected))
    assert Store(filled).find_missing_blobs(Store(filled).get_entry(Reference.parse(NAME))) == []
    assert index_of(filled).get("annotations", {}) == options.get("annotations", {})


def test_the_order_of_members_and_names_changes_nothing(filled: str) -> None:
    first = modules.run("image_index", {"name": NAME, "store": filled, "manifests": members("amd64:1", "arm64:1")})
    again = modules.run("image_index", {"name": NAME, "store": filled, "manifests": members("arm64:1", "docker.io/library/amd64:1")})
    assert not again["changed"]
    assert again["images"][0]["digest"] == first["images"][0]["digest"]


def test_attestations_come_along_after_the_images_or_are_dropped(filled: str) -> None:
    options = {"name": NAME, "store": filled, "manifests": members("built:1", "arm64:1")}
    kept = modules.check_do_again("image_index", options)
    row = kept["images"][0]
    assert row["platforms"] == ["linux/amd64", "linux/arm64", "linux/s390x"]
    entries = index_of(filled)["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64", "s390x", "unknown", "unknown"]
    original = {entry.digest: entry for entry in ATTESTED.graph.documents if entry.annotations}
    attested = {member["platform"]: member["attestations"] for member in row["members"]}
    assert attested["linux/arm64"] == []
    assert {attested["linux/amd64"][0], attested["linux/s390x"][0]} == {str(digest) for digest in original}
    for entry in entries[3:]:
        assert entry["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
    dropped = modules.run("image_index", {**options, "attestations": "drop"})
    assert [member["attestations"] for member in dropped["images"][0]["members"]] == [[], [], []]


def test_merge_replaces_one_platform_and_absent_removes_it(filled: str) -> None:
    options = {"name": NAME, "store": filled}
    first = modules.run("image_index", {**options, "manifests": members("amd64:1", "arm64:1"), "annotations": {"kept": "yes"}})
    merged = modules.check_do_again("image_index", {**options, "manifests": members("other:1"), "existing": "merge", "annotations": {"more": "1"}})
    assert digests(merged) == {"linux/amd64": str(AMD64.root.digest), "linux/arm64": str(OTHER_ARM64.root.digest)}
    assert index_of(filled)["annotations"] == {"kept": "yes", "more": "1"}
    assert merged["images"][0]["previous_digest"] == first["images"][0]["digest"]
    for requests in (members("other:1"), [{"platform": "linux/arm64"}]):
        modules.run("image_index", {**options, "manifests": members("other:1"), "existing": "merge"})
        left = modules.check_do_again("image_index", {**options, "manifests": requests, "existing": "absent"})
        assert digests(left) == {"linux/amd64": str(AMD64.root.digest)}


def test_merge_keeps_an_image_that_is_no_index_yet_and_absent_needs_nothing(filled: str) -> None:
    merged = modules.check_do_again("image_index", {"name": "amd64:1", "store": filled, "manifests": members("arm64:1"), "existing": "merge"})
    assert digests(merged) == {"linux/amd64": str(AMD64.root.digest), "linux/arm64": str(ARM64.root.digest)}
    absent = {"name": NAME, "store": filled, "manifests": members("arm64:1"), "existing": "absent"}
    modules.check_do_again("image_index", absent, changes=False)


@pytest.mark.parametrize("existing", ["merge", "absent"])
@pytest.mark.parametrize("lost", [AMD64.root.digest, AMD64.layers[0].digest], ids=["manifest", "layer"])
def test_a_damaged_member_of_the_earlier_index_is_an_error_and_not_left_out(filled: str, existing: str, lost: Digest) -> None:
    modules.run("image_index", {"name": NAME, "manifests": members("amd64:1", "arm64:1"), "store": filled})
    Path(Store(filled).blob_path(lost)).unlink()
    before = modules.snapshot(Path(filled) / "index.json")
    results = modules.fail("image_index", {"name": NAME, "manifests": members("other:1"), "existing": existing, "store": filled})
    assert results["error"] == "store_damaged"
    assert str(lost) in results["msg"]
    assert modules.snapshot(Path(filled) / "index.json") == before


def test_several_tags_point_at_the_index(filled: str) -> None:
    done = modules.check_do_again("image_index", {"name": NAME, "store": filled, "manifests": members("amd64:1"), "tags": ["latest", "1"]})
    assert [row["name"] for row in done["images"]] == [NAME, "docker.io/library/app:latest"]
    assert len({row["digest"] for row in done["images"]}) == 1


def test_a_sparse_index_gives_the_images_that_are_present(store: str) -> None:
    make_index("sparse", ("linux/amd64", "linux/arm64")).sparse("linux/arm64").put(
        Store(store), "docker.io/library/sparse:1", platforms=["linux/arm64"]
    )
    done = modules.run("image_index", {"name": NAME, "store": store, "manifests": members("sparse:1")})
    assert done["images"][0]["platforms"] == ["linux/arm64"]


@pytest.mark.parametrize(
    ("requests", "options", "error", "text"),
    [
        (members("arm64:1", "other:1"), {}, "invalid_option", "are both images for linux/arm64"),
        (members("amd64:1", "built:1"), {}, "invalid_option", "are both images for linux/amd64"),
        (members("absent:1"), {}, "not_found", "absent:1"),
        (members("amd64:1"), {"require_platforms": ["linux/amd64", "linux/arm64"]}, "platform_missing", "no image for linux/arm64"),
        (members("built:1@linux/arm64"), {}, "platform_missing", "it has linux/amd64, linux/s390x"),
        (members("amd64:1", "app:1"), {}, "invalid_option", "member of itself"),
        (members("amd64:1", "app:new"), {"tags": ["new"], "existing": "merge"}, "invalid_option", "member of itself"),
        (members("amd64:1"), {"format": "docker"}, "unsupported_format", "choose format oci"),
        (members("amd64:1"), {"tags": ["not a tag"]}, "invalid_reference", "not a tag"),
        ([{"platform": "linux/amd64"}], {}, "invalid_option", "each entry needs name"),
        ([{}], {"existing": "absent"}, "invalid_option", "each entry needs name"),
        ([], {}, "invalid_option", "at least one element"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_members_have_a_stable_cause_and_change_nothing(
    filled: str, requests: list[dict[str, str]], options: dict[str, t.Any], error: str, text: str
) -> None:
    before = modules.snapshot(filled)
    failed = modules.fail("image_index", {"name": NAME, "store": filled, "manifests": requests, **options})
    assert failed["error"] == error
    assert text in failed["msg"]
    assert modules.snapshot(filled) == before


def test_the_last_member_is_not_removed(filled: str) -> None:
    modules.run("image_index", {"name": NAME, "store": filled, "manifests": members("amd64:1")})
    failed = modules.fail("image_index", {"name": NAME, "store": filled, "manifests": members("amd64:1"), "existing": "absent"})
    assert "remove it with image_rm" in failed["msg"]


# At a registry.


@pytest.fixture
def pushed(anonymous: Registry, repository: str) -> str:
    """Return a repository at the registry with five images for five platforms."""
    for number, platform in enumerate(PLATFORMS):
        anonymous.put(make_image(f"five-{number}", platform=platform), repository, f"part-{number}")
    return f"{anonymous.host}/{repository}"


PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x", "linux/ppc64le", "linux/riscv64")


def remote(name: str, names: t.Sequence[str], **options: t.Any) -> dict[str, t.Any]:
    return {"name": name, "manifests": [{"name": member} for member in names], "remote": True, **options}


def test_an_index_at_a_registry_moves_no_blob_and_needs_few_requests(recording: Recorder, pushed: str, repository: str, tmp_path: Path) -> None:
    here = f"{recording.host}/{repository}"
    options = remote(f"{here}:all", [f"{here}:part-{number}" for number in range(5)], tags=["latest"], require_platforms=list(PLATFORMS))
    done = modules.check_do_again("image_index", options, place=tmp_path)
    assert (done["blobs_transferred"], done["bytes_transferred"]) == (0, 0)
    assert done["images"][0]["platforms"] == sorted(PLATFORMS)
    recording.requests.clear()
    modules.run("image_index", {**options, "tags": ["newer"]})
    assert len(recording.requests) <= 5 + 10, [str(request) for request in recording.requests]
    assert [request.method for request in recording.requests].count("PUT") == 1
    assert not [request for request in recording.requests if "/blobs/uploads" in request.path]


def test_members_of_other_repositories_are_mounted_and_of_other_registries_copied(
    anonymous: Registry, protected: Registry, repository: str, tmp_path: Path
) -> None:
    here = anonymous.put(AMD64, f"{repository}/near", "1")
    attested = anonymous.put(ATTESTED, f"{repository}/built", "1")
    far = protected.put(ARM64, f"{repository}/far", "1")
    assert protected.credentials is not None
    username, password = protected.credentials
    login = {"name": protected.host, "ca_path": str(protected.ca), "username": username, "password": password}
    name = f"{anonymous.host}/{repository}/all:1"
    options = remote(name, [here, far], registries=[login])
    options["manifests"].append({"name": attested, "platform": "linux/s390x"})
    done = modules.check_do_again("image_index", options, place=tmp_path)
    assert done["bytes_transferred"] == sum(blob.size for blob in ARM64.blobs)
    assert done["images"][0]["platforms"] == ["linux/amd64", "linux/arm64", "linux/s390x"]
    assert {row["platform"]: len(row["attestations"]) for row in done["images"][0]["members"]}["linux/s390x"] == 1
    info = modules.run("image_pull", {"name": name, "platform": "all", "store": str(tmp_path / "store")})
    assert info["images"][0]["digest"] == done["images"][0]["digest"] == anonymous.digest(f"{repository}/all", "1")
    merged = modules.run("image_index", remote(name, [anonymous.put(OTHER_ARM64, f"{repository}/all", "2")], existing="merge"))
    assert digests(merged)["linux/arm64"] == str(OTHER_ARM64.root.digest)
    assert digests(merged)["linux/amd64"] == str(AMD64.root.digest)
    left = {**remote(name, []), "manifests": [{"platform": "linux/s390x"}], "existing": "absent"}
    assert sorted(digests(modules.check_do_again("image_index", left, place=tmp_path))) == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize(
    ("member", "options", "error"),
    [
        ("absent", {}, "not_found"),
        ("all", {}, "invalid_option"),
        ("part-0", {"require_platforms": ["windows/amd64"]}, "platform_missing"),
        ("sha256:" + "0" * 64, {}, "invalid_option"),
    ],
)
def test_bad_members_at_a_registry_leave_its_tags_alone(
    anonymous: Registry, pushed: str, repository: str, member: str, options: dict[str, t.Any], error: str
) -> None:
    name = member if member.startswith("sha256:") else f"{pushed}:{member}"
    failed = modules.fail("image_index", remote(f"{pushed}:all", [name], **options))
    assert failed["error"] == error
    assert anonymous.digest(repository, "all") is None


def test_an_index_that_the_registry_refuses_leaves_the_earlier_one_at_its_tag(
    recording: Recorder, anonymous: Registry, pushed: str, repository: str
) -> None:
    earlier = modules.run("image_index", remote(f"{pushed}:all", [f"{pushed}:part-0"]))
    here = f"{recording.host}/{repository}"
    recording.refused[f"PUT /v2/{repository}/manifests/all"] = 403
    options = remote(f"{here}:all", [f"{here}:part-1"], existing="merge")
    assert modules.run("image_index", options, check=True)["changed"]
    failed = modules.fail("image_index", options)
    assert (failed["error"], failed["images"][0]["error"]) == ("denied", "denied")
    assert anonymous.digest(repository, "all") == earlier["images"][0]["digest"]


def test_wrong_credentials_are_denied(protected: Registry, repository: str) -> None:
    name = f"{protected.host}/{repository}"
    login = {"ca_path": str(protected.ca), "username": "user", "password": "wrong password"}
    failed = modules.fail("image_index", remote(f"{name}:all", [f"{name}:1"], **login))
    assert failed["error"] == "denied"
    assert "wrong password" not in json.dumps(failed)


def test_a_docker_list_has_members_in_dockers_format(store: str) -> None:
    manifest = json.loads(AMD64.content[AMD64.root.digest])
    types = {media_types.OCI_LAYER_GZIP: media_types.DOCKER_LAYER_GZIP, media_types.OCI_CONFIG: media_types.DOCKER_CONFIG}
    for descriptor in (manifest["config"], *manifest["layers"]):
        descriptor["mediaType"] = types[descriptor["mediaType"]]
    data = json.dumps({**manifest, "mediaType": media_types.DOCKER_MANIFEST}).encode()
    root = type(AMD64.root)(media_types.DOCKER_MANIFEST, Digest.of(data), len(data))
    Image(root, {**AMD64.content, root.digest: data}).put(Store(store), "docker.io/library/old:1")
    options = {"name": NAME, "store": store, "manifests": members("old:1"), "format": "docker"}
    done = modules.check_do_again("image_index", options)
    assert done["images"][0]["media_type"] == media_types.DOCKER_LIST
    assert modules.fail("image_index", {**options, "annotations": {"a": "b"}})["error"] == "invalid_option"
