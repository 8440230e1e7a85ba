# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_diff_info compares images of any two places: real registries, stores, archives and engines."""

from __future__ import annotations

import gzip
import itertools
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.docker_daemon import DockerDaemon
from tests.support.images import make_artifact, make_image, make_index, make_layer
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.rootfs import Item, dpkg_layer, layer
from tests.support.site import PLACES, Site

BASE = make_layer("base", 5000)
BEFORE = make_image("before", 1, shared=[BASE])
AFTER = make_image("after", 2, shared=[BASE])


@pytest.fixture
def site(anonymous: Registry, repository: str, tmp_path: Path) -> t.Iterator[Site]:
    with DockerDaemon(reports_manifests=True).running() as daemon:
        yield Site(anonymous, repository, tmp_path, daemon)


def compare(site: Site, before: str, after: str, **options: t.Any) -> modules.Results:
    """Compare two images in check mode and outside of it, twice, and return the result, which is the same each time."""
    given = {**site.options, "before": before, "after": after, **options}
    first = modules.run("image_diff_info", given, check=True)
    assert modules.run("image_diff_info", given) == first
    assert (first["changed"], first["actions"]) == (False, [])
    return first


@pytest.mark.parametrize(("old", "new"), list(itertools.product(PLACES, PLACES)))
def test_images_of_any_two_places_are_compared(site: Site, old: str, new: str) -> None:
    found = compare(site, site.put(old, BEFORE, "1"), site.put(new, AFTER, "2"))

    assert found["different"]
    assert (found["before"]["digest"], found["after"]["digest"]) == (str(BEFORE.root.digest), str(AFTER.root.digest))
    assert [(row["change"], row["digest"]) for row in found["layers"]] == [
        ("kept", str(AFTER.layers[0].digest)),
        ("added", str(AFTER.layers[1].digest)),
        ("added", str(AFTER.layers[2].digest)),
        ("removed", str(BEFORE.layers[1].digest)),
    ]
    assert [(row["setting"], row["key"], row["before"], row["after"]) for row in found["config"]] == [("labels", "text", "before", "after")]
    assert [(row["change"], row["path"]) for row in found["files"]] == [
        ("added", "/after-0.txt"),
        ("added", "/after-1.txt"),
        ("removed", "/before-0.txt"),
    ]
    config = AFTER.graph.images[0].manifest.config
    assert found["bytes_to_move"] == config.size + AFTER.layers[1].size + AFTER.layers[2].size
    before, after = (text.splitlines() for text in (found["diff"]["before"], found["diff"]["after"]))
    assert "  labels text=before" in before
    assert "  labels text=after" in after
    assert [line for line in before if str(BEFORE.layers[0].digest) in line and line in after]


@pytest.mark.parametrize(("old", "new"), [("registry", "store"), ("archive", "engine"), ("engine", "registry")])
def test_packages_are_compared_above_the_layers_that_both_have(site: Site, old: str, new: str) -> None:
    base, patched = dpkg_layer(nginx="1.27.2", openssl="3.0.15", tzdata="1"), dpkg_layer(nginx="1.27.3", openssl="3.0.16", tzdata="1", curl="8")
    before, after = make_image("app", 1, shared=[base]), make_image("app", 1, shared=[base, patched])
    found = compare(site, site.put(old, before, "1"), site.put(new, after, "2"))

    assert [(row["change"], row["type"], row["name"], row["before"], row["after"]) for row in found["packages"]] == [
        ("added", "deb", "curl", None, "8"),
        ("changed", "deb", "nginx", "1.27.2", "1.27.3"),
        ("changed", "deb", "openssl", "3.0.15", "3.0.16"),
    ]
    assert [(row["change"], row["path"]) for row in found["files"]] == [("changed", "/var/lib/dpkg/status")]
    assert "  package deb openssl 3.0.15\n" in found["diff"]["before"]
    assert "  package deb openssl 3.0.16\n" in found["diff"]["after"]
    assert found["unreadable"] == []


def test_a_database_that_can_not_be_read_is_named(site: Site) -> None:
    broken = gzip.compress(layer(Item("var/lib/dpkg/status", "no database", 0o644)), mtime=0)
    found = compare(site, site.put("store", BEFORE, "1"), site.put("store", make_image("broken", 0, shared=[broken]), "2"))

    assert [(row["image"], row["path"], row["error"]) for row in found["unreadable"]] == [("after", "/var/lib/dpkg/status", "unsupported_format")]
    assert found["packages"] == []


