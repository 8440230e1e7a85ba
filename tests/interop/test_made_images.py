# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that image_index and image_rebase make, as engines and tools read them; and bases that docker and buildah build."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import HOST, OTHER
from tests.support.engines.base import call
from tests.support.images import Image, make_attested_index, make_image
from tests.support.rootfs import read_tar, text_file

INDEX = "docker.io/library/all:1"
IGNORED = {"dev", "etc", "proc", "run", "sys", ".dockerenv"}


@pytest.fixture
def parts() -> tuple[Image, Image]:
    """Return two indexes of one platform each, with attestations."""
    return make_attested_index("host", (HOST,)), make_attested_index("other", (OTHER,))


@pytest.fixture
def digest(store: str, parts: tuple[Image, Image]) -> str:
    """Return the digest of an index of both in the store."""
    names = ("docker.io/library/host:1", "docker.io/library/other:1")
    for name, image in zip(names, parts):
        image.put(Store(store), name, platforms=["all"])
    done = modules.run("image_index", {"name": INDEX, "store": store, "manifests": [{"name": name} for name in names]})
    assert [len(member["attestations"]) for member in done["images"][0]["members"]] == [1, 1]
    return str(done["images"][0]["digest"])


def test_skopeo_and_podman_read_each_platform_from_the_store(
    store: str, digest: str, parts: tuple[Image, Image], skopeo: engines.Skopeo, podman: engines.Podman, tmp_path: Path
) -> None:
    raw = call("skopeo", "inspect", "--raw", f"oci:{store}:{INDEX}")
    assert len(json.loads(raw)["manifests"]) == 4
    for image, platform in zip(parts, (HOST, OTHER)):
        folder = tmp_path / platform.replace("/", "-")
        os_name, _slash, architecture = platform.partition("/")
        call("skopeo", "--override-os", os_name, "--override-arch", architecture, "copy", f"oci:{store}:{INDEX}", f"dir:{folder}")
        copied = json.loads((folder / "manifest.json").read_text())
        assert copied["config"]["digest"] == str(image.graph.images[0].manifest.config.digest)
    call("skopeo", "copy", "--all", f"oci:{store}:{INDEX}", f"oci:{tmp_path / 'copy'}:all")
    assert digest.partition(":")[2] in {path.name for path in (tmp_path / "copy" / "blobs" / "sha256").iterdir()}
    podman.load(Path(store), "oci", [INDEX])
    assert podman.image_id(INDEX) == str(parts[0].graph.images[0].manifest.config.digest)


@pytest.mark.parametrize("kind", ["docker", "docker_on_containerd", "containerd"])
def test_engines_load_the_index_and_choose_their_platform(
    request: pytest.FixtureRequest, store: str, digest: str, parts: tuple[Image, Image], kind: str, tmp_path: Path
) -> None:
    engine: engines.Engine = request.getfixturevalue(kind)
    modules.run("image_save", {"store": store, "name": [INDEX], "path": str(tmp_path / "saved.tar")})
    engine.load(tmp_path / "saved.tar")
    assert engine.image_id(INDEX) == str(parts[0].graph.images[0].manifest.config.digest)
    assert kind == "docker" or digest in engine.digests(INDEX)


@pytest.mark.parametrize("kind", ["docker", "buildah"])
def test_images_that_a_tool_builds_are_bases_and_are_rebased_and_indexed(
    request: pytest.FixtureRequest, store: str, podman: engines.Podman, kind: str, tmp_path: Path
) -> None:
    tool: engines.Docker | engines.Buildah = request.getfixturevalue(kind)
    for version in ("1", "2"):
        build(tool, tmp_path / version, f"base:{version}", "scratch", {"base": f"base {version}"}, "ENV BASE=" + version)
    build(tool, tmp_path / "app", "app:1", "base:1", {"opt": "app"}, 'ENTRYPOINT ["/opt"]')
    built = ["base:1", "base:2", "app:1"]
    for names in [built] if isinstance(tool, engines.Docker) else [[name] for name in built]:
        tool.save(names, tmp_path / "built", "oci")
    modules.run("image_load", {"store": store, "path": str(tmp_path / "built")})
    (tmp_path / "config").write_text("config")
    (tmp_path / "config").chmod(0o644)
    layers = [{"src": str(tmp_path / "config"), "dest": "/etc-app/config"}]
    modules.run("image_append", {"store": store, "name": "app:2", "base": "app:1", "layers": layers})
    done = modules.check_do_again("image_rebase", {"store": store, "name": "app:3", "image": "app:2", "old_base": "base:1", "new_base": "base:2"})
    base, old, new = modules.run("image_info", {"store": store, "name": ["base:2", "app:2", "app:3"]})["images"]
    assert new["layers"] == [*base["layers"], *old["layers"][len(base["layers"]) :]]
    assert (new["config"]["Entrypoint"], new["config"]["Env"][-1]) == (["/opt"], "BASE=2")
    make_image("other", platform=OTHER).put(Store(store), "docker.io/library/other:1")
    modules.run("image_index", {"store": store, "name": INDEX, "manifests": [{"name": "app:3"}, {"name": "other:1"}]})

    reader: engines.Docker | engines.Podman = tool if isinstance(tool, engines.Docker) else podman
    if isinstance(reader, engines.Docker):
        modules.run("image_save", {"store": store, "name": [INDEX], "path": str(tmp_path / "saved.tar")})
        reader.load(tmp_path / "saved.tar")
    else:
        reader.load(Path(store), "oci", [INDEX])
    assert reader.image_id(INDEX) == done["images"][0]["image_id"]
    found = read_tar(reader.export(INDEX, tmp_path / "root.tar").read_bytes(), IGNORED)
    assert {name: value for name, value in found.items() if value[0] == "f"} == {
        "base": text_file("base 2"),
        "opt": text_file("app"),
        "etc-app/config": text_file("config"),
    }


def build(tool: engines.Docker | engines.Buildah, folder: Path, name: str, base: str, files: t.Mapping[str, str], line: str) -> None:
    """Build an image with FILES in its root folder and one more LINE in its Dockerfile."""
    folder.mkdir()
    for path, text in files.items():
        (folder / path).write_text(text)
        (folder / path).chmod(0o644)
    copies = "".join(f"COPY {path} /{path}\n" for path in files)
    (folder / "Dockerfile").write_text(f"FROM {base}\n{copies}{line}\n")
    tool.build(folder, name)
