# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_info and image_history_info of a store."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import CREATED, make_artifact, make_files, make_image, make_index

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
NAME = "docker.io/library/app:1"
PLAIN = "docker.io/library/plain:1"


@pytest.fixture
def filled(store: str) -> str:
    """Return a store with a sparse index under two names, a plain image, and an image without a name."""
    make_index("app", (HOST, OTHER)).sparse(HOST).put(Store(store), NAME, "quay.io/team/app:2", platforms=[HOST])
    make_image("plain", platform=OTHER).put(Store(store), "docker.io/library/plain:1")
    make_image("moved").put(Store(store), "docker.io/library/moved:1")
    make_image("mover").put(Store(store), "docker.io/library/moved:1")
    return store


def info(store: str, **options: t.Any) -> list[dict[str, t.Any]]:
    rows: list[dict[str, t.Any]] = modules.run("image_info", {"store": store, **options})["images"]
    return rows


def test_all_images_are_listed_with_names_that_can_be_queried(filled: str) -> None:
    rows = info(filled)
    assert [row["name"] for row in rows] == [NAME, "quay.io/team/app:2", "docker.io/library/plain:1", None, "docker.io/library/moved:1"]
    for row in rows:
        assert info(filled, name=[row["name"] or row["digest"]]) == [row]


def test_an_artifact_is_described_with_its_type_and_the_titles_of_its_files(store: str) -> None:
    files = [("a.txt", b"a"), (None, b"b")]
    chart = make_files(files, config_type="application/vnd.cncf.helm.config.v1+json", annotations={"org.opencontainers.image.version": "1"})
    chart.put(Store(store), "r.test/chart:1")
    make_artifact("sbom", None, artifact_type="application/spdx+json").put(Store(store), "r.test/sbom:1")
    make_image("image").put(Store(store), "r.test/image:1")

    rows = info(store, name=["r.test/chart:1", "r.test/sbom:1", "r.test/image:1"])

    assert [row["artifact_type"] for row in rows] == ["application/vnd.cncf.helm.config.v1+json", "application/spdx+json", None]
    assert [row["annotations"] for row in rows] == [{"org.opencontainers.image.version": "1"}, {"text": "sbom"}, {}]
    assert [[layer["title"] for layer in row["layers"]] for row in rows] == [["a.txt", None], [None], [None, None]]


def test_the_documents_are_returned_byte_for_byte_on_request(filled: str) -> None:
    image = make_index("app", (HOST, OTHER))
    mine = image.graph.images[0]
    (row,) = modules.run("image_info", {"store": filled, "name": [NAME], "raw": True})["images"]
    documents = {"index": image.root.digest, "manifest": mine.descriptor.digest, "config": mine.manifest.config.digest}
    assert row["raw"] == {name: image.content[digest].decode() for name, digest in documents.items()}
    (row,) = info(filled, name=[NAME])
    assert "raw" not in row


def test_a_manifest_without_an_index_and_a_config_that_is_no_text_are_raw_too(store: str) -> None:
    image = make_files([("a.txt", b"a")], config=b"\xff")
    image.put(Store(store), "r.test/files:1")
    (row,) = modules.run("image_info", {"store": store, "name": ["r.test/files:1"], "raw": True})["images"]
    assert row["raw"] == {"index": None, "manifest": image.content[image.root.digest].decode(), "config": None}


def test_an_image_is_described_completely(filled: str) -> None:
    image = make_index("app", (HOST, OTHER))
    mine = image.graph.images[0]
    (row,) = info(filled, name="app:1")
    assert row["digest"] == str(image.root.digest)
    assert row["image_id"] == str(mine.manifest.config.digest)
    assert row["repo_tags"] == [NAME, "quay.io/team/app:2"]
    assert row["repo_digests"] == [f"docker.io/library/app@{image.root.digest}", f"quay.io/team/app@{image.root.digest}"]
    assert (row["os"], row["architecture"], row["created"]) == (*HOST.split("/"), CREATED)
    assert row["labels"] == {"text": f"app-{HOST.replace('/', '-')}"}
    assert row["config"]["Cmd"] == ["/bin/true"]
    assert [layer["digest"] for layer in row["layers"]] == [str(layer.digest) for layer in mine.manifest.layers]
    assert [(child["platform"], child["present"]) for child in row["manifests"]] == [(HOST, True), (OTHER, False)]
    assert row["platforms"] == [HOST]
    assert row["size"] == image.root.size + mine.descriptor.size + sum(blob.size for blob in mine.manifest.blobs)
    assert {(part["digest"], part["size"]) for part in row["content"]} == {
        (str(part.digest), part.size) for part in (image.root, mine.descriptor, *mine.manifest.blobs)
    }


def test_the_size_of_an_image_counts_content_shared_by_platforms_once(store: str) -> None:
    make_index("app", (HOST, OTHER)).put(Store(store), NAME)
    (row,) = info(store)
    assert sum(part["size"] for part in row["content"]) == row["size"]
    assert len({part["digest"] for part in row["content"]}) == len(row["content"])


def test_absent_images_are_rows_and_not_a_failure(filled: str) -> None:
    rows = info(filled, name=["absent:1", NAME, "sha256:" + "0" * 64])
    assert [row["present"] for row in rows] == [False, True, False]
    assert rows[0]["name"] == "docker.io/library/absent:1"