def test_the_same_image_in_two_places_is_not_different(site: Site) -> None:
    found = compare(site, site.put("registry", BEFORE, "1"), site.put("archive", BEFORE, "1"))

    assert (found["different"], found["config"], found["bytes_to_move"]) == (False, [], 0)
    assert {row["change"] for row in found["layers"]} == {"kept"}
    assert found["diff"]["before"] == found["diff"]["after"]


def test_a_layer_that_is_compressed_otherwise_is_repacked_and_has_to_move(site: Site) -> None:
    other = make_image("before", 1, shared=[gzip.compress(gzip.decompress(BASE), 1, mtime=0)])
    found = compare(site, site.put("registry", BEFORE, "1"), site.put("store", other, "2"))

    assert [row["change"] for row in found["layers"]] == ["repacked", "kept"]
    assert found["layers"][0]["previous_digest"] == str(BEFORE.layers[0].digest)
    assert found["bytes_to_move"] == other.layers[0].size
    assert found["different"]


def test_all_platforms_are_compared_and_those_of_one_image_are_named(site: Site) -> None:
    old = make_index("old", ("linux/amd64", "linux/arm64"))
    new = make_index("new", ("linux/amd64", "linux/s390x"))
    found = compare(site, site.put("registry", old, "1"), site.put("store", new, "2"), platform=["all"])

    assert [(row["platform"], row["change"]) for row in found["platforms"]] == [
        ("linux/amd64", "changed"),
        ("linux/s390x", "added"),
        ("linux/arm64", "removed"),
    ]
    assert {row["platform"] for row in found["layers"]} == {"linux/amd64"}
    assert found["bytes_to_move"] == sum(blob.size for blob in new.blobs)


def test_layers_are_downloaded_once_and_only_if_something_differs(anonymous: Registry, recording: Recorder, repository: str, tmp_path: Path) -> None:
    for tag, image in (("1", BEFORE), ("2", AFTER)):
        anonymous.put(image, repository, tag)
    options = {"store": str(tmp_path / "store"), "plain_http": True, "before": f"{recording.host}/{repository}:1"}

    def downloaded(after: str, **given: t.Any) -> list[str]:
        recording.requests.clear()
        modules.run("image_diff_info", {**options, "after": f"{recording.host}/{repository}:{after}", **given})
        layers = {str(layer.digest) for image in (BEFORE, AFTER) for layer in image.layers}
        return sorted(digest for digest in layers for line in recording.lines if digest in line)

    assert downloaded("2") == sorted({str(layer.digest) for image in (BEFORE, AFTER) for layer in image.layers})
    assert downloaded("1") == []
    assert downloaded("2", contents=False) == []


def test_all_differences_of_files_are_counted_and_the_first_ones_are_listed(site: Site) -> None:
    found = compare(site, site.put("store", BEFORE, "1"), site.put("store", AFTER, "2"), files_limit=1)

    assert [row["path"] for row in found["files"]] == ["/after-0.txt"]
    assert (found["files_left_out"], found["file_counts"]) == (2, {"added": 2, "removed": 1, "changed": 0})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"after": "r.test/app:A"}, None),
        ({"after": "oci:"}, "invalid_option"),
        ({"after": "UPPER"}, "invalid_reference"),
        ({"after": "store::r.test/absent:1"}, "not_found"),
        ({"platform": ["linux/s390x"]}, "platform_missing"),
        ({"platform": ["linux/"]}, "invalid_option"),
        ({"platform": []}, "invalid_option"),
        ({"files_limit": -1}, "invalid_option"),
    ],
)
def test_bad_input_is_an_error(site: Site, options: dict[str, t.Any], error: str | None) -> None:
    index = site.put("store", make_index(), "1")
    options = {**site.options, "before": index, "after": index, **options}
    if error is None:
        options.update(after=site.put("store", make_artifact("text", None), "artifact"))
    assert modules.fail("image_diff_info", options)["error"] == (error or "unsupported_format")


def test_wrong_credentials_are_refused(protected: Registry, repository: str, tmp_path: Path) -> None:
    name = protected.put(BEFORE, repository, "1")
    options = {"before": name, "after": name, "ca_path": str(protected.ca), "username": USER, "store": str(tmp_path / "store")}
    assert not modules.run("image_diff_info", {**options, "password": PASSWORD})["different"]
    assert modules.fail("image_diff_info", {**options, "password": "wrong"})["error"] == "denied"
