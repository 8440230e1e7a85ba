# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_copy of signatures and other referrers, made by real tools, between registries without the referrers API."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import Image, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import Registry, needed, running_registry
from tests.support.signing import attach, discovered, list_in_layout, make_keys, sign, verify

PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    """Run a second, empty registry."""
    with running_registry(tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("cosign", "oras")
    return make_keys(tmp_path_factory.mktemp("keys"))


def tags(registry: Registry, repository: str) -> set[str]:
    return set(registry.request("GET", f"{repository}/tags/list").json()["tags"])


def index() -> Image:
    return make_index("signed", PLATFORMS)


def options(source: str, registry: Registry, repository: str) -> dict[str, t.Any]:
    return {"images": [{"src": source, "dest": f"{registry.host}/{repository}:1"}], "referrers": True}


def test_signatures_of_an_index_and_its_manifests_are_valid_at_the_target(anonymous: Registry, other: Registry, repository: str, keys: Path) -> None:
    source = anonymous.put(index(), repository, "1")
    sign(keys, source, "--recursive")
    done = modules.check_do_again("image_copy", options(source, other, repository), place="/nonexistent")
    verify(keys, f"{other.host}/{repository}:1")
    for node in index().graph.images:
        verify(keys, f"{other.host}/{repository}@{node.descriptor.digest}")
    assert tags(other, repository) == tags(anonymous, repository)
    assert sorted(row["tag"] for row in done["images"][0]["referrers"]) == sorted(tags(anonymous, repository) - {"1"})


def test_referrers_are_copied_with_their_own_referrers(anonymous: Registry, other: Registry, repository: str, keys: Path, tmp_path: Path) -> None:
    source = anonymous.put(index(), repository, "1")
    sbom = attach(tmp_path, source, "sbom")
    signature = attach(tmp_path, f"{anonymous.host}/{repository}@{sbom}", "signature")
    attach(tmp_path, f"{anonymous.host}/{repository}@{index().graph.images[1].descriptor.digest}", "scan")
    sign(keys, f"{anonymous.host}/{repository}@{signature}")

    done = modules.check_do_again("image_copy", options(source, other, repository), place="/nonexistent")

    name = f"{other.host}/{repository}"
    assert discovered(f"{name}:1") == {"sbom"}
    assert discovered(f"{name}@{sbom}") == {"signature"}
    assert discovered(f"{name}@{index().graph.images[1].descriptor.digest}") == {"scan"}
    verify(keys, f"{name}@{signature}")
    assert len(done["images"][0]["referrers"]) == 4
    assert {sbom, signature} < {row["digest"] for row in done["images"][0]["referrers"]}


def test_a_later_signature_is_copied_although_the_image_is_unchanged(anonymous: Registry, other: Registry, repository: str, keys: Path) -> None:
    source = anonymous.put(make_image("later"), repository, "1")
    modules.run("image_copy", options(source, other, repository))
    sign(keys, source)
    done = modules.check_do_again("image_copy", options(source, other, repository), place="/nonexistent")
    assert len(done["actions"]) == 1
    assert "1 referrer of" in done["actions"][0]
    verify(keys, f"{other.host}/{repository}:1")


def test_the_targets_own_referrers_stay(anonymous: Registry, other: Registry, repository: str, keys: Path, tmp_path: Path) -> None:
    source = anonymous.put(make_image("both"), repository, "1")
    attach(tmp_path, source, "sbom")
    attach(tmp_path, other.put(make_image("both"), repository, "1"), "approval")
    done = modules.check_do_again("image_copy", options(source, other, repository), place="/nonexistent")
    assert discovered(f"{other.host}/{repository}:1") == {"sbom", "approval"}
    assert len(done["actions"]) == 1


def test_within_a_registry_signatures_move_no_bytes_either(anonymous: Registry, repository: str, keys: Path, tmp_path: Path) -> None:
    source = anonymous.put(index(), f"{repository}/source", "1")
    sign(keys, source)
    attach(tmp_path, source, "sbom")
    done = modules.check_do_again("image_copy", options(source, anonymous, f"{repository}/target"), place="/nonexistent")
    assert done["bytes_transferred"] == 0
    verify(keys, f"{anonymous.host}/{repository}/target:1")
    assert discovered(f"{anonymous.host}/{repository}/target:1") == {"sbom"}


def test_without_the_option_only_the_image_is_copied(anonymous: Registry, other: Registry, repository: str, keys: Path) -> None:
    source = anonymous.put(make_image("alone"), repository, "1")
    sign(keys, source)
    modules.run("image_copy", {**options(source, other, repository), "referrers": False})
    assert tags(other, repository) == {"1"}


def test_only_referrers_of_the_copied_platforms_are_copied(anonymous: Registry, other: Registry, repository: str, keys: Path, tmp_path: Path) -> None:
    source = anonymous.put(index(), repository, "1")
    sign(keys, source, "--recursive")
    done = modules.run("image_copy", {**options(source, other, repository), "platform": ["linux/arm64"]})
    verify(keys, f"{other.host}/{repository}:1")
    assert len(done["images"][0]["referrers"]) == 1


def test_a_signature_that_cannot_be_copied_leaves_the_tag_unchanged(
    anonymous: Registry, other: Registry, repository: str, keys: Path, recording: Recorder
) -> None:
    source = other.put(make_image("new"), f"{repository}/source", "1")
    sign(keys, source)
    anonymous.put(make_image("old"), repository, "1")
    recording.intercept = lambda recorded: 403 if recorded.method == "PUT" and recorded.path.endswith(".sig") else None
    results = modules.fail("image_copy", options(source, Registry(keys, int(recording.host.rpartition(":")[2])), repository))
    assert results["error"] == "denied"
    assert anonymous.digest(repository, "1") == str(make_image("old").root.digest)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_the_tags_of_cosign_are_tried_if_tags_cannot_be_listed(
    anonymous: Registry, other: Registry, repository: str, keys: Path, recording: Recorder, status: int
) -> None:
    repository = f"{repository}/{status}"
    sign(keys, anonymous.put(make_image("unlisted"), repository, "1"))
    recording.intercept = lambda recorded: status if recorded.path.partition("?")[0].endswith("/tags/list") else None
    modules.run("image_copy", options(f"{recording.host}/{repository}:1", other, repository))
    verify(keys, f"{other.host}/{repository}:1")


def test_signatures_are_copied_through_a_layout_and_an_archive(
    anonymous: Registry, other: Registry, repository: str, keys: Path, tmp_path: Path
) -> None:
    source = anonymous.put(index(), repository, "1")
    sign(keys, source)
    attach(tmp_path, source, "sbom")
    places = [source, f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/app.tar", f"{other.host}/{repository}:1"]
    for number, (src, dest) in enumerate(zip(places, places[1:])):
        done = modules.check_do_again("image_copy", {"images": [{"src": src, "dest": dest}], "referrers": True}, place=tmp_path)
        (row,) = done["images"]
        assert [referrer["changed"] for referrer in row["referrers"]] == [True, True], number
    assert list_in_layout(tmp_path / "layout", index().root.digest) == {"sbom"}
    verify(keys, places[-1])
    assert discovered(places[-1]) == {"sbom"}


def test_a_docker_archive_gets_no_referrers(anonymous: Registry, repository: str, keys: Path, tmp_path: Path) -> None:
    source = anonymous.put(make_image("a"), repository, "1")
    sign(keys, source)
    images = [{"src": source, "dest": f"docker-archive:{tmp_path}/app.tar"}]
    done = modules.run("image_copy", {"images": images, "referrers": True})
    assert (done["images"][0]["referrers"], done.get("warnings", [])) == ([], [])