def test_a_digest_is_never_guessed_from_its_beginning(filled: str) -> None:
    digest = str(make_image("plain", platform=OTHER).root.digest)
    assert info(filled, name=[digest])[0]["present"]
    assert modules.fail("image_info", {"store": filled, "name": [digest[:20]]})["error"] == "invalid_reference"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"reference": ["docker.io/library/*"]}, [NAME, "docker.io/library/plain:1", "docker.io/library/moved:1"]),
        ({"reference": ["quay.io/*/app:*", "docker.io/library/pl?in:1"]}, ["quay.io/team/app:2", "docker.io/library/plain:1"]),
        ({"label": ["text=plain"]}, ["docker.io/library/plain:1"]),
        ({"label": ["text", "other"]}, []),
        ({"dangling": True}, [None]),
        ({"dangling": False, "label": ["text=moved"]}, []),
        ({"before": NAME}, []),
        ({"since": NAME}, []),
    ],
    ids=str,
)
def test_filters_select_images(filled: str, filters: dict[str, t.Any], expected: list[str | None]) -> None:
    assert [row["name"] for row in info(filled, filters=filters)] == expected


def test_images_are_filtered_by_creation_time(store: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    layers = [{"src": str(tmp_path / "file"), "dest": "/file"}]
    for year in ("2020", "2022", "2024"):
        created = f"{year}-01-01T00:00:00Z"
        modules.run("image_append", {"name": f"made:{year}", "base": "scratch", "store": store, "layers": layers, "created": created})
    assert [row["created"][:4] for row in info(store, filters={"before": "made:2022"})] == ["2020"]
    assert [row["created"][:4] for row in info(store, filters={"since": "made:2020"})] == ["2022", "2024"]


def test_a_filter_by_an_absent_image_fails(filled: str) -> None:
    assert modules.fail("image_info", {"store": filled, "filters": {"before": "absent:1"}})["error"] == "not_found"


def test_damage_shows_as_a_missing_platform(filled: str) -> None:
    os.unlink(Store(filled).blob_path(make_index("app", (HOST, OTHER)).graph.images[0].manifest.layers[0].digest))
    (row,) = info(filled, name=[NAME])
    assert row["present"]
    assert row["platforms"] == []
    assert not any(child["present"] for child in row["manifests"])


def test_an_empty_and_a_missing_store_have_no_images_and_stay_unchanged(store: str) -> None:
    assert info(store) == []
    assert not os.path.exists(store)
    os.mkdir(store)
    assert info(store) == []
    assert os.listdir(store) == []


def test_reading_writes_nothing_not_even_the_record_of_verified_blobs(filled: str) -> None:
    shutil.rmtree(Path(filled, ".longshore"))
    before = modules.snapshot(filled)
    info(filled)
    modules.run("image_history_info", {"store": filled, "name": NAME})
    assert modules.snapshot(filled) == before


def test_history_is_listed_newest_first_with_the_layers(filled: str) -> None:
    mine = make_index("app", (HOST, OTHER)).graph.images[0]
    results = modules.run("image_history_info", {"store": filled, "name": NAME})
    assert results["name"] == NAME
    assert [step["created_by"] for step in results["history"]] == ["layer 1", "layer 0"]
    assert [step["digest"] for step in results["history"]] == [str(layer.digest) for layer in reversed(mine.manifest.layers)]
    assert [step["size"] for step in results["history"]] == [layer.size for layer in reversed(mine.manifest.layers)]
    assert all(step["diff_id"].startswith("sha256:") and not step["empty_layer"] for step in results["history"])


@pytest.mark.parametrize(("options", "error"), [({"name": "absent:1"}, "not_found"), ({"name": "No:1"}, "invalid_reference")])
def test_history_of_a_missing_image_fails(filled: str, options: dict[str, str], error: str) -> None:
    assert modules.fail("image_history_info", {"store": filled, **options})["error"] == error


@pytest.mark.parametrize("options", [{}, {"platform": [HOST]}], ids=["the host's", "a platform"])
@pytest.mark.parametrize("part", ["index", "manifest", "config", "layer"])
def test_history_of_a_damaged_image_fails_and_names_the_missing_blob(store: str, part: str, options: dict[str, t.Any]) -> None:
    whole = make_index("app", (HOST,))
    whole.put(Store(store), NAME, platforms=[HOST])
    node = whole.graph.images[0]
    parts = {"index": whole.root, "manifest": node.descriptor, "config": node.manifest.config, "layer": node.manifest.layers[0]}
    os.unlink(Store(store).blob_path(parts[part].digest))
    results = modules.fail("image_history_info", {"store": store, "name": NAME, **options})
    assert results["error"] == "store_damaged"
    assert f"{NAME} is damaged in {store}: {parts[part].digest} is missing" in results["msg"]


def test_history_for_a_missing_platform_fails(filled: str) -> None:
    results = modules.fail("image_history_info", {"store": filled, "name": NAME, "platform": [OTHER]})
    assert results["error"] == "platform_missing"


@pytest.mark.parametrize(("platform", "shown"), [([HOST], [NAME]), ([OTHER], [PLAIN]), (["linux/s390x", OTHER], [PLAIN]), (["linux/s390x"], [])])
def test_a_platform_filter_shows_the_images_stored_for_it(store: str, platform: list[str], shown: list[str]) -> None:
    make_index("app", (HOST, OTHER)).sparse(HOST).put(Store(store), NAME, platforms=[HOST])
    make_image("plain", platform=OTHER).put(Store(store), PLAIN)
    assert [row["name"] for row in info(store, platform=platform)] == shown
    assert [row["name"] for row in info(store, platform=platform, name=[NAME, PLAIN]) if row["present"]] == shown
