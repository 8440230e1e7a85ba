# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of signed images are loaded by all engines and tools, as without the signatures."""

from __future__ import annotations

import dataclasses
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.support import engines, modules
from tests.support.engines import OTHER, runnable_index
from tests.support.registry import needed, running_registry
from tests.support.signing import attach, attest, list_in_layout, make_keys, sign, sign_as_referrer

IMAGE = runnable_index("signed", OTHER)
TEXT = f"signed-{engines.HOST.replace('/', '-')}"


@dataclasses.dataclass(frozen=True)
class SignedArchive:
    path: Path
    name: str

    @property
    def node(self) -> t.Any:
        return next(node for node in IMAGE.graph.images if str(node.platform) == engines.HOST)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> SignedArchive:
    """Save a signed index, with signatures in both forms, an attestation and an SBOM."""
    needed("cosign", "oras")
    folder = tmp_path_factory.mktemp("signed")
    path, store = folder / "signed.tar", folder / "store"
    (folder / "registry").mkdir()
    with running_registry(folder / "registry") as registry:
        name = registry.put(IMAGE, "app", "1")
        keys = make_keys(folder)
        sign(keys, name, "--recursive")
        sign_as_referrer(keys, name)
        attest(keys, name)
        attach(folder, name, "sbom")
        modules.run("image_pull", {"name": [name], "store": str(store), "platform": ["all"], "referrers": True})
    modules.run("image_save", {"name": [name], "store": str(store), "path": str(path)})
    return SignedArchive(path, name)


@pytest.mark.parametrize("engine", ["docker", "docker_on_containerd", "containerd", "podman"])
def test_an_engine_loads_the_image_and_nothing_else(request: pytest.FixtureRequest, archive: SignedArchive, engine: str) -> None:
    tool: engines.Engine = request.getfixturevalue(engine)
    tool.load(archive.path)
    assert tool.names() == {archive.name}
    assert tool.image_id(archive.name) == str(archive.node.manifest.config.digest)
    assert tool.runs_with(archive.name, TEXT)
    assert (str(IMAGE.root.digest) in tool.digests(archive.name)) == (engine in ("docker_on_containerd", "containerd"))


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_skopeo_copies_the_image_by_name(archive: SignedArchive, tmp_path: Path, form: str) -> None:
    needed("skopeo")
    engines.Skopeo.copy(f"{form}:{archive.path}:{archive.name}", f"oci:{tmp_path}/copied:1")
    assert (tmp_path / "copied" / "index.json").exists()


def test_oras_lists_the_referrers_of_the_unpacked_archive(archive: SignedArchive, tmp_path: Path) -> None:
    needed("oras", "tar")
    subprocess.run(["tar", "-xf", archive.path, "-C", tmp_path], check=True)
    assert len(list_in_layout(tmp_path, IMAGE.root.digest)) == 3
