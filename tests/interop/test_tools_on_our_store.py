# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other tools read our store directly, and Longshore accepts their changes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_image, make_index
from tests.support.registry import needed

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
SPARSE = "docker.io/library/app:1.27"
PLAIN = "localhost/tools/plain:1"


def sparse() -> Image:
    return make_index("app", (HOST, OTHER))


def plain() -> Image:
    return make_image("plain", platform=HOST)


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """Return a store with a plain image, and a sparse index with only the host's platform."""
    store = Store(str(tmp_path / "store"))
    sparse().sparse(HOST).put(store, SPARSE, platforms=[HOST])
    plain().put(store, PLAIN)
    return store.path


def tool(*words: str) -> str:
    needed(words[0])
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def private(name: str, folder: Path) -> list[str]:
    """Return a command line of podman or buildah with private storage that needs no kernel feature."""
    return [name, "--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]


@pytest.mark.parametrize(("name", "image"), [(SPARSE, sparse), (PLAIN, plain)], ids=["sparse index", "manifest"])
class TestBothKindsOfImages:
    def test_skopeo_reads_an_image_by_its_name_with_our_digest(self, filled: str, tmp_path: Path, name: str, image: t.Callable[[], Image]) -> None:
        document = tool("skopeo", "inspect", "--raw", f"oci:{filled}:{name}")
        assert f"sha256:{hashlib.sha256(document.encode()).hexdigest()}" == str(image().root.digest)
        tool("skopeo", "copy", f"oci:{filled}:{name}", f"dir:{tmp_path / 'copy'}")
        layers = {layer.digest.hex for layer in image().graph.images[0].manifest.layers}
        assert layers <= set(os.listdir(tmp_path / "copy"))

    @pytest.mark.parametrize("program", ["podman", "buildah"])
    def test_podman_and_buildah_pull_an_image_by_its_name_and_keep_its_id(
        self, filled: str, tmp_path: Path, program: str, name: str, image: t.Callable[[], Image]
    ) -> None:
        words = private(program, tmp_path)
        pulled = tool(*words, "pull", "--quiet", f"oci:{filled}:{name}").strip()
        assert pulled == image().graph.images[0].manifest.config.digest.hex

    def test_oras_reads_an_image_by_its_digest(self, filled: str, tmp_path: Path, name: str, image: t.Callable[[], Image]) -> None:
        document = tool("oras", "manifest", "fetch", "--oci-layout", f"{filled}@{image().root.digest}")
        assert f"sha256:{hashlib.sha256(document.encode()).hexdigest()}" == str(image().root.digest)


def test_umoci_lists_names_and_reads_a_plain_image(filled: str) -> None:
    """umoci calls every index of several platforms ambiguous, also those of other tools."""
    assert tool("umoci", "list", "--layout", filled).split() == [SPARSE, PLAIN]
    outcome = json.loads(tool("umoci", "stat", "--image", f"{filled}:{PLAIN}", "--json"))
    assert [step["layer"]["digest"] for step in outcome["history"]] == [str(layer.digest) for layer in plain().layers]


def test_an_image_that_skopeo_wrote_into_the_store_is_found_and_survives(filled: str, tmp_path: Path) -> None:
    source = Store(str(tmp_path / "source"))
    make_image("foreign", platform=HOST).put(source, "quay.io/team/foreign:1")
    tool("skopeo", "copy", "--preserve-digests", f"oci:{source.path}:quay.io/team/foreign:1", f"oci:{filled}:quay.io/team/foreign:1")
    tool("skopeo", "copy", "--preserve-digests", f"oci:{source.path}:quay.io/team/foreign:1", f"oci:{filled}:short")

    rows = {row["name"]: row for row in modules.run("image_info", {"store": filled})["images"]}
    assert set(rows) >= {SPARSE, PLAIN, "quay.io/team/foreign:1"}
    assert rows["quay.io/team/foreign:1"]["digest"] == str(make_image("foreign", platform=HOST).root.digest)
    assert rows[SPARSE]["platforms"] == [HOST]

    modules.check_do_again("image_tag", {"store": filled, "name": "quay.io/team/foreign:1", "targets": ["again:1"]})
    assert "short" in tool("umoci", "list", "--layout", filled).split()
    modules.check_do_again("image_rm", {"store": filled, "name": ["quay.io/team/foreign:1"]})
    tool("skopeo", "inspect", f"oci:{filled}:short")


def test_a_store_that_another_tool_made_is_a_store(tmp_path: Path) -> None:
    source = Store(str(tmp_path / "source"))
    entry = make_image("foreign", platform=HOST).put(source, "quay.io/team/foreign:1")
    foreign = str(tmp_path / "foreign")
    tool("skopeo", "copy", "--preserve-digests", f"oci:{source.path}:quay.io/team/foreign:1", f"oci:{foreign}:quay.io/team/foreign:1")
    before = modules.snapshot(foreign)
    (row,) = modules.run("image_info", {"store": foreign})["images"]
    assert modules.snapshot(foreign) == before
    assert row["digest"] == str(entry.descriptor.digest)
    modules.check_do_again("image_tag", {"store": foreign, "name": row["name"], "targets": ["mine:1"]})
    assert Store(foreign).get_complete_entry(Reference.parse("mine:1")).descriptor.digest == entry.descriptor.digest


def test_garbage_collection_by_umoci_leaves_our_images_complete(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    plain().put(store, PLAIN)
    tool("umoci", "gc", "--layout", store.path)
    assert Store(store.path).find_missing_blobs(Store(store.path).get_entry(Reference.parse(PLAIN))) == []
